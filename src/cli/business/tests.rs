//! What the commands print, and what they say in failing.

use std::path::Path;

use async_trait::async_trait;

use super::directory::import;
use super::*;
use crate::domain::{
    About, AccountSid, Business, BusinessId, BusinessImport, CallRecord, CallSid, DestinationId, Ending,
    InstanceId, Message, MicroDollars, ModalityTokens, Notice, PhoneNumber, Pii, Plan, PlanId, RecordingSid,
    Speaker, StreamEnd, Turn, Usage, Voice, Voicemail,
};
use crate::store::conformance::{one_business, one_call};
use crate::store::{Delivery, Listing, Sqlite, StoreError};

const NOW_MS: i64 = 1_790_000_000_000;

async fn store() -> Sqlite {
    Sqlite::open("sqlite::memory:").await.unwrap()
}

/// What a command prints, or says in failing.
async fn does(command: BusinessCommand, store: &Sqlite) -> Result<String, String> {
    does_with(command, Arc::new(store.clone()), store).await
}

async fn does_with(
    command: BusinessCommand,
    directory: Arc<dyn Directory>,
    store: &Sqlite,
) -> Result<String, String> {
    let store = Arc::new(store.clone());
    let books =
        Books { directory, ledger: store.clone(), slots: store.clone(), outbox: store, clock: || NOW_MS };
    let mut out = Vec::new();
    let outcome = run(command, &books, &mut out).await;
    outcome.map(|()| String::from_utf8(out).unwrap()).map_err(|error| format!("{error:#}"))
}

fn export_to(path: &Path) -> BusinessCommand {
    BusinessCommand::Export { out: Some(path.to_owned()) }
}

#[tokio::test]
async fn what_is_exported_imports_and_exports_as_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first.json"), folder.path().join("second.json"));
    let (one, other) = (store().await, store().await);
    for _ in 0..3 {
        one.import(&one_business()).await.unwrap();
    }
    let said = does(export_to(&first), &one).await.unwrap();
    assert_eq!(said, format!("wrote {}\n", first.display()));
    let said = does(BusinessCommand::Import { file: first.clone() }, &other).await.unwrap();
    assert_eq!(said, "imported 3 businesses and 3 plans\n");
    does(export_to(&second), &other).await.unwrap();
    let (first, second) = (std::fs::read(first).unwrap(), std::fs::read(second).unwrap());
    assert_eq!(first, second);
    assert_eq!(does(BusinessCommand::Export { out: None }, &one).await.unwrap().as_bytes(), first);
}

#[tokio::test]
async fn the_file_of_the_readme_imports() {
    let text = r#"{"plans":[{"id":"premium","concurrentCalls":10,"minutesPerMonth":2000,"minutesPerCall":30}],
          "businesses":[{"id":"business-1","name":"Luna Dental","plan":"premium","lines":["+15551234567"],
            "greeting":"Thanks for calling Luna Dental. How can I help?","instructions":"You are the receptionist of Luna Dental.",
            "voice":"marin","language":"en",
            "destinations":[{"id":"front-office","label":"the front office","number":"+15550001111"}],
            "fallback":{"transfer":"front-office"},"tools":["end_call","transfer_call","take_message"]}]}"#;
    let (store, mut out) = (store().await, Vec::new());
    import(text, "luna.json", &store, &mut out).await.unwrap();
    assert_eq!(String::from_utf8(out).unwrap(), "imported 1 business and 1 plan\n");
    let luna = store.business_by_line(&PhoneNumber::parse("+15551234567").unwrap()).await.unwrap();
    assert_eq!(luna.unwrap().name, "Luna Dental");
}

