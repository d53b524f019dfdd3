//! A webhook answered by one instance, and its stream carried by another.

use frontdesk::domain::{About, BusinessId, CallSid, Ending, Place};
use frontdesk::sim::model::{Reply, Script};
use frontdesk::sim::socket::{ModelServer, ModelServerPlan, RestPlan, RestServer};
use frontdesk::sim::tone;
use frontdesk::store::Store;
use frontdesk::telemetry::wall_clock;
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use crate::instance::{ACCOUNT, AUTH_TOKEN, CALLER, Instance, Outside, until};

const CALL: &str = "CA00000000000000000000000000000001";
const LINE: &str = "+15551234567";
const LUNA: &str = r#"{"plans":[{"id":"premium","concurrentCalls":1,"minutesPerMonth":100,"minutesPerCall":30}],
    "businesses":[{"id":"business-1","name":"Luna Dental","plan":"premium","lines":["+15551234567"],
        "greeting":"Hello.","instructions":"Be kind.",
        "webhook":{"url":"https://luna.example","secret":"whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}]}"#;

/// What the webhook of an instance answers for the call.
async fn ring(instance: &Instance) -> String {
    let form = [
        ("CallSid", CALL),
        ("AccountSid", ACCOUNT),
        ("From", CALLER),
        ("To", LINE),
        ("CallStatus", "ringing"),
    ];
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.post(format!("{}/twilio-voice", instance.base)).form(&form);
    let signed = request.header("x-twilio-signature", instance.sign("/twilio-voice", &form));
    signed.send().await.unwrap().text().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_instance_that_waits_in_vain_takes_nothing_from_the_one_that_carries_the_caller() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("frontdesk.db").display());
    let place = Place::Sqlite(url);
    let (one, other) = (Store::open(&place).await.unwrap(), Store::open(&place).await.unwrap());
    one.directory().import(&serde_json::from_str(LUNA).unwrap()).await.unwrap();
    let script = Script::new(Reply::speech(tone::noise(1, 4_000), "Hello."), Reply::default());
    let model = ModelServerPlan { scripts: vec![script], authorization: None, seed: 1, keep_events: false };
    let model = ModelServer::start(model).await.unwrap();
    let rest = RestServer::start(RestPlan {
        account: frontdesk::domain::AccountSid::parse(ACCOUNT).unwrap(),
        user: ACCOUNT.to_owned(),
        password: AUTH_TOKEN.to_owned(),
        refusals: Vec::new(),
    });
    let rest = rest.await.unwrap();
    let outside =
        Outside { public_url: None, model_url: model.url(), rest_url: Some(rest.url()), people: false };
    let carries = Instance::serve(&other, "carries", &outside).await;
    let outside = Outside { public_url: Some(carries.base.clone()), ..outside };
    let waits = Instance::serve(&one, "waits", &outside).await;
    let (call, luna) = (CallSid::parse(CALL).unwrap(), BusinessId::parse("business-1").unwrap());

    let twiml = ring(&waits).await;
    let (_, token) = twiml.split_once(r#"name="token" value=""#).expect(&twiml);
    let (token, _) = token.split_once('"').unwrap();
    let stream_url = format!("{}/twilio-media", carries.base.replacen("http", "ws", 1));
    let mut request = stream_url.as_str().into_client_request().unwrap();
    let signature = frontdesk::wire::twilio::signature::sign(AUTH_TOKEN, &stream_url, &[]);
    request.headers_mut().insert("x-twilio-signature", signature.parse().unwrap());
    let (socket, _) = connect_async(request).await.unwrap();
    let (mut to_carrier, mut from_carrier) = socket.split();
    let start = serde_json::json!({"event": "start", "sequenceNumber": "1", "streamSid": "MZ1", "start": {
        "accountSid": ACCOUNT, "streamSid": "MZ1", "callSid": CALL, "tracks": ["inbound"],
        "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
        "customParameters": {"token": token, "to": LINE, "from": CALLER}}});
    to_carrier.send(Message::text(start.to_string())).await.unwrap();
    until("the caller is not carried", async || carries.app.registry.contains(&call)).await;
    let mut heard = 0;
    while heard < 3 {
        heard += u32::from(from_carrier.next().await.unwrap().unwrap().is_text());
    }

    until("it is waited for ever", async || waits.app.registry.is_empty() && waits.app.tasks.live() == 0)
        .await;
    let record = one.ledger().call(&call).await.unwrap().unwrap();
    assert_eq!((record.ending, record.ended_ms, record.intention), (None, None, None));
    assert_eq!(record.instance.as_str(), "carries");
    assert_eq!(one.slots().taken(&luna, wall_clock()).await.unwrap(), 1);
    assert_eq!(one.outbox().notices(&luna).await.unwrap(), []);
    assert!(rest.requests().is_empty(), "nobody hangs up on the caller");
    assert!(carries.app.registry.contains(&call));

    to_carrier.send(Message::text(r#"{"event":"stop"}"#)).await.unwrap();
    until("the end is not kept", async || {
        one.ledger().call(&call).await.unwrap().unwrap().ending == Some(Ending::CallerHungUp)
    })
    .await;
    until("the slot is not free", async || one.slots().taken(&luna, wall_clock()).await.unwrap() == 0).await;
    let told: Vec<About> =
        one.outbox().notices(&luna).await.unwrap().into_iter().map(|notice| notice.about).collect();
    assert_eq!(told, [About::CallEnded { call }]);
}
