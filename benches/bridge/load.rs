//! One run of the load against one subject: calls are placed, all of them talk, a window is measured, everybody falls
//! silent, and what was sent is compared with what came.

use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Serialize};

use super::engine::{Engine, Model, Newcomer};
use super::process::{cpu_ms, memory_kib};
use super::ring::{Door, accept};
use super::tally::{Quantiles, WayFigures};

/// Threads that place calls.
const RINGERS: u32 = 4;

/// After the last call is there, until the window opens.
const SETTLE: Duration = Duration::from_secs(2);

/// Until the last frames in flight have come. The server takes a line that is dead for 750 ms for a gap, and fills it in.
const DRAIN: Duration = Duration::from_millis(600);

/// How long a crowd may take to get through; beyond that the subject is beyond its limit.
const PATIENCE: Duration = Duration::from_secs(20);

/// Newcomers waiting for the loop, which takes all of them at once.
const NEWCOMERS: usize = 4_096;

/// A call talks when this share of what its window has frames for came, each way, in percent. A stall of the machine may
/// move a few frames to the other side of the window's edge; what is lost is counted apart.
const TALKING_PERCENT: u64 = 90;

/// More than this much of its core, in percent, and the load measures itself.
const SATURATED_PERCENT: f64 = 90.0;

/// What is asked of the load, as an argument of its process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Where the subject listens.
    pub(crate) subject: SocketAddr,
    /// The subject's process.
    pub(crate) process: u32,
    /// Where the models listen.
    pub(crate) model: SocketAddr,
    /// Whether the subject is asked for TwiML first.
    pub(crate) webhook: bool,
    /// Whether the subject asks the model to speak.
    pub(crate) asks: bool,
    /// How many calls.
    pub(crate) calls: u32,
    /// Between two calls, in microseconds.
    pub(crate) between_us: u64,
    /// How long the window is.
    pub(crate) seconds: u64,
    /// Whether networks and models take their time, as for the first audio.
    pub(crate) delays: bool,
}

/// One run, as figures.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct Figures {
    /// How many calls.
    pub(crate) calls: u32,
    /// The subject's CPU time, per call and second.
    pub(crate) cpu_ms: f64,
    /// The load's share of its core.
    pub(crate) load_percent: f64,
    /// The subject's resident memory before the first call, at the end of the window, and at its most.
    pub(crate) idle_kib: u64,
    pub(crate) loaded_kib: u64,
    pub(crate) peak_kib: u64,
    /// Caller to model.
    pub(crate) up: WayFigures,
    /// Model to caller.
    pub(crate) down: WayFigures,
    /// Calls on which both sides were heard all through the window.
    pub(crate) talking: usize,
    /// From `start` to the first audio.
    pub(crate) first_audio_us: Quantiles,
    /// How late the load itself was.
    pub(crate) late_us: Quantiles,
    /// Sockets that closed before the end.
    pub(crate) closed: usize,
    /// `clear`s nobody had a reason for.
    pub(crate) clears: usize,
}

impl Figures {
    /// Resident memory per call.
    pub(crate) fn kib_per_call(&self) -> f64 {
        self.loaded_kib.saturating_sub(self.idle_kib) as f64 / f64::from(self.calls.max(1))
    }

    /// Why these figures are worth nothing, if so.
    pub(crate) fn doubt(&self) -> Option<String> {
        let lost = self.up.lost + self.down.lost;
        let disorder = self.up.reordered + self.down.reordered;
        let foreign = self.up.foreign + self.down.foreign;
        if self.talking < self.calls as usize {
            return Some(format!("only {} of {} calls talked", self.talking, self.calls));
        }
        if lost + disorder + foreign > 0 || self.closed + self.clears > 0 {
            return Some(format!(
                "{lost} frames lost, {disorder} out of order, {foreign} not ours; {} sockets closed, {} clears",
                self.closed, self.clears
            ));
        }
        if self.load_percent > SATURATED_PERCENT {
            return Some(format!("the load had {:.0} % of its core: it measures itself", self.load_percent));
        }
        None
    }
}