#[tokio::test]
async fn all_mistakes_are_told_together_and_nothing_is_written() {
    let text = r#"{"plans":[{"id":"p","concurrentCalls":1,"minutesPerMonth":1,"minutesPerCall":1}],
            "businesses":[{"id":"luna","name":"Luna","plan":"gone","greeting":"","instructions":"x","voice":"mari"},
                          {"id":"sol","name":"Sol","plan":"p","greeting":"Hi","instructions":"x","lines":["123"]}]}"#;
    let (store, mut out) = (store().await, Vec::new());
    let error = import(text, "two.json", &store, &mut out).await.unwrap_err().to_string();
    let lines: Vec<&str> = error.lines().collect();
    assert_eq!(lines[0], "two.json has 3 mistakes; nothing was imported");
    assert!(lines[1].starts_with("  businesses[0].greeting: is empty"), "{error}");
    assert!(lines[2].starts_with("  businesses[1].lines[0]: a phone number is written in E.164"), "{error}");
    assert!(lines[3].starts_with("  businesses[0].plan: the plan gone is neither"), "{error}");
    assert_eq!(lines.len(), 4);
    assert!(
        String::from_utf8(out).unwrap().starts_with("warning: businesses[0].voice: OpenAI does not name")
    );
    let none = does(BusinessCommand::Export { out: None }, &store).await.unwrap();
    assert_eq!(serde_json::from_str::<BusinessImport>(&none).unwrap(), BusinessImport::default());
}

#[tokio::test]
async fn the_list_is_a_table_that_needs_no_colour() {
    let store = store().await;
    assert!(does(BusinessCommand::List, &store).await.unwrap().starts_with("no businesses yet"));
    let (mut import, mut other) = (one_business(), one_business());
    import.plans[0].id = PlanId::parse("premium").unwrap();
    import.businesses.append(&mut other.businesses);
    for (business, (id, name)) in
        import.businesses.iter_mut().zip([("luna", "Lüna\nDental"), ("sol-bakery", "Sol")])
    {
        business.id = BusinessId::parse(id).unwrap();
        business.name = name.to_owned();
        business.plan = import.plans[0].id.clone();
        business.voice = Voice::new("cedar");
    }
    import.businesses[0].lines = vec![PhoneNumber::parse("+15551234567").unwrap()];
    import.businesses[1].lines.clear();
    store.import(&import).await.unwrap();
    let expected = "\
ID          NAME         PLAN     VOICE  LINES
luna        Lüna Dental  premium  cedar  +15551234567
sol-bakery  Sol          premium  cedar  (none)
";
    assert_eq!(does(BusinessCommand::List, &store).await.unwrap(), expected);
}

#[tokio::test]
async fn one_business_is_shown_as_json_and_a_stranger_is_told_who_is_near() {
    let (store, mut import) = (store().await, one_business());
    import.businesses[0].id = BusinessId::parse("business-1").unwrap();
    store.import(&import).await.unwrap();
    let show = async |id: &str| does(BusinessCommand::Show { id: id.to_owned() }, &store).await;
    let shown: Business = serde_json::from_str(&show("business-1").await.unwrap()).unwrap();
    assert_eq!(Some(&shown), import.businesses.first());
    assert_eq!(
        show("buisness-1").await.unwrap_err(),
        "there is no business buisness-1; did you mean business-1?"
    );
    assert!(show("x").await.unwrap_err().contains("`frontdesk business list`"));
    assert!(show("a b").await.unwrap_err().starts_with("a business id must be"));
}

#[tokio::test]
async fn files_that_cannot_be_read_or_written_are_named() {
    let (store, folder) = (store().await, tempfile::tempdir().unwrap());
    let gone = folder.path().join("gone/file.json");
    let error = does(BusinessCommand::Import { file: gone.clone() }, &store).await.unwrap_err();
    assert!(error.starts_with(&format!("could not read {}: ", gone.display())), "{error}");
    let error = does(export_to(&gone), &store).await.unwrap_err();
    assert!(error.starts_with(&format!("could not write {}: ", gone.display())), "{error}");
}

