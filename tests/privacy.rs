//! A whole call with everything logged that can be: nothing personal and nothing secret is in it.

#[cfg(test)]
#[expect(dead_code, reason = "one call needs less than all of it")]
#[path = "calls/house.rs"]
mod house;
#[cfg(test)]
#[expect(dead_code, reason = "one call needs less than all of it")]
#[path = "calls/scenes.rs"]
mod scenes;

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use axum::Router;
    use axum::http::StatusCode;
    use frontdesk::domain::{About, BusinessId, CallSid, Limit, Notice};
    use frontdesk::lifecycle::Tasks;
    use frontdesk::sim::model::{ModelFault, Reply, Script};
    use frontdesk::sim::socket::DialResult;
    use frontdesk::sim::{Act, Step, When};
    use frontdesk::store::{Ledger as _, Outbox as _};
    use frontdesk::telemetry;
    use tokio::net::TcpListener;

    use crate::house::{
        API_KEY, AUTH_TOKEN, CALLER, FRONT_OFFICE, GREETING, House, LINE, LUNA, Plans, SECRET,
    };
    use crate::scenes::{answers, asks, goodbye, interrupts, plain, script, speech};

    /// Keeps all that is written.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    const QUESTION: &str = "My tooth aches dreadfully";
    const ANSWER: &str = "Rinse with chamomile meanwhile";
    const MESSAGE: &str =
        r#"{"name":"Rosalind","contact":"rosalind@example.com","message":"Please ring back"}"#;

    const WEBHOOK_SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    /// Part of the webhook's URL: a receiver may have nothing else that says who we are.
    const WEBHOOK_PATH: &str = "unguessable";

    /// Several rounds of the outbox, on a machine under load.
    const AMPLE: Duration = Duration::from_secs(60);

    /// What a receiver on this machine was told.
    type Told = Arc<Mutex<Vec<String>>>;

    /// A receiver of Luna Dental's: it fails over calls, wants nothing of messages, and takes the rest.
    async fn receiver() -> (String, Told) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/{WEBHOOK_PATH}", listener.local_addr().unwrap());
        let told = Told::default();
        let hears = Arc::clone(&told);
        let routes = Router::new().fallback(async move |body: String| {
            let status = match &body {
                call if call.contains("call.ended") => StatusCode::INTERNAL_SERVER_ERROR,
                message if message.contains("message.taken") => StatusCode::GONE,
                _ => StatusCode::OK,
            };
            hears.lock().unwrap().push(body);
            status
        });
        let _served = Tasks::new().spawn_background("receiver", async move {
            axum::serve(listener, routes).await.unwrap();
        });
        (url, told)
    }

    /// Has Luna Dental told of its call, of the message in it, and of a limit. Who posted one before us posted the same.
    async fn tell(house: &House, call: &CallSid) {
        let business = BusinessId::parse("business-1").unwrap();
        let message = house.store.messages(&business).await.unwrap().remove(0);
        for about in [
            About::CallEnded { call: call.clone() },
            About::MessageTaken { call: call.clone(), tool_call: message.tool_call },
            About::LimitReached { limit: Limit::ConcurrentCalls, day: "2026-11-21".to_owned() },
        ] {
            let notice = Notice::new(business.clone(), about, telemetry::wall_clock());
            house.store.post(&notice).await.unwrap();
            // One that was posted before may wait for a transfer that could come back.
            house.store.retry(&business, &notice.id, telemetry::wall_clock()).await.unwrap();
        }
        let settled = async {
            loop {
                let left = house.store.notices(&business).await.unwrap();
                if left.len() == 2 && left.iter().all(|notice| notice.last_error.is_some()) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(tokio::time::timeout(AMPLE, settled).await.is_ok(), "the business is not told");
    }

    #[tokio::test]
    async fn a_log_of_everything_has_nobodys_words_numbers_or_secrets_in_it() {
        let log = Log::default();
        let written = log.clone();
        let subscriber = telemetry::json("trace", move || written.clone()).unwrap();
        tracing::subscriber::set_global_default(subscriber).unwrap();

        let transfer = Reply::speech(speech(5, 300), "Connecting you presently.")
            .and_tool("transfer_call", r#"{"destination":"front-office"}"#);
        let noted = Reply::default().and_tool("take_message", MESSAGE);
        let mut first = script(vec![Reply::speech(speech(2, 2_000), ANSWER), noted, transfer]);
        first.after_tool = vec![Reply::speech(speech(3, 300), "I have jotted it down.")];
        first.transcripts =
            vec![QUESTION.to_owned(), "I am Rosalind".to_owned(), "The office please".to_owned()];
        let mut second = plain();
        second.turns = vec![goodbye()];
        second.greeting = Reply::speech(speech(6, 300), "Regrettably nobody answered.");
        second.pace.first_audio = Duration::from_millis(600);
        let (url, told) = receiver().await;
        let mut businesses: serde_json::Value = serde_json::from_str(LUNA).unwrap();
        businesses["businesses"][0]["webhook"] =
            serde_json::json!({"url": url, "secret": format!("whsec_{WEBHOOK_SECRET}")});
        let third = Script { faults: vec![ModelFault::RefuseHandshake(401)], ..plain() };
        let plans = Plans::new("privacy", vec![first, second, third]);
        let house = House::build(Plans { businesses: businesses.to_string(), ..plans }).await;
        let mut plan = house.plan(vec![asks(), interrupts(300), asks(), interrupts(250)]);
        // The last is said into the words after the transfer that nobody answered.
        plan.caller[3].when = When::WhileHearing { utterance: 2, after_ms: 250 };
        plan.dials = vec![DialResult::NoAnswer];
        let report = house.phone.call(plan).await;
        house.until_quiet().await;
        assert_eq!(report.problems(), Vec::<String>::new());
        assert_eq!(report.streams.len(), 2, "{:?}", report.events);
        tell(&house, &report.call).await;
        // A second caller meets nobody: no model, and nobody where the fallback rings.
        let hangs_up = Step { when: When::After(50), act: Act::HangUp };
        let mut plan = house.plan(vec![asks(), hangs_up]);
        plan.dials = vec![DialResult::NoAnswer];
        let unanswered = house.phone.call(plan).await;
        house.until_quiet().await;
        assert_eq!(unanswered.problems(), Vec::<String>::new());
        let of_voicemail = async {
            while !told.lock().unwrap().concat().contains("voicemail.left") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        assert!(tokio::time::timeout(AMPLE, of_voicemail).await.is_ok(), "the business is not told");

        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        for there in [
            "call over",
            "media socket accepted",
            "the caller interrupts",
            "a business is not told yet",
            "told a business",
            "a voicemail is kept",
            report.call.as_str(),
        ] {
            assert!(log.contains(there), "the log is not whole: {there}");
        }
        let given_up = log.lines().find(|line| line.contains("it is given up")).unwrap();
        for there in [r#""level":"error""#, r#""business.id":"business-1""#, r#""notice.id":"msg_"#] {
            assert!(given_up.contains(there), "{given_up}");
        }
        let told = told.lock().unwrap().concat();
        assert!(told.contains(QUESTION) && told.contains("Rosalind"), "the business was told: {told}");
        let mut secrets: Vec<String> =
            [AUTH_TOKEN, SECRET, API_KEY, WEBHOOK_SECRET, WEBHOOK_PATH, GREETING, QUESTION, ANSWER]
                .map(str::to_owned)
                .into();
        secrets.extend([LINE, CALLER, FRONT_OFFICE].map(|number| number.trim_start_matches('+').to_owned()));
        let words =
            "tooth aches dreadfully chamomile Rosalind rosalind jotted presently Regrettably receptionist";
        secrets.extend(words.split(' ').map(str::to_owned));
        for (_, twiml) in answers(&report) {
            let token = twiml.split_once(r#"name="token" value=""#).map(|(_, rest)| rest.split('"').next());
            secrets.extend(token.flatten().map(str::to_owned));
        }
        assert!(secrets.len() > 20, "passes are among the secrets");
        for secret in secrets {
            let told = log.lines().find(|line| line.contains(&secret));
            assert!(told.is_none(), "{secret:?} is in the log: {}", told.unwrap_or_default());
        }
        for audio in ["/Recordings/RE", "\"payload\"", "input_audio_buffer.append", "x-twilio-signature: "] {
            let told = log.lines().find(|line| line.contains(audio));
            assert!(told.is_none(), "frames are in the log: {}", told.unwrap_or_default());
        }
        println!("{} lines, {} bytes", log.lines().count(), log.len());
    }
}
