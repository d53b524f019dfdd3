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

    use frontdesk::sim::model::Reply;
    use frontdesk::sim::socket::DialResult;
    use frontdesk::telemetry;

    use crate::house::{API_KEY, AUTH_TOKEN, CALLER, FRONT_OFFICE, GREETING, House, LINE, SECRET};
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
        second.pace.first_audio = std::time::Duration::from_millis(600);
        let house = House::open("privacy", vec![first, second]).await;
        let mut plan = house.plan(vec![asks(), interrupts(300), asks(), interrupts(250)]);
        // The last is said into the words after the transfer that nobody answered.
        plan.caller[3].when = frontdesk::sim::When::WhileHearing { utterance: 2, after_ms: 250 };
        plan.dials = vec![DialResult::NoAnswer];
        let report = house.phone.call(plan).await;
        house.until_quiet().await;
        assert_eq!(report.problems(), Vec::<String>::new());
        assert_eq!(report.streams.len(), 2, "{:?}", report.events);

        let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
        for there in ["call over", "media socket accepted", "the caller interrupts", report.call.as_str()] {
            assert!(log.contains(there), "the log is not whole: {there}");
        }
        let mut secrets: Vec<String> =
            [AUTH_TOKEN, SECRET, API_KEY, GREETING, QUESTION, ANSWER].map(str::to_owned).into();
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
        for audio in ["\"payload\"", "input_audio_buffer.append", "x-twilio-signature: "] {
            let told = log.lines().find(|line| line.contains(audio));
            assert!(told.is_none(), "frames are in the log: {}", told.unwrap_or_default());
        }
        println!("{} lines, {} bytes", log.lines().count(), log.len());
    }
}