#[test]
fn the_commands_read_as_they_are_written() {
    #[derive(clap::Parser)]
    struct Line {
        #[command(subcommand)]
        command: BusinessCommand,
    }
    let parse = |words: &[&str]| <Line as clap::Parser>::try_parse_from(words).map(|line| line.command);
    assert_eq!(parse(&["b", "list"]).unwrap(), BusinessCommand::List);
    assert_eq!(parse(&["b", "show", "luna"]).unwrap(), BusinessCommand::Show { id: "luna".to_owned() });
    assert_eq!(parse(&["b", "import", "-"]).unwrap(), BusinessCommand::Import { file: "-".into() });
    assert_eq!(parse(&["b", "export", "--out", "x"]).unwrap(), export_to(Path::new("x")));
    assert!(parse(&["b", "import"]).is_err());
    assert_eq!(
        parse(&["b", "calls", "x"]).unwrap(),
        BusinessCommand::Calls { id: "x".to_owned(), limit: 50 }
    );
    assert!(parse(&["b", "calls", "x", "--limit", "0"]).is_err());
    assert_eq!(
        parse(&["b", "calls", "x"]).unwrap(),
        BusinessCommand::Calls { id: "x".to_owned(), limit: 50 }
    );
    assert!(parse(&["b", "calls", "x", "--limit", "0"]).is_err());
}

/// A right import of Luna Dental and its plan, and a call of hers of a minute that was transferred.
async fn luna() -> Sqlite {
    let (store, mut import) = (store().await, one_business());
    import.plans[0].id = PlanId::parse("premium").unwrap();
    import.businesses[0].id = BusinessId::parse("business-1").unwrap();
    import.businesses[0].plan = import.plans[0].id.clone();
    store.import(&import).await.unwrap();
    let call = CallSid::parse("CA1").unwrap();
    let started_ms = NOW_MS - 600_000;
    let from = Pii::new("+14155550123".to_owned());
    let answered_ms = Some(started_ms + 1_000);
    let record = CallRecord { call: call.clone(), started_ms, answered_ms, from, ..one_call() };
    store.open_call(&record).await.unwrap();
    let instance = InstanceId::parse("i-1").unwrap();
    store.claim_attempt(&call, 1, &instance).await.unwrap();
    for (number, speaker, text) in
        [(0, Speaker::Model, "Luna Dental."), (1, Speaker::Caller, "Are you\nopen?")]
    {
        let turn = Turn {
            attempt: 1,
            number,
            speaker,
            text: Pii::new(text.to_owned()),
            began_ms: u64::from(number) * 4_000,
            heard_ms: 0,
            interrupted: number == 0,
            answer_delay_ms: (number == 0).then_some(420),
        };
        store.keep_turn(&call, &turn).await.unwrap();
    }
    let end = StreamEnd {
        attempt: 1,
        instance,
        ending: Ending::Transferred(DestinationId::parse("front-office").unwrap()),
        usage: Usage { input: ModalityTokens { text: 10, audio: 600, image: 0 }, ..Usage::default() },
        cost: MicroDollars::new(49_349),
        at_ms: started_ms + 61_000,
    };
    store.end_stream(&call, &end).await.unwrap();
    store
}

fn id() -> String {
    "business-1".to_owned()
}

#[tokio::test]
async fn calls_are_a_table_and_one_call_is_a_page() {
    let store = luna().await;
    let list = |limit| BusinessCommand::Calls { id: id(), limit };
    let expected = "\
CALL  STARTED               FROM          TALKED  ENDING                       COST
CA1   2026-09-21 14:03:20Z  +14155550123  1:00    transferred to front-office  $0.0493
";
    assert_eq!(does(list(50), &store).await.unwrap(), expected);
    let goes_on = CallRecord { call: CallSid::parse("CA2").unwrap(), started_ms: NOW_MS, ..one_call() };
    store.open_call(&goes_on).await.unwrap();
    let one = does(list(1), &store).await.unwrap();
    assert!(
        one.contains("(goes on)") && one.ends_with("there are more; --limit 2 shows twice as many\n"),
        "{one}"
    );
    let page = does(BusinessCommand::Call { sid: "CA1".to_owned() }, &store).await.unwrap();
    for line in [
        "business    business-1 on plan premium",
        "from        +14155550123",
        "answered    2026-09-21 14:03:21Z",
        "talked      1:00",
        "ending      transferred to front-office",
        "read        10 text, 600 audio tokens, of which cached 0 text, 0 audio tokens",
        "cost        $0.0493, an estimate",
        "0:00   model   Luna Dental. —  (420 ms)",
        "0:04   caller  Are you open?",
    ] {
        assert!(page.lines().any(|it| it == line), "{line}\n{page}");
    }
    let none = does(BusinessCommand::Call { sid: "CA9".to_owned() }, &store).await.unwrap_err();
    assert!(none.starts_with("there is no call CA9; "), "{none}");
}

