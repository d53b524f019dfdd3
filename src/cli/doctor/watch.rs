//! What happens at a server during a real call, as it happens.

use std::io::{self, ErrorKind, Write};
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::doctor::{Examination, Memory, News};
use crate::lifecycle::Tasks;
use crate::telemetry;

/// Between two looks: Twilio opens a stream within half a second of the TwiML, and a person reads no faster.
const EVERY: Duration = Duration::from_secs(1);

/// Prints what is new at the media socket until somebody has seen enough. A server that is away is waited for: it may just
/// be deployed.
pub(super) async fn watch(examination: &Examination, out: &mut dyn Write) -> anyhow::Result<u8> {
    let tasks = Tasks::new();
    tasks.run_signals()?;
    let stop = tasks.soft().clone();
    let watching = look(examination, out);
    match stop.run_until_cancelled(watching).await {
        None => Ok(0),
        Some(Err(error)) if is_seen_enough(&error) => Ok(0),
        Some(Err(error)) => Err(error),
        Some(Ok(never)) => match never {},
    }
}

async fn look(examination: &Examination, out: &mut dyn Write) -> anyhow::Result<std::convert::Infallible> {
    let began_ms = telemetry::wall_clock();
    let mut news = News::default();
    // Who answered last; none before anybody did, and when nobody did.
    let mut instance: Option<String> = None;
    let mut away: Option<String> = None;
    loop {
        match examination.recent().await.context("--ca cannot be used")? {
            Memory::Remembers(recent) => {
                let watched_ms = telemetry::wall_clock().saturating_sub(began_ms);
                if instance.as_ref() != Some(&recent.instance) || away.is_some() {
                    let draining = if recent.draining { ", which is on its way out" } else { "" };
                    say(out, &format!("watching instance {}{draining}", recent.instance))?;
                }
                for line in news.of(&recent, watched_ms) {
                    say(out, &line)?;
                }
                (instance, away) = (Some(recent.instance), None);
            }
            Memory::Away(why) => {
                if away.is_none() {
                    say(out, &format!("the server does not answer ({why}); it is asked again"))?;
                }
                away = Some(why);
            }
            Memory::Locked(why) => bail!("the server does not say what happens there: {why}"),
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn say(out: &mut dyn Write, line: &str) -> io::Result<()> {
    let time = telemetry::timestamp();
    // The day is no news: from 2026-11-21T09:30:00.125Z, the time.
    let time = time.get(11..19).unwrap_or(&time);
    writeln!(out, "{time}  {line}").and_then(|()| out.flush())
}

/// Whoever reads what we say may have gone.
fn is_seen_enough(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}
