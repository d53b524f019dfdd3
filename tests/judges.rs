//! The judges that are not ours: OpenAI's own SDK reads what we say to its service, Twilio's own library signs what we
//! check, that of Standard Webhooks checks what we sign, and a validator reads the document of our API. All are Python;
//! without them these tests say so and are skipped, unless `FRONTDESK_TEST_ALL` is `1`.

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::path::{Path, PathBuf};
    use std::process::{Command, Output, Stdio};
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::http::HeaderMap;
    use frontdesk::clients::{Reach, WebhookClient, WebhookSettings, tls_with_public_roots};
    use frontdesk::domain::{About, BusinessId, Limit, Notice, Webhook, WebhookSecret};
    use frontdesk::lifecycle::Tasks;
    use frontdesk::telemetry;
    use serde_json::{Value, json};
    use tokio::net::TcpListener;

    #[expect(clippy::disallowed_methods, reason = "whoever runs the tests says where the judges are")]
    fn setting(name: &str) -> Option<String> {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    }

    fn python() -> String {
        setting("FRONTDESK_PYTHON").unwrap_or_else(|| "python3".to_owned())
    }

    /// Whether there is a Python with that module; a test that goes on without must not count as one that held.
    fn judge_is_here(module: &str) -> bool {
        let import = Command::new(python()).args(["-c", &format!("import {module}")]).output();
        let missing = match import {
            Ok(import) if import.status.success() => return true,
            Ok(import) => String::from_utf8_lossy(&import.stderr).into_owned(),
            Err(error) => error.to_string(),
        };
        skip(&format!("{} cannot import {module}: {}", python(), missing.trim()));
        false
    }

    fn skip(why: &str) {
        assert!(setting("FRONTDESK_TEST_ALL").is_none_or(|all| all != "1"), "{why}");
        println!("skipped: {why}");
    }

    fn fixture(path: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(path)
    }

    /// What OpenAI's SDK thinks of these events, one a line: whether all are right, and its words.
    fn judged(events: &str) -> (bool, String) {
        let checker = fixture("contract/check_client_events.py");
        let mut child =
            Command::new(python()).arg(checker).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut words = String::new();
        // The checker reads a line before it says anything about it, and says little: neither pipe fills up.
        child.stdin.take().unwrap().write_all(events.as_bytes()).unwrap();
        child.stdout.take().unwrap().read_to_string(&mut words).unwrap();
        (child.wait().unwrap().success(), words)
    }

    /// Judges files one by one without getting up for each.
    const ALL_OF_THEM: &str = "import sys; sys.path.insert(0, sys.argv[1]); import check_client_events as judge; \
                               sys.exit(any([print(file) or judge.main(['-q', file]) for file in sys.argv[2:]]))";

    /// What the clients of the other tests said to the simulated model, a file each connection: `calls` runs before
    /// these do.
    fn said() -> Vec<PathBuf> {
        let folder: PathBuf = [env!("CARGO_TARGET_TMPDIR"), "client-events", "calls"].iter().collect();
        let Ok(files) = fs::read_dir(folder) else { return Vec::new() };
        let mut said: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        said.sort();
        said
    }

    #[test]
    fn openais_sdk_finds_nothing_wrong_with_what_we_say_in_calls() {
        if !judge_is_here("openai") {
            return;
        }
        let said = said();
        if said.is_empty() {
            return skip("nothing was said yet: run `cargo test --test calls` first");
        }
        // Nothing is left of a judge but its verdict: no compiled files beside the script.
        let mut judge = Command::new(python());
        judge.args(["-B", "-c", ALL_OF_THEM]).arg(fixture("contract")).args(said);
        let Output { status, stdout, stderr } = judge.output().unwrap();
        let words = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        assert!(status.success(), "{words}");
    }

    #[test]
    fn openais_sdk_tells_good_events_from_bad_ones() {
        if !judge_is_here("openai") {
            return;
        }
        let read = |name: &str| fs::read_to_string(fixture(name)).unwrap();
        let (right, words) = judged(&read("contract/good.jsonl"));
        assert!(right, "{words}");
        let bad = read("contract/bad.jsonl");
        let (right, words) = judged(&bad);
        assert!(!right, "{words}");
        for (number, line) in bad.lines().enumerate() {
            let number = (number + 1).to_string();
            let found = words.lines().any(|word| word.split([' ', ':']).take(2).eq(["line", &number]));
            assert!(found, "taken for right: {line}\n{words}");
        }
    }

    /// Reads a document on standard input; fails with what is wrong with it.
    const VALIDATE: &str = "import json, sys; from openapi_spec_validator import OpenAPIV31SpecValidator as Judge; \
                            Judge(json.load(sys.stdin)).validate()";

    #[test]
    fn the_document_of_the_api_is_openapi_3_1_and_a_broken_one_would_be_found() {
        if !judge_is_here("openapi_spec_validator") {
            return;
        }
        let document = frontdesk::http::openapi().to_string();
        for (document, is_right) in
            [(document.clone(), true), (document.replacen("\"in\":\"path\"", "\"in\":\"way\"", 1), false)]
        {
            let mut judge = Command::new(python());
            judge
                .args(["-B", "-c", VALIDATE])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped());
            let mut judge = judge.spawn().unwrap();
            judge.stdin.take().unwrap().write_all(document.as_bytes()).unwrap();
            let Output { status, stderr, .. } = judge.wait_with_output().unwrap();
            assert_eq!(status.success(), is_right, "{}", String::from_utf8_lossy(&stderr));
        }
    }

    #[test]
    fn twilios_library_signs_as_the_fixture_says() {
        if !judge_is_here("twilio") {
            return;
        }
        let script = fixture("twilio/make_signatures.py");
        let checked = Command::new(python()).arg(script).arg("--check").output().unwrap();
        let words = [checked.stdout, checked.stderr].concat();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&words));
    }

    /// Says of each line `[secret, headers, body]` whether a receiver would believe it, and why not.
    const WOULD_BELIEVE: &str = "\
import json, sys
from standardwebhooks import Webhook
for line in sys.stdin:
    secret, headers, body = json.loads(line)
    try:
        Webhook(secret).verify(body, headers)
        print('believed')
    except Exception as error:
        print(f'{type(error).__name__}: {error}')
