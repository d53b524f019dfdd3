//! What an import says of every mistake.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::checker::Fields;
use super::shape::*;
use super::*;
use crate::domain::{DestinationId, Fallback, PhoneNumber, TurnDetection};
use crate::store::Sqlite;
use crate::store::conformance::one_business;

/// A store with a plan `basic` and a business `sol` that owns +15550009999.
async fn store() -> Sqlite {
    let store = Sqlite::open("sqlite::memory:").await.unwrap();
    let mut import = one_business();
    import.plans[0].id = PlanId::parse("basic").unwrap();
    let sol = &mut import.businesses[0];
    sol.id = BusinessId::parse("sol").unwrap();
    sol.name = "Sol Bakery".to_owned();
    sol.plan = import.plans[0].id.clone();
    sol.lines = vec![PhoneNumber::parse("+15550009999").unwrap()];
    store.import(&import).await.unwrap();
    store
}

/// A right business, with these fields added or replaced.
fn luna(change: &str) -> String {
    let mut luna: Value = serde_json::from_str(
        r#"{"id":"luna","name":"Luna","plan":"basic","lines":["+15551234567"],"greeting":"Hi.",
            "instructions":"Be kind.","tools":["end_call"]}"#,
    )
    .unwrap();
    let change: Value = serde_json::from_str(change).unwrap();
    luna.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    luna.to_string()
}

