//! The judges that are not ours: OpenAI's own SDK reads what we say to its service, Twilio's own library signs what we
//! check, a validator of the OpenAPI project's own schema reads the document of our API. All are Python; without them these tests say so and are skipped, unless `FRONTDESK_TEST_ALL` is `1`.

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{Read as _, Write as _};
    use std::path::{Path, PathBuf};
    use std::process::{Command, Output, Stdio};

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
}