";

    const WEBHOOK_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    /// What a receiver gets when we tell it something, as the judge wants to see it.
    async fn told(at_s: i64, body: &str) -> Value {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let heard = Arc::new(Mutex::new(None));
        let hears = Arc::clone(&heard);
        let routes = Router::new().fallback(async move |headers: HeaderMap, body: String| {
            let text = |name: &str| headers[name].to_str().unwrap().to_owned();
            let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
            let headers: serde_json::Map<_, _> =
                names.iter().map(|name| ((*name).to_owned(), text(name).into())).collect();
            *hears.lock().unwrap() = Some(json!([WEBHOOK_SECRET, headers, body]));
        });
        let tasks = Tasks::new();
        let _served = tasks.spawn_background("receiver", async move {
            axum::serve(listener, routes).await.unwrap();
        });
        let settings = WebhookSettings::new(Reach::Loopback, tls_with_public_roots().unwrap());
        let webhook = Webhook { url, secret: WebhookSecret::new(WEBHOOK_SECRET) };
        let about = About::LimitReached { limit: Limit::ConcurrentCalls, day: "2026-11-21".to_owned() };
        let notice = Notice::new(BusinessId::parse("business-1").unwrap(), about, 0);
        WebhookClient::new(settings).unwrap().send(&webhook, &notice.id, at_s, body).await.unwrap();
        heard.lock().unwrap().take().unwrap()
    }

    /// The same text with another letter at a place.
    fn changed(text: &str, at: usize) -> String {
        let other = if text.as_bytes()[at] == b'x' { "y" } else { "x" };
        format!("{}{other}{}", &text[..at], &text[at + 1..])
    }

    #[tokio::test]
    async fn the_library_of_standard_webhooks_believes_what_we_send_and_nothing_else() {
        if !judge_is_here("standardwebhooks") {
            return;
        }
        let now_s = telemetry::wall_clock() / 1_000;
        let body = r#"{"type":"message.taken","data":{"text":"Please ring back"}}"#;
        let genuine = told(now_s, body).await;
        let mut cases = vec![
            (true, genuine.clone()),
            (true, told(now_s, r#"{"text":"Grüße, 你好 🦷 \"quoted\"\n"}"#).await),
            (false, told(now_s - 600, body).await),
            (false, json!(["whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", genuine[1], body])),
        ];
        for at in 0..body.len() {
            cases.push((false, json!([WEBHOOK_SECRET, genuine[1], changed(body, at)])));
        }
        for (header, at) in [("webhook-id", 5), ("webhook-signature", 10)] {
            let mut altered = genuine.clone();
            altered[1][header] = changed(altered[1][header].as_str().unwrap(), at).into();
            cases.push((false, altered));
        }
        let mut later = genuine;
        later[1]["webhook-timestamp"] = (now_s + 1).to_string().into();
        cases.push((false, later));

        let lines: String = cases.iter().map(|(_, case)| format!("{case}\n")).collect();
        let mut judge = Command::new(python());
        judge.args(["-c", WOULD_BELIEVE]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut judge = judge.spawn().unwrap();
        let mut verdicts = String::new();
        // It reads a line before it says a few words about it: neither pipe fills up.
        judge.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
        judge.stdout.take().unwrap().read_to_string(&mut verdicts).unwrap();
        assert!(judge.wait().unwrap().success());
        assert_eq!(verdicts.lines().count(), cases.len(), "{verdicts}");
        for ((genuine, case), verdict) in cases.iter().zip(verdicts.lines()) {
            assert_eq!(verdict == "believed", *genuine, "{verdict}: {case}");
            let refused = verdict.starts_with("WebhookVerificationError");
            assert!(*genuine || refused, "refused for another reason, {verdict}: {case}");
        }
    }
}