#[tokio::test]
async fn voicemails_are_a_table_and_stand_with_their_call() {
    let store = luna().await;
    let list = BusinessCommand::Voicemails { id: id() };
    assert_eq!(does(list.clone(), &store).await.unwrap(), "no voicemails yet\n");
    let voicemail = Voicemail {
        recording: RecordingSid::parse("RE1").unwrap(),
        call: CallSid::parse("CA1").unwrap(),
        account: AccountSid::parse("AC1").unwrap(),
        business: BusinessId::parse("business-1").unwrap(),
        from: Pii::new("+14155550123".to_owned()),
        to: Pii::new("+15551234567".to_owned()),
        url: Pii::new("https://api.twilio.com/…/RE1".to_owned()),
        length_ms: 67_000,
        left_ms: NOW_MS,
    };
    store.keep_voicemail(&voicemail, None).await.unwrap();
    let expected = "\
LEFT                  FROM          LENGTH  CALL  RECORDING
2026-09-21 14:13:20Z  +14155550123  1:07    CA1   RE1
";
    assert_eq!(does(list, &store).await.unwrap(), expected);
    let page = does(BusinessCommand::Call { sid: "CA1".to_owned() }, &store).await.unwrap();
    assert!(page.lines().any(|line| line == "voicemail   RE1 (1:07)"), "{page}");
}

#[tokio::test]
async fn messages_usage_and_notices_are_tables() {
    let store = luna().await;
    let business = BusinessId::parse("business-1").unwrap();
    let text = |text: &str| Pii::new(text.to_owned());
    let message = Message {
        call: CallSid::parse("CA1").unwrap(),
        business: business.clone(),
        tool_call: "t1".to_owned(),
        name: text("Rosa"),
        contact: text("rosa@example.com"),
        text: text("Ring\nback"),
        taken_ms: NOW_MS,
    };
    store.take_message(&message, None).await.unwrap();
    let expected = "\
TAKEN                 NAME  CONTACT           CALL  MESSAGE
2026-09-21 14:13:20Z  Rosa  rosa@example.com  CA1   Ring back
";
    assert_eq!(does(BusinessCommand::Messages { id: id() }, &store).await.unwrap(), expected);
    let usage = |month: Option<&str>| BusinessCommand::Usage { id: id(), month: month.map(str::to_owned) };
    let expected = "\
calls now: 0
MONTH    CALLS  TALKED  READ  CACHED  MADE  COST (ESTIMATE)
2026-09  1      1:00    610   0       0     $0.0493
";
    assert_eq!(does(usage(None), &store).await.unwrap(), expected);
    let august = does(usage(Some("2026-08")), &store).await.unwrap();
    assert!(august.contains("2026-08  0      0:00"), "{august}");
    assert!(does(usage(Some("August")), &store).await.unwrap_err().contains("like 2026-11"));
    let about = About::MessageTaken { call: CallSid::parse("CA1").unwrap(), tool_call: "t1".to_owned() };
    let notice = Notice::new(business, about, NOW_MS);
    store.post(&notice).await.unwrap();
    store.take_due(NOW_MS, NOW_MS + 1, 1).await.unwrap();
    store.settle(&notice.id, &Delivery::GivenUp(NOW_MS, "it answered 404".to_owned())).await.unwrap();
    let list = BusinessCommand::Notices { id: id() };
    let shown = does(list.clone(), &store).await.unwrap();
    let row = shown.lines().nth(1).unwrap();
    assert!(row.contains("a message in CA1") && row.ends_with("1      given up  it answered 404"), "{shown}");
    let retry = |notice: &str| BusinessCommand::Retry { id: id(), notice: notice.to_owned() };
    assert!(does(retry(notice.id.as_str()), &store).await.unwrap().contains("is due now"));
    assert!(!does(list, &store).await.unwrap().contains("given up"));
    assert!(does(retry("msg_0"), &store).await.unwrap_err().contains("has no notice msg_0"));
}

