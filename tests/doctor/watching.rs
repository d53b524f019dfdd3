//! Watching a server during a real call.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use frontdesk::http::paths;

use crate::deployment::{ADMIN_TOKEN, address, server};
use crate::front::{Gate, pass, say};
use crate::head::Reply;

/// A doctor that watches. The test's own patience is that of whoever runs it.
struct Watching {
    child: Child,
    said: BufReader<ChildStdout>,
    _folder: tempfile::TempDir,
}

impl Watching {
    fn begin(url: &str, token: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
        command.args(["doctor", url, "--watch"]).env_clear().current_dir(folder.path());
        let mut child =
            command.env("ADMIN_TOKEN", token).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap());
        Self { child, said, _folder: folder }
    }

    /// Reads on until a line has these words.
    async fn until(mut self, words: &'static str) -> Self {
        tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            while !line.contains(words) {
                line.clear();
                assert!(self.said.read_line(&mut line).unwrap() > 0, "it ended without “{words}”");
            }
            self
        })
        .await
        .unwrap()
    }

    /// Presses Ctrl-C; gives the exit code.
    async fn interrupt(mut self) -> Option<i32> {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        self.end().await
    }

    async fn end(&mut self) -> Option<i32> {
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // It is over already, unless the test failed.
        let _over = self.child.kill();
        let _status = self.child.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_is_told_a_server_that_is_away_is_waited_for_and_ctrl_c_is_a_good_end() {
    let gate = Gate::plain().await;
    let url = gate.url();
    let house = server(&url).await;
    let server = address(&house);
    let away = Arc::new(AtomicBool::new(false));
    let is_away = Arc::clone(&away);
    let _front = gate
        .open(move |_| if is_away.load(Ordering::Relaxed) { say(Reply::new(502, "")) } else { pass(server) });
    let watching = Watching::begin(&url, ADMIN_TOKEN).until("watching instance").await;
    let media = format!("{url}{}", paths::MEDIA);
    reqwest::Client::new().head(&media).send().await.unwrap();
    let watching = watching.until("refused (method)").await.until("proves nothing").await;
    away.store(true, Ordering::Relaxed);
    let watching = watching.until("does not answer").await;
    away.store(false, Ordering::Relaxed);
    let watching = watching.until("watching instance").await;
    assert_eq!(watching.interrupt().await, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_will_not_tell_is_not_watched() {
    let gate = Gate::plain().await;
    let url = gate.url();
    let house = server(&url).await;
    let server = address(&house);
    let _front = gate.open(move |_| pass(server));
    let other = "another token of thirty-two letters";
    let mut watching = Watching::begin(&url, &other.replace(' ', "-"));
    assert_eq!(watching.end().await, Some(3));
}
