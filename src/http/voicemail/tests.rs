//! Voicemails as callers and Twilio meet them: the words, the two requests in any order, and a store that is away.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;

use super::super::house::{ACCOUNT, Answer, CALL, CALLER, Furniture, House, LINE, NOW_MS, RINGING};
use super::*;
use crate::domain::{BusinessImport, Intention, Plan, PlanId, Sentence};
use crate::store::{Answering, Directory, Ledger as _, Listing, Outbox as _, Sqlite, Whose};

const RECORDING: &str = "RE00000000000000000000000000000001";
const URL: &str = "https://api.twilio.com/2010-04-01/Accounts/AC00000000000000000000000000000001/Recordings/RE00000000000000000000000000000001";

/// What our URLs say of a call of Luna Dental's.
const ENVELOPE: &str = "businessId=business-1&from=%2B14155550123&to=%2B15551234567";

/// Luna Dental wants voicemails, and to be told of them.
const IMPORT: &str = r#"{"plans":[{"id":"premium","concurrentCalls":10,"minutesPerMonth":2000,"minutesPerCall":30}],
    "businesses":[{"id":"business-1","name":"Luna Dental","plan":"premium","lines":["+15551234567"],
        "greeting":"Hello.","instructions":"Be kind.","fallback":{"voicemail":"Luna Dental is asleep. Speak after the tone."},
        "webhook":{"url":"https://luna.example","secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}}]}"#;

fn luna() -> BusinessId {
    BusinessId::parse("business-1").unwrap()
}

/// The sentence before the tone.
fn sentence(twiml: &str) -> &str {
    let (sentence, rest) = twiml.strip_prefix("<Say>").unwrap().split_once("</Say><Record ").unwrap();
    assert!(
        rest.ends_with(&format!("/><Say>{}</Say><Hangup/>", Sentence::NothingHeard.in_english())),
        "{rest}"
    );
    sentence
}

/// The two URLs of a `<Record>`, without our host.
fn urls(twiml: &str) -> [String; 2] {
    ["action", "recordingStatusCallback"].map(|name| {
        let (_, rest) = twiml.split_once(&format!(" {name}=\"https://voice.example.com")).unwrap();
        rest.split('"').next().unwrap().replace("&amp;", "&")
    })
}

impl House {
    /// Twilio asks what is next after the tone.
    async fn spoken(&self, target: &str, status: &str) -> Answer {
        let form = [
            ("CallSid", CALL),
            ("AccountSid", ACCOUNT),
            ("From", CALLER),
            ("To", LINE),
            ("CallStatus", status),
            ("RecordingUrl", URL),
            ("RecordingDuration", "7"),
        ];
        self.post(target, &form).await
    }

    /// Twilio tells what became of the recording.
    async fn told(&self, target: &str, status: &str) {
        let form = [
            ("CallSid", CALL),
            ("AccountSid", ACCOUNT),
            ("RecordingSid", RECORDING),
            ("RecordingUrl", URL),
            ("RecordingStatus", status),
            ("RecordingDuration", "7"),
            ("RecordingSource", "RecordVerb"),
        ];
        assert_eq!(self.post(target, &form).await.status, StatusCode::NO_CONTENT);
    }

    async fn voicemails(&self) -> Vec<Voicemail> {
        self.settled().await;
        self.store.voicemails(&luna()).await.unwrap()
    }
}

/// What is kept of the recording above.
fn kept() -> Voicemail {
    Voicemail {
        recording: RecordingSid::parse(RECORDING).unwrap(),
        call: CallSid::parse(CALL).unwrap(),
        account: AccountSid::parse(ACCOUNT).unwrap(),
        business: luna(),
        from: CALLER.to_owned().into(),
        to: LINE.to_owned().into(),
        url: URL.to_owned().into(),
        length_ms: 7_000,
        left_ms: NOW_MS,
    }
}

#[tokio::test]
async fn a_business_that_wants_voicemails_has_its_own_sentence_before_the_tone() {
    let house = House::of(IMPORT).await;
    house.keep(1, Some(Intention::FallBack)).await;
    let answer = house.post("/twilio-next", &RINGING).await;
    assert_eq!(sentence(answer.twiml()), "Luna Dental is asleep. Speak after the tone.");
    let attributes = "maxLength=\"180\" timeout=\"10\" finishOnKey=\"#\" playBeep=\"true\"";
    assert!(answer.twiml().contains(attributes), "{}", answer.body);
    let [action, callback] = urls(answer.twiml());
    assert_eq!(action, format!("/twilio-voicemail?{ENVELOPE}"));
    assert_eq!(callback, format!("/twilio-recording?{ENVELOPE}"));
}

#[tokio::test]
async fn a_business_without_a_fallback_takes_voicemails_in_our_words() {
    let house = House::without_plans().await;
    let answer = house.post("/twilio-voice?businessId=business-3", &RINGING).await;
    assert_eq!(sentence(answer.twiml()), Sentence::LeaveMessage.in_english());
    assert!(urls(answer.twiml())[1].contains("businessId=business-3&"), "{}", answer.body);
}

#[tokio::test]
async fn what_a_caller_says_is_kept_once_whoever_tells_of_it_and_how_often() {
    for order in [vec!["spoken"], vec!["told"], vec!["spoken", "told", "told"], vec!["told", "spoken"]] {
        let house = House::of(IMPORT).await;
        house.keep(1, Some(Intention::FallBack)).await;
        let elsewhere = house.another();
        let answer = house.post("/twilio-next", &RINGING).await;
        let [action, callback] = urls(answer.twiml());
        for (who, house) in order.iter().zip([&house, &elsewhere, &house]) {
            if *who == "told" {
                house.told(&callback, "completed").await;
            } else {
                let thanks = house.spoken(&action, "in-progress").await;
                assert_eq!(thanks.twiml(), format!("<Say>{}</Say><Hangup/>", Sentence::Thanks.in_english()));
            }
            house.settled().await;
        }
        assert_eq!(house.voicemails().await, [kept()], "{order:?}");
        assert_eq!(house.store.voicemails_in(&kept().call).await.unwrap(), [kept()], "{order:?}");
    }
}

#[tokio::test]
async fn a_caller_who_hung_up_left_their_voicemail_all_the_same() {
    let house = House::of(IMPORT).await;
    let answer = house.spoken(&format!("/twilio-voicemail?{ENVELOPE}"), "completed").await;
    assert_eq!(answer.twiml(), "<Hangup/>");
    assert_eq!(house.voicemails().await, [kept()]);
}

#[tokio::test]
async fn a_business_that_wants_to_be_told_is_told_once() {
    let house = House::of(IMPORT).await;
    for _ in 0..2 {
        house.told(&format!("/twilio-recording?{ENVELOPE}"), "completed").await;
        house.settled().await;
    }
    let Voicemail { call, recording, .. } = kept();
    let notice = Notice::new(luna(), About::VoicemailLeft { call, recording }, NOW_MS);
    assert_eq!(house.store.notices(&luna()).await.unwrap(), [notice]);
    let quiet = House::new().await;
    quiet.told(&format!("/twilio-recording?{ENVELOPE}"), "completed").await;
    assert_eq!(quiet.voicemails().await, [kept()]);
    assert_eq!(quiet.store.notices(&luna()).await.unwrap(), []);
}

#[tokio::test]
async fn the_ledger_knows_better_than_the_url_whose_call_it_was() {
    let house = House::of(IMPORT).await;
    house.keep(1, None).await;
    house.told("/twilio-recording?businessId=business-2&from=x&to=y", "completed").await;
    assert_eq!(house.voicemails().await, [kept()]);
}

#[tokio::test]
async fn silence_failure_and_what_is_nobodys_are_not_kept_and_no_error() {
    let house = House::of(IMPORT).await;
    for status in ["absent", "failed", "in-progress", "tomorrow", ""] {
        house.told(&format!("/twilio-recording?{ENVELOPE}"), status).await;
    }
    for query in ["", "?from=a&to=%2B15550000000", "?to=sip%3Asomebody%40example.com", "?businessId=nobody"] {
        house.told(&format!("/twilio-recording{query}"), "completed").await;
    }
    let nothing = [("CallSid", CALL), ("AccountSid", ACCOUNT), ("RecordingStatus", "completed")];
    let answer = house.post(&format!("/twilio-recording?{ENVELOPE}"), &nothing).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(house.voicemails().await, []);
}

#[tokio::test]
async fn nobody_but_twilio_leaves_a_voicemail() {
    let house = House::of(IMPORT).await;
    let form =
        [("CallSid", CALL), ("AccountSid", ACCOUNT), ("RecordingSid", RECORDING), ("RecordingUrl", URL)];
    for path in ["/twilio-recording", "/twilio-voicemail"] {
        // Signed for another envelope: the business in it would be the stranger's choice.
        let signature = house.sign(&format!("{path}?{ENVELOPE}"), &form);
        let target = format!("{path}?businessId=business-1");
        let request = super::super::house::post(&target, &form).header("x-twilio-signature", signature);
        assert_eq!(house.ask(request, &form).await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(house.voicemails().await, []);
}

#[tokio::test]
async fn a_line_the_store_cannot_look_up_takes_a_voicemail_and_its_owner_is_found_later() {
    let store = Sqlite::open("sqlite::memory:").await.unwrap();
    let import: BusinessImport = serde_json::from_str(IMPORT).unwrap();
    store.import(&import).await.unwrap();
    let directory = Arc::new(Moody::away(&store));
    let furniture = Furniture { directory: directory.clone(), ..Furniture::of(&store) };
    let house = House::furnished(furniture);
    for target in ["/twilio-voice", "/twilio-next", "/twilio-dial"] {
        let answer = house.post(target, &RINGING).await;
        let expected = if target == "/twilio-dial" {
            Sentence::NobodyThereLeaveMessage.in_english()
        } else {
            Sentence::LeaveMessage.in_english()
        };
        assert_eq!(sentence(answer.twiml()), expected);
        let [_, callback] = urls(answer.twiml());
        assert_eq!(callback, "/twilio-recording?from=%2B14155550123&to=%2B15551234567", "{target}");
    }
    house.settled().await;
    let asked = directory.asked.load(Ordering::SeqCst);
    house.told("/twilio-recording?from=%2B14155550123&to=%2B15551234567", "completed").await;
    house.until("nobody asks whose it is", async || directory.asked.load(Ordering::SeqCst) > asked).await;
    assert_eq!(house.store.voicemails(&luna()).await.unwrap(), []);
    directory.is_away.store(false, Ordering::SeqCst);
    assert_eq!(house.voicemails().await, [kept()]);
    assert_eq!(house.store.notices(&luna()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_voicemail_that_cannot_be_kept_is_not_tried_for_ever_and_holds_up_no_end() {
    let store = Sqlite::open("sqlite::memory:").await.unwrap();
    let directory = Arc::new(Moody::away(&store));
    let house = House::furnished(Furniture { directory, ..Furniture::of(&store) });
    tokio::time::pause();
    house.told(&format!("/twilio-recording?{ENVELOPE}"), "completed").await;
    assert_eq!(house.app.tasks.live(), 1);
    tokio::time::sleep(Duration::from_secs(20 * 60)).await;
    assert_eq!(house.app.tasks.live(), 0, "it is given up");
    house.told(&format!("/twilio-recording?{ENVELOPE}"), "completed").await;
    house.app.tasks.hard().cancel();
    house.until("it holds up the end", async || house.app.tasks.live() == 0).await;
}

/// A directory that is away, for as long as one likes.
#[derive(Debug)]
struct Moody {
    store: Sqlite,
    is_away: AtomicBool,
    asked: AtomicUsize,
}

impl Moody {
    fn away(store: &Sqlite) -> Self {
        Self { store: store.clone(), is_away: AtomicBool::new(true), asked: AtomicUsize::new(0) }
    }

    fn well(&self) -> Result<&Sqlite, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.is_away.load(Ordering::SeqCst) {
            return Err(StoreError::Away { doing: "say who answers", source: "it is away".into() });
        }
        Ok(&self.store)
    }
}

#[async_trait]
impl Directory for Moody {
    async fn business(&self, id: &BusinessId) -> Result<Option<Business>, StoreError> {
        self.well()?.business(id).await
    }
    async fn business_by_line(&self, line: &PhoneNumber) -> Result<Option<Business>, StoreError> {
        self.well()?.business_by_line(line).await
    }
    async fn plan(&self, id: &PlanId) -> Result<Option<Plan>, StoreError> {
        self.well()?.plan(id).await
    }
    async fn answering(&self, whose: Whose<'_>) -> Result<Option<Answering>, StoreError> {
        self.well()?.answering(whose).await
    }
    async fn businesses(
        &self,
        after: Option<&BusinessId>,
        most: u32,
    ) -> Result<Listing<Business, BusinessId>, StoreError> {
        self.well()?.businesses(after, most).await
    }
    async fn plans(&self, after: Option<&PlanId>, most: u32) -> Result<Listing<Plan, PlanId>, StoreError> {
        self.well()?.plans(after, most).await
    }
    async fn remove_business(&self, id: &BusinessId) -> Result<bool, StoreError> {
        self.well()?.remove_business(id).await
    }
    async fn remove_plan(&self, id: &PlanId) -> Result<bool, StoreError> {
        self.well()?.remove_plan(id).await
    }
    async fn import(&self, import: &BusinessImport) -> Result<(), StoreError> {
        self.well()?.import(import).await
    }
}

#[tokio::test]
async fn a_caller_is_spoken_to_in_the_language_of_the_business() {
    let sonne = |fallback: &str| {
        format!(
            r#"{{"plans":[{{"id":"premium","concurrentCalls":0,"minutesPerMonth":2000,"minutesPerCall":30}}],
            "businesses":[{{"id":"business-1","name":"Sonne","plan":"premium","lines":["{LINE}"],"language":"de",
            "greeting":"Praxis Sonne.","instructions":"Sie sind am Empfang.","fallback":{fallback},
            "destinations":[{{"id":"praxis","label":"die Praxis","number":"+15550001111"}}]}}]}}"#
        )
    };
    let say = |text: &str| format!("<Say language=\"de-DE\">{text}</Say>");
    let german = |sentence: Sentence| say(sentence.in_language("de").text);
    for (fallback, begins) in [
        (r#"{"message":"Bitte schreiben Sie uns."}"#, say("Bitte schreiben Sie uns.") + "<Hangup/>"),
        (r#"{"transfer":"praxis"}"#, german(Sentence::Connecting) + "<Dial"),
        (r#"{"voicemail":"Sprechen Sie jetzt."}"#, say("Sprechen Sie jetzt.") + "<Record"),
        ("null", german(Sentence::LeaveMessage) + "<Record"),
    ] {
        let house = House::of(&sonne(fallback)).await;
        let answer = house.post("/twilio-voice", &RINGING).await;
        assert!(answer.twiml().starts_with(&begins), "{fallback}: {}", answer.body);
        if begins.ends_with("<Record") {
            assert!(
                answer.twiml().ends_with(&(german(Sentence::NothingHeard) + "<Hangup/>")),
                "{}",
                answer.body
            );
            assert!(answer.twiml().contains("language=de"), "{}", answer.body);
        }
    }
}
