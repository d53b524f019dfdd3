//! How many calls a second can begin: signed webhooks, as many at once as a telephone network would ask, each answered with
//! TwiML while its model is dialled.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};

use anyhow::ensure;
use serde::{Deserialize, Serialize};

use super::engine::{Engine, Model};
use super::load::{Order, serve_models};
use super::process::cpu_ms;
use super::ring::Door;
use super::tally::Quantiles;

/// Asked at once.
const AT_ONCE: usize = 8;

/// All of them together; a subject that is slower than that is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// What came of it.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(crate) struct WebhookFigures {
    /// Answered.
    pub(crate) answered: u32,
    /// How many a second.
    pub(crate) per_second: f64,
    /// The subject's CPU time for each, its dial of the model included.
    pub(crate) cpu_ms: f64,
    /// From the first byte of the connection to the last of the answer.
    pub(crate) answer_us: Quantiles,
}

/// Asks for `order.calls` calls, and places none of them.
pub(crate) fn run(order: &Order) -> anyhow::Result<WebhookFigures> {
    let (hand_over, newcomers) = sync_channel(4_096);
    let model = Model { setup: Duration::ZERO, first_audio: None, must_be_asked: true, speaks: false };
    let mut engine = Engine::new(newcomers, model)?;
    serve_models(order.model, Duration::ZERO, hand_over)?;
    let next = Arc::new(AtomicU32::new(0));
    let (began, cpu_before) = (Instant::now(), cpu_ms(order.process)?);
    let door = Door { address: order.subject, webhook: true, before_stream: Duration::ZERO };
    let askers: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let (door, next, calls) = (door.clone(), Arc::clone(&next), order.calls);
            std::thread::spawn(move || {
                let mut took_us = Vec::new();
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= calls {
                        return Ok::<_, anyhow::Error>(took_us);
                    }
                    let asked = Instant::now();
                    door.ask(&format!("CA{:032x}", u64::from(number) + 1))?;
                    took_us.push(u32::try_from(asked.elapsed().as_micros())?);
                }
            })
        })
        .collect();
    let over = engine.run(PATIENCE, |_| askers.iter().all(std::thread::JoinHandle::is_finished))?;
    ensure!(over, "the webhooks were not answered within {} s", PATIENCE.as_secs());
    let (took, cpu_after) = (began.elapsed().as_secs_f64(), cpu_ms(order.process)?);
    let mut took_us = Vec::new();
    for asker in askers {
        took_us.extend(asker.join().map_err(|_| anyhow::anyhow!("a thread that asks has panicked"))??);
    }
    Ok(WebhookFigures {
        answered: order.calls,
        per_second: f64::from(order.calls) / took,
        cpu_ms: (cpu_after - cpu_before) / f64::from(order.calls),
        answer_us: Quantiles::of(&mut took_us),
    })
}
