//! A server with as many calls in flight as one likes. Nobody rings: each board is written as a call would write it, and
//! everything behind the boards, from the registry to the page, is the server's own.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use frontdesk::bridge::Order;
use frontdesk::config::Config;
use frontdesk::domain::{BusinessId, CallSid, Pii, Speaker, Turn};
use frontdesk::lifecycle::Tasks;
use frontdesk::registry::{Board, Claim, Present, Registry, Rung, Shown, Slot, Step, Voices};
use frontdesk::server::Server;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinSet;

use crate::house::{ACCOUNT, API_KEY, AUTH_TOKEN, SECRET};
use crate::story::TOKEN;

/// Nobody reads faster than that: a beat of the feed.
const BEAT: Duration = Duration::from_millis(500);

/// When all calls began, in milliseconds since 1970.
const BEGAN_MS: i64 = 1_790_000_000_000;

/// The server; all of it ends when this is dropped.
pub(crate) struct Crowd {
    /// Where it is: `http://127.0.0.1:PORT`.
    pub(crate) base: String,
    calls: VecDeque<Call>,
    entered: usize,
    registry: Registry<Order>,
    tasks: Tasks,
    _folder: TempDir,
    _serving: JoinSet<()>,
}

struct Call {
    board: Arc<Board>,
    _present: Present<Order>,
    _orders: Receiver<Order>,
}

/// How calls move: meters of all, words of some.
#[derive(Clone, Copy)]
pub(crate) struct Moves {
    /// Of so many calls one says something, each beat another.
    pub(crate) one_in: usize,
    /// How many words it says.
    pub(crate) words: usize,
}

impl Crowd {
    /// A server with so many calls in which nothing has been said.
    pub(crate) async fn of(calls: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let data_dir = folder.path().to_str().unwrap();
        let read = |name: &str| {
            let value = match name {
                "PUBLIC_URL" => &base,
                "DATA_DIR" => data_dir,
                "DATABASE_URL" => "sqlite::memory:",
                "OPENAI_API_KEY" => API_KEY,
                "STREAM_TOKEN_SECRET" => SECRET,
                "TWILIO_AUTH_TOKEN" => AUTH_TOKEN,
                "TWILIO_ACCOUNT_SID" => ACCOUNT,
                "PHRASES_AT_ONCE" => "0",
                "ADMIN_TOKEN" => TOKEN,
                _ => return None,
            };
            Some(value.to_owned())
        };
        let server = Server::new(Config::from_env(read).unwrap().0).await.unwrap();
        let (registry, tasks) = (server.calls().clone(), server.tasks().clone());
        let mut serving = JoinSet::new();
        serving.spawn(async move { server.listen(listener).await });
        let calls_yet = VecDeque::with_capacity(calls);
        let mut crowd =
            Self { base, calls: calls_yet, entered: 0, registry, tasks, _folder: folder, _serving: serving };
        for _ in 0..calls {
            crowd.enter();
        }
        crowd
    }

    /// One more.
    pub(crate) fn enter(&mut self) {
        let number = self.entered;
        self.entered += 1;
        let business = BusinessId::parse("luna").unwrap();
        let call = CallSid::parse(&format!("CA{number:032}")).unwrap();
        let claim = Claim { most: u32::MAX, slot: Slot::Taken };
        let (present, orders) =
            self.registry.enter(call.clone(), business.clone(), claim, usize::MAX).unwrap();
        let board = present.show(Shown::begun(
            call,
            1,
            (business, "Luna Dental".to_owned()),
            Pii::new(format!("+1415555{number:04}")),
            BEGAN_MS,
        ));
        board.step(Rung { at_ms: 400, step: Step::CallerArrived }, |_| {});
        self.calls.push_back(Call { board, _present: present, _orders: orders });
    }

    /// The one that is there for longest ends.
    pub(crate) fn leave(&mut self) {
        self.calls.pop_front().unwrap();
    }

    /// What is said last in the call that came last.
    pub(crate) fn say(&self, words: &str) {
        say(&self.calls.back().unwrap().board, 1_000_000, words.to_owned());
    }

    /// Keeps the calls of now moving, a beat after a beat, until what it gives is dropped.
    pub(crate) fn moving(&self, moves: Moves) -> JoinSet<()> {
        let boards: Vec<_> = self.calls.iter().map(|call| Arc::clone(&call.board)).collect();
        let mut moving = JoinSet::new();
        moving.spawn(async move {
            let mut beats = tokio::time::interval(BEAT);
            for beat in 0.. {
                beats.tick().await;
                for (number, board) in boards.iter().enumerate() {
                    let loud = i8::try_from((beat * 7 + number * 13) % 60).unwrap();
                    board.hear(Voices { caller_db: -loud, model_db: loud - 60, caller_speaks: loud > 30 });
                    if (beat + number).is_multiple_of(moves.one_in) {
                        say(board, beat, format!("{beat}{}", " and so on".repeat(moves.words / 3)));
                    }
                }
            }
        });
        moving
    }

    /// Logs in as a program does that has no browser: its cookie.
    pub(crate) async fn badge(&self) -> String {
        let client = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let form = [("token", TOKEN)];
        let asked = client.build().unwrap().post(format!("{}/login", self.base));
        let answer = asked.header("origin", &self.base).form(&form).send().await.unwrap();
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        cookie.split(';').next().unwrap().to_owned()
    }
}

fn say(board: &Board, beat: usize, words: String) {
    let turn = Turn {
        attempt: 1,
        number: u32::try_from(beat).unwrap(),
        speaker: if beat.is_multiple_of(2) { Speaker::Caller } else { Speaker::Model },
        text: Pii::new(words),
        began_ms: u64::try_from(beat).unwrap() * 500,
        heard_ms: 0,
        interrupted: false,
        answer_delay_ms: Some(600 + u64::try_from(beat % 7).unwrap()),
    };
    board.step(Rung { at_ms: turn.began_ms, step: Step::Said(Box::new(turn)) }, |_| {});
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.tasks.hard().cancel();
    }
}
