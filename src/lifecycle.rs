//! How the process lives and ends: signals, shutdown in steps, and the one place where tasks are started.
//!
//! ```text
//! first signal ── soft ──────────────► drained_soon ─────────► hard ──────► over
//!               finish what is alive    hand calls over        stop now     (a second signal goes straight here)
//!               keep answering          at a turn boundary
//! ```
//!
//! There are two kinds of task. *Work* is what a drain waits for: calls, and what must be written down for them.
//! *Background* serves the work, such as the accept loop or the renewal of leases: it goes on until the work is done.

use std::any::Any;
use std::io;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long before the platform kills us calls are handed over: a turn boundary is seldom further away, and Twilio
/// needs a round trip to ask another instance.
pub const HAND_OVER_MARGIN: Duration = Duration::from_secs(10);

/// How long before the platform kills us everything is told to stop: what is left is to close sockets and write logs.
pub const STOP_MARGIN: Duration = Duration::from_secs(2);

/// How long tasks may take to end once they have been told to stop now.
pub const LAST_WORDS: Duration = Duration::from_secs(1);

/// Every task of the process, and the three words that end them. Clones are the same tasks.
#[derive(Debug, Clone)]
pub struct Tasks {
    work: TaskTracker,
    background: TaskTracker,
    hard: CancellationToken,
    drained_soon: CancellationToken,
    soft: CancellationToken,
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

/// How long we still listen when the last call was handed over: its stream is closed, and Twilio asks within a round trip
/// what is next. An edge that still leads here would find nobody. When there is no other instance the answer's stream comes
/// back to us, and Twilio asks a second time.
const NEXT_IS_ASKED: Duration = Duration::from_secs(3);

impl Tasks {
    /// No task yet, and no word said.
    pub fn new() -> Self {
        // Each word implies the ones before it: stopping now is also handing over, which is also draining.
        let hard = CancellationToken::new();
        let drained_soon = hard.child_token();
        let soft = drained_soon.child_token();
        Self { work: TaskTracker::new(), background: TaskTracker::new(), hard, drained_soon, soft }
    }

    /// Starts work that a drain waits for. A panic in it ends it alone and is logged with its name.
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.work.spawn(guarded(name, future))
    }

    /// Starts what serves the work: it must end within [`LAST_WORDS`] after [`Tasks::hard`], and no drain waits for it.
    pub fn spawn_background<F>(&self, name: &'static str, future: F) -> JoinHandle<()>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.background.spawn(guarded(name, future))
    }

    /// How many pieces of work are alive.
    pub fn live(&self) -> usize {
        self.work.len()
    }

    /// How many background tasks are alive.
    pub fn live_background(&self) -> usize {
        self.background.len()
    }