fn file(businesses: &[&str]) -> String {
    format!(r#"{{"businesses":[{}]}}"#, businesses.join(","))
}

/// What is said of a file: mistakes, then warnings marked with a `~`.
async fn said(text: &str) -> Vec<String> {
    let checked = read_file(text).against(&store().await).await.unwrap();
    assert_eq!(checked.right.is_some(), checked.mistakes.is_empty());
    let warnings = checked.warnings.iter().map(|warning| format!("~{warning}"));
    checked.mistakes.iter().map(Finding::to_string).chain(warnings).collect()
}

/// That exactly one thing is said of a business with this change, with these words in it.
async fn says(change: &str, words: &[&str]) {
    let said = said(&file(&[&luna(change)])).await;
    assert_eq!(said.len(), 1, "{change}: {said:?}");
    assert!(words.iter().all(|word| said[0].contains(word)), "{change}: {said:?}");
}

#[tokio::test]
async fn a_right_file_has_no_mistakes() {
    assert_eq!(said(&file(&[&luna("{}")])).await, Vec::<String>::new());
    let full = serde_json::to_string(&one_business()).unwrap();
    assert_eq!(said(&full).await, Vec::<String>::new());
    assert_eq!(said(&format!("\u{feff}{full}")).await, Vec::<String>::new());
}

#[tokio::test]
async fn every_field_of_the_nouns_is_known_to_the_checker_and_no_other() {
    let mut import = one_business();
    let keys = |value: &Value| -> BTreeSet<String> { value.as_object().unwrap().keys().cloned().collect() };
    let known = |fields: &Fields| -> BTreeSet<String> {
        fields.needed.iter().chain(fields.optional).map(|key| (*key).to_owned()).collect()
    };
    let value = serde_json::to_value(&import).unwrap();
    assert_eq!(keys(&value), known(&FILE));
    assert_eq!(keys(&value["plans"][0]), known(&PLAN));
    let business = &value["businesses"][0];
    assert_eq!(keys(business), known(&BUSINESS));
    assert_eq!(keys(&business["destinations"][0]), known(&DESTINATION));
    assert_eq!(keys(&business["webhook"]), known(&WEBHOOK));
    assert_eq!(keys(&business["httpTools"][0]), known(&HTTP_TOOL));
    assert_eq!(keys(&business["turnDetection"]), known(&SERVER_VAD));
    import.businesses[0].turn_detection = TurnDetection::SemanticVad { eagerness: "low".to_owned() };
    let semantic = serde_json::to_value(&import.businesses[0].turn_detection).unwrap();
    assert_eq!(keys(&semantic), known(&SEMANTIC_VAD));
    let transfer = Fallback::Transfer(DestinationId::parse("x").unwrap());
    let (message, voicemail) = (Fallback::Message(String::new()), Fallback::Voicemail(String::new()));
    let fallbacks = [transfer, message, voicemail].map(|one| serde_json::to_value(one).unwrap());
    assert_eq!(fallbacks.iter().flat_map(keys).collect::<BTreeSet<_>>(), known(&FALLBACK));
}

#[tokio::test]
async fn what_is_needed_is_needed_by_the_nouns_too() {
    let value = serde_json::to_value(one_business()).unwrap();
    for (list, fields) in [("plans", &PLAN), ("businesses", &BUSINESS)] {
        for key in fields.needed.iter().chain(fields.optional) {
            let mut less = value.clone();
            less[list][0].as_object_mut().unwrap().remove(*key);
            let reads = serde_json::from_value::<BusinessImport>(less).is_ok();
            assert_eq!(reads, fields.optional.contains(key), "{list}.{key}");
        }
    }
}

#[tokio::test]
async fn broken_json_is_told_with_line_and_column() {
    let said_of = said("{\"plans\": [],\n  \"businesses\": [,]}").await;
    assert_eq!(said_of, ["line 2, column 18: not JSON: expected value"]);
    let twice = said("{\"plans\":[],\"plans\":[]}").await;
    assert!(twice[0].contains("`plans` is there twice"), "{twice:?}");
    assert_eq!(said("").await, ["line 1, column 0: not JSON: EOF while parsing a value"]);
    assert_eq!(said("{}").await, ["the file: has neither plans nor businesses"]);
    assert_eq!(said("[]").await, ["the file: must be an object, {…}, not a list"]);
}

#[tokio::test]
async fn a_typo_is_told_with_the_word_that_was_meant() {
    says(r#"{"gretting":"Hi."}"#, &["businesses[0].gretting: is not a field", "did you mean `greeting`?"])
        .await;
    says(r#"{"turn_detection":{}}"#, &["did you mean `turnDetection`?"]).await;
    says(r#"{"hours":{}}"#, &["is not a field we know; known are id, name"]).await;
    says(r#"{"turnDetection":{"type":"server_vad","silenceMs":5}}"#, &["turnDetection.silenceMs: is not"])
        .await;
    let said = said(r#"{"business":[]}"#).await;
    assert_eq!(said, ["business: is not a field we know; did you mean `businesses`?"]);
}

#[tokio::test]
async fn values_that_do_not_read_are_told_with_their_place() {
    says(r#"{"id":"a b"}"#, &["businesses[0].id: a business id must be", "\"a b\""]).await;
    says(
        r#"{"lines":["+15551234567","5551234"]}"#,
        &["businesses[0].lines[1]: a phone number", "\"5551234\""],
    )
    .await;
    says(r#"{"lines":"+15551234567"}"#, &["businesses[0].lines: must be a list, […], not a text"]).await;
    says(r#"{"name":7}"#, &["businesses[0].name: invalid type: integer `7`, expected a string"]).await;
    says(r#"{"tools":["end_call","hang_up"]}"#, &["businesses[0].tools[1]: unknown variant", "`end_call`"])
        .await;
    says(r#"{"tools":["end_call","end_call"]}"#, &["businesses[0].tools[1]: is there twice"]).await;
    says(r#"{"greeting":"  "}"#, &["businesses[0].greeting: is empty"]).await;
    says(r#"{"name":""}"#, &["businesses[0].name: is empty"]).await;
    says(r#"{"instructions":""}"#, &["~businesses[0].instructions: is empty"]).await;
    says(r#"{"language":"english"}"#, &["businesses[0].language: \"english\" is no ISO 639-1 code"]).await;
    says(
        r#"{"reasoningEffort":"huge"}"#,
        &["~businesses[0].reasoningEffort: \"huge\" is not one of minimal"],
    )
    .await;
    says(r#"{"recording":"yes"}"#, &["businesses[0].recording: invalid type"]).await;
    says(r#"{"turnDetection":{}}"#, &["businesses[0].turnDetection.type: is missing"]).await;
    says(r#"{"turnDetection":{"type":"psychic"}}"#, &["businesses[0].turnDetection: unknown variant"]).await;
    let loud = r#"{"turnDetection":{"type":"server_vad","threshold":1.5}}"#;
    says(loud, &["businesses[0].turnDetection.threshold: must be between 0 and 1"]).await;
    let words = r#"{"turnDetection":{"type":"server_vad","threshold":"loud"}}"#;
    says(words, &["businesses[0].turnDetection.threshold: must be a number; 0.5 is usual"]).await;
    let less = r#"{"turnDetection":{"type":"server_vad","silenceDurationMs":-5}}"#;
    says(less, &["businesses[0].turnDetection.silenceDurationMs: invalid value"]).await;
    let eager = r#"{"turnDetection":{"type":"semantic_vad","eagerness":"very"}}"#;
    says(eager, &["businesses[0].turnDetection.eagerness: \"very\" is not one of low"]).await;
    let said = said(&file(&[&luna("{}").replace("\"greeting\":\"Hi.\",", "")])).await;
    assert_eq!(said, ["businesses[0].greeting: is missing"]);
}

#[tokio::test]
async fn a_voice_of_text_to_speech_is_a_mistake_and_a_stranger_a_warning() {
    for voice in SPEECH_ONLY_VOICES {
        says(&format!(r#"{{"voice":"{voice}"}}"#), &["businesses[0].voice", "noise on a call", "marin"])
            .await;
    }
    says(r#"{"voice":"mari"}"#, &["~businesses[0].voice", "did you mean marin?"]).await;
    says(r#"{"voice":""}"#, &["businesses[0].voice: is empty"]).await;
    assert_eq!(said(&file(&[&luna(r#"{"voice":"voice_1234"}"#)])).await, Vec::<String>::new());
}

#[tokio::test]
async fn limits_of_nothing_are_mistakes() {
    let plan = r#"{"plans":[{"id":"p","concurrentCalls":0,"minutesPerMonth":0,"minutesPerCall":0}]}"#;
    let said = said(plan).await;
    assert_eq!(said.len(), 3);
    assert!(said[0].starts_with("plans[0].concurrentCalls: must be at least 1"), "{said:?}");
}

#[tokio::test]
async fn what_refers_to_nothing_is_told() {
    says(r#"{"fallback":{"transfer":"desk"}}"#, &["fallback.transfer: there is no destination desk; add it"])
        .await;
    let destinations = r#""destinations":[{"id":"desk","label":"the desk","number":"+15550001111"}]"#;
    let near = format!(r#"{{"fallback":{{"transfer":"desc"}},{destinations}}}"#);
    says(&near, &["there is no destination desc; did you mean desk?"]).await;
    says(r#"{"fallback":{}}"#, &["businesses[0].fallback: must have either"]).await;
    says(r#"{"fallback":{"transfer":"a","message":"b"}}"#, &["businesses[0].fallback: must have either"])
        .await;
    says(r#"{"fallback":{"message":" "}}"#, &["businesses[0].fallback.message: is empty"]).await;
    says(r#"{"fallback":{"voicemail":""}}"#, &["businesses[0].fallback.voicemail: is empty"]).await;
    says(r#"{"tools":["transfer_call"]}"#, &["~businesses[0].tools[0]: without `destinations`"]).await;
    says(r#"{"plan":"basics"}"#, &["businesses[0].plan: the plan basics is neither here nor in the store"])
        .await;
    let own = r#"{"destinations":[{"id":"desk","label":"the desk","number":"+15551234567"}]}"#;
    says(own, &["~businesses[0].destinations[0].number: is a line of this business"]).await;
    let twice = r#"{"destinations":[{"id":"d","label":"a","number":"+15550001111"},
                                    {"id":"d","label":"b","number":"+15550001112"}]}"#;
    says(twice, &["businesses[0].destinations[1].id: d is there twice"]).await;
}

#[tokio::test]
async fn ids_and_lines_have_one_owner_in_the_file_and_in_the_store() {
    let (one, other) = (luna("{}"), luna(r#"{"id":"nova","lines":["+15550009999","+15551234567"]}"#));
    let said_of = said(&file(&[&one, &other, &one])).await;
    assert_eq!(said_of.len(), 4, "{said_of:?}");
    assert_eq!(
        said_of[0],
        "businesses[1].lines[1]: +15551234567 is also businesses[0].lines[0]; one of the two must go"
    );
    assert_eq!(said_of[1], "businesses[2].id: luna is also businesses[0].id; one of the two must go");
    assert!(said_of[2].starts_with("businesses[2].lines[0]: +15551234567 is also businesses[0].lines[0]"));
    assert!(
        said_of[3].starts_with("businesses[1].lines[0]: +15550009999 belongs to sol (Sol Bakery) already")
    );
    let sol = luna(r#"{"id":"sol","lines":[]}"#);
    assert_eq!(said(&file(&[&luna(r#"{"lines":["+15550009999"]}"#), &sol])).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_webhook_is_an_https_url_and_a_signing_secret_and_neither_is_ever_said() {
    let webhook = |url: &str, secret: &str| format!(r#"{{"webhook":{{"url":"{url}","secret":"{secret}"}}}}"#);
    let (url, secret) = ("https://luna.example/hooks?x=1", format!("whsec_{}", STANDARD.encode([7; 24])));
    assert_eq!(said(&file(&[&luna(&webhook(url, &secret))])).await, [""; 0]);
    assert_eq!(said(&file(&[&luna(r#"{"webhook":null}"#)])).await, [""; 0]);
    for here in ["http://localhost:3000/x", "http://127.0.0.1/x", "http://[::1]/x"] {
        says(&webhook(here, &secret), &["~businesses[0].webhook.url: is on the machine"]).await;
    }
    for (bad, words) in [
        ("http://luna.example", "must begin with https://"),
        ("ftp://luna.example", "must begin with https://"),
        ("luna.example/hooks", "must be a URL"),
        ("mailto:luna@luna.example", "must be a URL"),
        ("https://me:hunter2@luna.example", "has a user name or password"),
        ("https://luna.example/#hunter2", "has a fragment"),
    ] {
        says(&webhook(bad, &secret), &["businesses[0].webhook.url: ", words]).await;
    }
    let (short, long) = (STANDARD.encode([7; 23]), STANDARD.encode([7; 65]));
    for bad in
        ["", "hunter2hunter2", &secret[6..], &format!("whsec_{short}"), &format!("whsec_{long}"), "whsec_?"]
    {
        says(&webhook(url, bad), &["businesses[0].webhook.secret: must be \"whsec_\" and 24 to 64"]).await;
    }
    let odd = [
        webhook("https://me:hunter2@x.example/#hunter2", "hunter2"),
        r#"{"webhook":"hunter2"}"#.to_owned(),
        r#"{"webhook":{"url":["hunter2"],"secret":{"hunter2":1}}}"#.to_owned(),
    ];
    for odd in odd {
        let said = said(&file(&[&luna(&odd)])).await;
        assert!(!said.is_empty() && !said.concat().contains("hunter2"), "{said:?}");
    }
    says(r#"{"webhook":{"url":"https://x.example"}}"#, &["businesses[0].webhook.secret: is missing"]).await;
}

#[tokio::test]
async fn what_happens_at_the_limit_of_a_plan_is_one_of_two_things() {
    let plan = |at_limit: &str| {
        let limits = r#""concurrentCalls":1,"minutesPerMonth":1,"minutesPerCall":1"#;
        format!(r#"{{"plans":[{{"id":"p",{limits},"atLimit":{at_limit}}}]}}"#)
    };
    for right in [r#""fall_back""#, r#""answer""#] {
        assert_eq!(said(&plan(right)).await, [""; 0]);
    }
    for wrong in [r#""bill""#, "7", "null"] {
        let said = said(&plan(wrong)).await;
        assert!(said.len() == 1 && said[0].starts_with("plans[0].atLimit: "), "{said:?}");
    }
}

#[tokio::test]
async fn one_document_is_checked_as_it_would_be_in_a_file_and_points_into_itself() {
    let (store, id) = (store().await, BusinessId::parse("luna").unwrap());
    let check = async |change: &str| read_business(&luna(change), &id).against(&store).await.unwrap();
    let right = check("{}").await;
    assert_eq!(right.right.unwrap().id, id);
    let nameless = luna("{}").replace(r#""id":"luna","#, "");
    assert_eq!(read_business(&nameless, &id).against(&store).await.unwrap().right.unwrap().id, id);
    let other = check(r#"{"id":"sol"}"#).await;
    assert_eq!((other.mistakes[0].fault, other.mistakes[0].at.pointer()), (Fault::OtherId, "/id".to_owned()));
    let taken = check(r#"{"lines":["+15551234567","+15550009999"]}"#).await;
    assert_eq!(
        (taken.mistakes[0].fault, taken.mistakes[0].at.pointer()),
        (Fault::LineTaken, "/lines/1".to_owned())
    );
    let plan = PlanId::parse("p").unwrap();
    let wrong =
        read_plan(r#"{"concurrentCalls":0,"minutesPerMonth":1}"#, &plan).against(&store).await.unwrap();
    let said: Vec<String> = wrong.mistakes.iter().map(Finding::to_string).collect();
    assert_eq!(said[0], "minutesPerCall: is missing");
    assert!(said[1].starts_with("concurrentCalls: must be at least 1"), "{said:?}");
    let broken = read_plan("{", &plan).against(&store).await.unwrap();
    assert_eq!(broken.mistakes[0].fault, Fault::NotJson);
}

/// A right tool, with these fields added or replaced.
fn tool(change: &str) -> String {
    let secret = format!("whsec_{}", STANDARD.encode([7; 24]));
    let mut tool = serde_json::json!({"name": "find_slot", "description": "Finds a free time.",
        "url": "https://luna.example/slots", "secret": secret});
    let change: Value = serde_json::from_str(change).unwrap();
    tool.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    format!(r#"{{"httpTools":[{tool}]}}"#)
}

#[tokio::test]
async fn a_tool_of_a_businesss_own_has_a_name_an_address_and_a_key() {
    assert_eq!(said(&file(&[&luna(&tool("{}"))])).await, [""; 0]);
    assert_eq!(said(&file(&[&luna(&tool(r#"{"deadlineMs":20000}"#))])).await, [""; 0]);
    let at = "businesses[0].httpTools[0]";
    for (change, place, words) in [
        (r#"{"name":"find slot"}"#, "name", "the name of a tool must be 1 to 64 letters"),
        (r#"{"name":"end_call"}"#, "name", "end_call is built in"),
        (r#"{"description":" "}"#, "description", "is empty"),
        (r#"{"url":"http://luna.example"}"#, "url", "must begin with https://"),
        (r#"{"url":"https://me:hunter2@luna.example"}"#, "url", "has a user name or password"),
        (r##"{"url":"https://luna.example/#hunter2"}"##, "url", "has a fragment"),
        (r#"{"url":"https://10.0.0.1/"}"#, "url", "is in a private network"),
        (r#"{"url":"https://169.254.169.254/"}"#, "url", "is in a private network"),
        (r#"{"url":"https://[::ffff:10.0.0.1]/"}"#, "url", "is in a private network"),
        (r#"{"url":"https://[fd00:ec2::254]/"}"#, "url", "is in a private network"),
        (r#"{"url":"https://metadata.google.internal/"}"#, "url", "is in a private network"),
        (r#"{"secret":"hunter2"}"#, "secret", "must be \"whsec_\""),
        (r#"{"deadlineMs":999}"#, "deadlineMs", "must be between 1000 and 20000"),
        (r#"{"deadlineMs":20001}"#, "deadlineMs", "must be between 1000 and 20000"),
        (r#"{"header":"x"}"#, "header", "is not a field we know"),
    ] {
        says(&tool(change), &[&format!("{at}.{place}: "), words]).await;
        let said = said(&file(&[&luna(&tool(change))])).await;
        assert!(!said.concat().contains("hunter2"), "{said:?}");
    }
    let here = tool(r#"{"url":"http://127.0.0.1:9/"}"#);
    says(&here, &["~businesses[0].httpTools[0].url: is on the machine"]).await;
    let one: Value = serde_json::from_str(&tool("{}")).unwrap();
    let many = |number: usize| serde_json::json!({"httpTools": vec![one["httpTools"][0].clone(); number]});
    says(&many(2).to_string(), &["httpTools[1].name: find_slot is there twice"]).await;
    says(&many(33).to_string(), &["businesses[0].httpTools: are more than 32"]).await;
}

#[tokio::test]
async fn parameters_say_nothing_that_would_not_be_checked() {
    let with = |schema: &str| tool(&format!(r#"{{"parameters":{schema}}}"#));
    let right = r#"{"type":"object","required":["a"],"additionalProperties":false,"properties":{
        "a":{"type":["string","null"],"enum":["x",null],"description":"d","format":"date","pattern":"^x"},
        "b":{"type":"array","items":{"type":"object","properties":{"c":{"type":"integer","minimum":0}}}}}}"#;
    assert_eq!(said(&file(&[&luna(&with(right))])).await, [""; 0]);
    for (schema, words) in [
        (r#""object""#, "parameters: must be a schema of an object"),
        (r#"{"type":"array"}"#, "parameters: must be a schema of an object"),
        (r#"{"type":"object","oneOf":[]}"#, "parameters.oneOf: is not among the words that are checked"),
        (r##"{"type":"object","$ref":"#/x"}"##, "parameters.$ref: is not among the words that are checked"),
        (
            r#"{"type":"object","requird":[]}"#,
            "parameters.requird: is not among the words that are checked; did you",
        ),
        (r#"{"type":"object","required":["a"]}"#, "parameters.required: must be a list of names that are in"),
        (r#"{"type":"object","additionalProperties":{}}"#, "additionalProperties: must be true or false"),
        (r#"{"type":"object","properties":{"a":7}}"#, "parameters.properties.a: must be a schema"),
        (
            r#"{"type":"object","properties":{"a":{"type":"text"}}}"#,
            "properties.a.type: must be one of object",
        ),
        (r#"{"type":"object","properties":{"a":{"enum":[]}}}"#, "properties.a.enum: must be a list of texts"),
        (
            r#"{"type":"object","properties":{"a":{"enum":[[1]]}}}"#,
            "properties.a.enum: must be a list of texts",
        ),
        (
            r#"{"type":"object","properties":{"a":{"minLength":-1}}}"#,
            "properties.a.minLength: must be a whole",
        ),
        (r#"{"type":"object","properties":{"a":{"maximum":"9"}}}"#, "properties.a.maximum: must be a number"),
        (r#"{"type":"object","properties":{"__proto__":{}}}"#, "parameters.properties: must have names of"),
        (r#"{"type":"object","properties":{"a":{"items":[]}}}"#, "properties.a.items: must be one schema"),
        (
            r#"{"type":"object","properties":{"a":{"examples":[[1]]}}}"#,
            "properties.a.examples: must hold no list",
        ),
    ] {
        says(&with(schema), &[words]).await;
    }
    let mut deep = r#"{"type":"string"}"#.to_owned();
    for _ in 0..5 {
        deep = format!(r#"{{"type":"object","properties":{{"a":{deep}}}}}"#);
    }
    says(&with(&deep), &["is deeper than 5 schemas"]).await;
    let large = format!(r#"{{"type":"object","description":"{}"}}"#, "x".repeat(4_096));
    says(&with(&large), &["parameters: is larger than 4096 bytes"]).await;
}