/// Runs it, and gives what was measured.
pub(crate) fn run(order: &Order) -> anyhow::Result<Figures> {
    let (idle_kib, _) = memory_kib(order.process)?;
    let (hand_over, newcomers) = sync_channel(NEWCOMERS);
    let wait = |ms| if order.delays { Duration::from_millis(ms) } else { Duration::ZERO };
    let model = Model {
        setup: wait(50),
        first_audio: order.delays.then(|| wait(300)),
        must_be_asked: order.asks,
        speaks: true,
    };
    let mut engine = Engine::new(newcomers, model)?;
    serve_models(order.model, wait(150), hand_over.clone())?;
    let failure = place_calls(order, wait(400), &hand_over);
    let calls = order.calls as usize;
    let ramp = Duration::from_micros(order.between_us) * order.calls + PATIENCE;
    // Half a second may be in flight: what a model has said is played a little ahead, and no further.
    let failed = || failure.lock().ok().and_then(|failure| failure.clone());
    let all = engine.run(ramp, |engine| {
        failed().is_some() || (engine.up.carried(50) >= calls && engine.down.carried(50) >= calls)
    })?;
    if let Some(why) = failed() {
        anyhow::bail!("a call could not be placed: {why}");
    }
    ensure!(
        all,
        "of {calls} calls, {} were carried to the model and {} back",
        engine.up.carried(50),
        engine.down.carried(50)
    );
    engine.run(SETTLE, |_| false)?;

    engine.up.open_window();
    engine.down.open_window();
    engine.late_us.clear();
    let (began, own) = (Instant::now(), std::process::id());
    let (cpu_before, own_before) = (cpu_ms(order.process)?, cpu_ms(own)?);
    engine.run(Duration::from_secs(order.seconds), |_| false)?;
    let (cpu_after, own_after, took) = (cpu_ms(order.process)?, cpu_ms(own)?, began.elapsed().as_secs_f64());
    let (loaded_kib, peak_kib) = memory_kib(order.process)?;
    engine.up.close_window();
    engine.down.close_window();
    let frames = order.seconds * 50 * TALKING_PERCENT / 100;
    let talking = engine.up.talking(frames).min(engine.down.talking(frames));
    let mut late_us = std::mem::take(&mut engine.late_us);

    engine.fall_silent();
    engine.run(DRAIN, |_| false)?;
    Ok(Figures {
        calls: order.calls,
        cpu_ms: (cpu_after - cpu_before) / took / f64::from(order.calls),
        load_percent: (own_after - own_before) / took / 10.0,
        idle_kib,
        loaded_kib,
        peak_kib,
        up: engine.up.figures(),
        down: engine.down.figures(),
        talking,
        first_audio_us: Quantiles::of(&mut engine.first_audio_us),
        late_us: Quantiles::of(&mut late_us),
        closed: engine.closed(),
        clears: engine.clears,
    })
}

/// Takes what the subject opens to the models.
pub(crate) fn serve_models(
    address: SocketAddr,
    handshake_takes: Duration,
    hand_over: SyncSender<Newcomer>,
) -> anyhow::Result<()> {
    let listener = TcpListener::bind(address).context("the models cannot listen")?;
    std::thread::spawn(move || {
        loop {
            // One that breaks off is missed later: then a call is not carried.
            if let Ok(socket) = accept(&listener, handshake_takes)
                && hand_over.send(Newcomer::Model { socket }).is_err()
            {
                return;
            }
        }
    });
    Ok(())
}

/// Places all calls in a steady rhythm; what went wrong first is told.
fn place_calls(
    order: &Order,
    before_stream: Duration,
    hand_over: &SyncSender<Newcomer>,
) -> Arc<Mutex<Option<String>>> {
    let failure = Arc::new(Mutex::new(None));
    let door = Door { address: order.subject, webhook: order.webhook, before_stream };
    let (calls, between) = (order.calls, Duration::from_micros(order.between_us));
    let began = Instant::now();
    for ringer in 0..RINGERS {
        let (door, hand_over, failure) = (door.clone(), hand_over.clone(), Arc::clone(&failure));
        std::thread::spawn(move || {
            for number in (ringer..calls).step_by(RINGERS as usize) {
                std::thread::sleep((began + between * number).saturating_duration_since(Instant::now()));
                match door.open(number) {
                    Ok((opened, hello)) => {
                        let (socket, stream) = (opened.socket, opened.stream);
                        if hand_over.send(Newcomer::Caller { socket, number, stream, hello }).is_err() {
                            return;
                        }
                    }
                    Err(error) => {
                        if let Ok(mut failure) = failure.lock() {
                            failure.get_or_insert(format!("{error:#}"));
                        }
                        return;
                    }
                }
            }
        });
    }
    failure
}