    /// Whether the process is on its way out: still answering, no longer ready.
    pub fn draining(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// Cancelled when a drain begins.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// Cancelled when the platform's patience is nearly over: calls still alive are handed over at a turn boundary.
    pub fn drained_soon(&self) -> &CancellationToken {
        &self.drained_soon
    }

    /// Cancelled when everything stops now.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Listens for SIGTERM and SIGINT from now on: the first begins the drain, the second stops now. Platforms differ
    /// in which one they send, and as process 1 we would get neither by default. Fails when the system refuses a
    /// handler.
    pub fn run_signals(&self) -> io::Result<()> {
        let mut signals = Signals::new()?;
        let tasks = self.clone();
        // Not tracked: it lasts as long as the process and has nothing to finish.
        #[expect(clippy::disallowed_methods, reason = "this room starts every task")]
        tokio::spawn(async move {
            let first = signals.next().await;
            tracing::info!(signal = first, live = tasks.live(), "draining; a second signal stops at once");
            tasks.soft.cancel();
            let second = signals.next().await;
            tracing::warn!(signal = second, live = tasks.live(), "stopping at once");
            tasks.hard.cancel();
        });
        Ok(())
    }

    /// Waits until no work is alive, or until `patience` is over, or until everything is told to stop; gives the
    /// number of pieces still alive.
    pub async fn wait(&self, patience: Duration) -> usize {
        self.work.close();
        tokio::select! {
            () = self.work.wait() => {}
            () = self.hard.cancelled() => {}
            () = tokio::time::sleep(patience) => {}
        }
        self.live()
    }

    /// Waits for the first signal, then carries the drain through, so that all is over before the platform's `grace`
    /// is: work goes on at least for `lame_duck`, in which the platform's edge may still send us callers, then until
    /// it is done; [`HAND_OVER_MARGIN`] before the end it is handed over, [`STOP_MARGIN`] before the end it is
    /// stopped. Gives the number of tasks that did not end.
    pub async fn drain(&self, grace: Duration, lame_duck: Duration) -> usize {
        self.soft.cancelled().await;
        let [until_hand_over, until_stop] = timetable(grace);
        let lame_duck = lame_duck.min(until_hand_over);
        self.linger(lame_duck).await;
        self.wait(until_hand_over - lame_duck).await;
        let handed_over = self.live() > 0;
        if handed_over {
            tracing::warn!(live = self.live(), "handing over what is still alive");
        }
        self.drained_soon.cancel();
        let given_away = async {
            self.wait(until_stop).await;
            if handed_over {
                self.linger(NEXT_IS_ASKED).await;
            }
        };
        let _in_time = tokio::time::timeout(until_stop, given_away).await;
        self.hard.cancel();
        self.work.close();
        self.background.close();
        let both = async { tokio::join!(self.work.wait(), self.background.wait()) };
        // Whoever is late is counted below.
        let _in_time = tokio::time::timeout(LAST_WORDS, both).await;
        self.live() + self.live_background()
    }

    async fn linger(&self, time: Duration) {
        tokio::select! {
            () = tokio::time::sleep(time) => {}
            () = self.hard.cancelled() => {}
        }
    }
}

/// From the first signal to the hand-over, and from there to the stop. Of a short grace each keeps its share.
fn timetable(grace: Duration) -> [Duration; 2] {
    let hand_over_before = HAND_OVER_MARGIN.min(grace / 2);
    let stop_before = STOP_MARGIN.min(grace / 4);
    [grace - hand_over_before, hand_over_before - stop_before]
}

async fn guarded<F: Future<Output = ()>>(name: &'static str, future: F) {
    if let Err(panic) = AssertUnwindSafe(future).catch_unwind().await {
        tracing::error!(task = name, "a task panicked and is gone, the others go on: {}", text_of(&*panic));
    }
}

fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no text)")
}