#[tokio::test]
async fn a_business_without_anything_is_told_from_one_that_is_not_there() {
    let store = luna().await;
    store.import(&one_business()).await.unwrap();
    let all = |id: String| {
        [
            BusinessCommand::Calls { id: id.clone(), limit: 50 },
            BusinessCommand::Messages { id: id.clone() },
            BusinessCommand::Usage { id: id.clone(), month: None },
            BusinessCommand::Notices { id: id.clone() },
        ]
    };
    let exported = does(BusinessCommand::Export { out: None }, &store).await.unwrap();
    let file: BusinessImport = serde_json::from_str(&exported).unwrap();
    let other = file.businesses.iter().find(|business| business.id.as_str() != "business-1").unwrap();
    for (command, said) in
        all(other.id.to_string()).into_iter().zip(["no calls", "no messages", "calls now: 0", "nothing"])
    {
        assert!(does(command, &store).await.unwrap().starts_with(said), "{said}");
    }
    for command in all("buisness-1".to_owned()) {
        assert!(does(command, &store).await.unwrap_err().contains("did you mean business-1?"));
    }
}

#[tokio::test]
async fn what_is_removed_is_gone_and_its_calls_stay() {
    let store = luna().await;
    let remove = BusinessCommand::Remove { id: id() };
    assert_eq!(does(remove.clone(), &store).await.unwrap(), "removed business-1; its calls stay\n");
    assert!(does(remove, &store).await.unwrap_err().starts_with("there is no business business-1; "));
    assert!(does(BusinessCommand::Calls { id: id(), limit: 50 }, &store).await.unwrap().contains("CA1"));
    let expected = "\
ID       CALLS  MINUTES/MONTH  MINUTES/CALL  MODEL         RECORDING  AT LIMIT
premium  10     2000           30            gpt-realtime  yes        answer
";
    assert_eq!(does(BusinessCommand::Plans, &store).await.unwrap(), expected);
}

/// A directory in which one business does not read.
#[derive(Debug)]
struct Spoilt(Sqlite);

#[async_trait]
impl Directory for Spoilt {
    async fn business(&self, id: &BusinessId) -> Result<Option<Business>, StoreError> {
        self.0.business(id).await
    }
    async fn business_by_line(&self, line: &PhoneNumber) -> Result<Option<Business>, StoreError> {
        self.0.business_by_line(line).await
    }
    async fn plan(&self, id: &PlanId) -> Result<Option<Plan>, StoreError> {
        self.0.plan(id).await
    }
    async fn businesses(
        &self,
        after: Option<&BusinessId>,
        most: u32,
    ) -> Result<Listing<Business, BusinessId>, StoreError> {
        let mut listing = self.0.businesses(after, most).await?;
        let (document, field) = ("businesses/spoilt".to_owned(), "voice".to_owned());
        let problem = "is not a string".to_owned();
        listing.unreadable.push(StoreError::Unreadable { document, field, problem });
        Ok(listing)
    }
    async fn plans(&self, after: Option<&PlanId>, most: u32) -> Result<Listing<Plan, PlanId>, StoreError> {
        self.0.plans(after, most).await
    }
    async fn import(&self, import: &BusinessImport) -> Result<(), StoreError> {
        self.0.import(import).await
    }
    async fn remove_business(&self, id: &BusinessId) -> Result<bool, StoreError> {
        self.0.remove_business(id).await
    }
    async fn remove_plan(&self, id: &PlanId) -> Result<bool, StoreError> {
        self.0.remove_plan(id).await
    }
}

#[tokio::test]
async fn a_business_that_does_not_read_is_a_warning_in_the_list_and_an_error_in_the_export() {
    let store = luna().await;
    let does = |command| does_with(command, Arc::new(Spoilt(store.clone())), &store);
    let list = does(BusinessCommand::List).await.unwrap();
    assert!(list.starts_with("warning: could not read businesses/spoilt: `voice` is not a string"), "{list}");
    assert!(list.contains("\nbusiness-1  "), "{list}");
    let export = does(BusinessCommand::Export { out: None }).await.unwrap_err();
    assert!(export.starts_with("could not read businesses/spoilt"), "{export}");
}