#[cfg(unix)]
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        // An error means that no signal can ever come; there is nothing else to wait for.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::sync::oneshot;

    use super::*;

    const GRACE: Duration = Duration::from_secs(300);
    const LAME_DUCK: Duration = Duration::from_secs(5);

    #[tokio::test(start_paused = true)]
    async fn a_drain_without_work_lasts_as_long_as_the_edge_may_still_send_callers() {
        let tasks = Tasks::new();
        let (stopped, background) = background(&tasks);
        tasks.soft().cancel();
        let began = now();
        assert_eq!(tasks.drain(GRACE, LAME_DUCK).await, 0);
        assert_eq!(began.elapsed().as_secs(), LAME_DUCK.as_secs());
        background.await.unwrap();
        assert!(stopped.load(Ordering::SeqCst), "the background was told to stop");
    }

    #[tokio::test(start_paused = true)]
    async fn a_drain_ends_with_the_last_call_and_keeps_the_background_until_then() {
        let tasks = Tasks::new();
        let (stopped, _) = background(&tasks);
        let (tell, told) = oneshot::channel();
        tasks.spawn("call", async move {
            tokio::time::sleep(Duration::from_secs(90)).await;
            tell.send(stopped.load(Ordering::SeqCst)).unwrap();
        });
        tasks.soft().cancel();
        let began = now();
        assert_eq!(tasks.drain(GRACE, LAME_DUCK).await, 0);
        assert_eq!(began.elapsed().as_secs(), 90);
        assert!(!told.await.unwrap(), "the accept loop must outlive the calls");
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_comes_while_the_edge_still_sends_us_callers_is_not_handed_over_early() {
        let tasks = Tasks::new();
        tasks.soft().cancel();
        let began = now();
        let (left, ()) = tokio::join!(tasks.drain(GRACE, LAME_DUCK), async {
            tokio::time::sleep(LAME_DUCK / 2).await;
            tasks.spawn("late call", tokio::time::sleep(Duration::from_secs(60)));
        });
        assert_eq!(left, 0);
        assert_eq!(began.elapsed(), LAME_DUCK / 2 + Duration::from_secs(60));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_alive_near_the_end_is_handed_over_and_then_stopped_within_the_grace() {
        let tasks = Tasks::new();
        let began = now();
        let (tell_handed, handed) = oneshot::channel();
        let obedient = tasks.clone();
        tasks.spawn("a call that hands over", async move {
            obedient.drained_soon().cancelled().await;
            tell_handed.send(began.elapsed()).unwrap();
        });
        let (tell_stopped, stopped) = oneshot::channel();
        let last = tasks.clone();
        tasks.spawn("a call that waits for the stop", async move {
            last.hard().cancelled().await;
            tell_stopped.send(began.elapsed()).unwrap();
        });
        tasks.spawn("a task that hears nothing", std::future::pending());
        tasks.soft().cancel();
        assert_eq!(tasks.drain(GRACE, LAME_DUCK).await, 1);
        assert!(began.elapsed() < GRACE);
        assert_eq!(handed.await.unwrap().as_secs(), (GRACE - HAND_OVER_MARGIN).as_secs());
        assert_eq!(stopped.await.unwrap().as_secs(), (GRACE - STOP_MARGIN).as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_signal_cuts_every_wait_short() {
        let tasks = Tasks::new();
        tasks.spawn("call", std::future::pending());
        tasks.soft().cancel();
        let began = now();
        let hard = tasks.hard().clone();
        let (left, ()) = tokio::join!(tasks.drain(GRACE, LAME_DUCK), async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            hard.cancel();
        });
        assert_eq!(left, 1);
        assert_eq!(began.elapsed(), Duration::from_secs(1) + LAST_WORDS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_ends_one_task_and_no_other() {
        let tasks = Tasks::new();
        tasks.spawn("unlucky", async { panic!("broken") }).await.expect("the panic stays inside");
        let alive = tasks.spawn("lucky", tokio::time::sleep(Duration::from_secs(1)));
        assert_eq!(tasks.live(), 1);
        alive.await.unwrap();
        assert_eq!(tasks.wait(GRACE).await, 0);
        assert!(!tasks.hard().is_cancelled());
    }

    #[test]
    fn a_short_grace_is_shared_out_and_no_grace_is_no_time_at_all() {
        let secs = Duration::from_secs;
        assert_eq!(timetable(secs(300)), [secs(290), secs(8)]);
        assert_eq!(timetable(secs(8)), [secs(4), secs(2)]);
        assert_eq!(timetable(secs(0)), [secs(0), secs(0)]);
    }

    #[test]
    fn stopping_now_implies_draining_but_draining_does_not_imply_stopping() {
        let tasks = Tasks::new();
        tasks.soft().cancel();
        assert!(tasks.draining() && !tasks.drained_soon().is_cancelled() && !tasks.hard().is_cancelled());
        let tasks = Tasks::new();
        tasks.hard().cancel();
        assert!(tasks.draining() && tasks.drained_soon().is_cancelled());
    }

    /// Names the child of the test below.
    const CHILD: &str = "FRONTDESK_TEST_SIGNALS";

    #[tokio::test]
    #[expect(clippy::disallowed_methods, reason = "this test is also the program it starts")]
    async fn the_first_signal_drains_and_the_second_stops_whichever_the_platform_sends() {
        if std::env::var_os(CHILD).is_some() {
            return child().await;
        }
        for signals in [["TERM", "TERM"], ["INT", "TERM"], ["TERM", "INT"]] {
            let test =
                "lifecycle::tests::the_first_signal_drains_and_the_second_stops_whichever_the_platform_sends";
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--exact", test, "--nocapture"])
                .env(CHILD, "1")
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
            let mut said = |what: &str| lines.any(|line| line == what);
            assert!(said("child: ready"));
            for (signal, answer) in signals.iter().zip(["child: draining", "child: stopped"]) {
                let kill = format!("kill -{signal} {}", child.id());
                assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
                assert!(said(answer), "{signals:?}: {answer}");
            }
            assert!(child.wait().unwrap().success(), "{signals:?}");
        }
    }

    async fn child() {
        let tasks = Tasks::new();
        tasks.run_signals().unwrap();
        println!("\nchild: ready");
        tasks.soft().cancelled().await;
        println!("child: draining");
        tasks.hard().cancelled().await;
        println!("child: stopped");
    }

    fn background(tasks: &Tasks) -> (Arc<AtomicBool>, JoinHandle<()>) {
        let stopped = Arc::new(AtomicBool::new(false));
        let (seen, hard) = (Arc::clone(&stopped), tasks.hard().clone());
        let task = tasks.spawn_background("accept loop", async move {
            hard.cancelled().await;
            seen.store(true, Ordering::SeqCst);
        });
        (stopped, task)
    }

    #[expect(clippy::disallowed_methods, reason = "the paused clock of a test")]
    fn now() -> tokio::time::Instant {
        tokio::time::Instant::now()
    }
}
