//! `frontdesk serve`: the server, until it is told to end.

use anyhow::{Context, bail};

use crate::config::{Config, LogFormat, ModelChoice, Warning};
use crate::http::{listen, paths};
use crate::server::Server;
use crate::telemetry::{self, Format};

/// Answers calls until a signal, and then until the last call has ended or time is up.
pub(super) async fn run(config: Config, warnings: &[Warning]) -> anyhow::Result<()> {
    let format = match config.log.format {
        Some(LogFormat::Pretty) => Format::Pretty,
        Some(LogFormat::Json) => Format::Json,
        None => Format::fitting(),
    };
    telemetry::init(format, &config.log.filter)?;
    for warning in warnings {
        tracing::warn!(setting = warning.setting, "{warning}");
    }
    if matches!(config.model, ModelChoice::Simulated) {
        bail!("no speech model is configured: set OPENAI_API_KEY, or REALTIME_URL and REALTIME_AUTH=none");
    }
    // Before the listener, so that a mistake in the settings is not found while callers wait in its queue.
    let voice_url = config.public.url.join(paths::VOICE);
    let (host, port) = (config.listen.host.clone(), config.listen.port);
    let server = Server::new(config).await?;
    let listener =
        listen::bind(&host, port).with_context(|| format!("cannot listen on {host} port {port}"))?;
    let address = listener.local_addr()?;
    server.tasks().run_signals().context("cannot listen for signals")?;
    tracing::info!(%address, "answering; the voice webhook of a Twilio number is {voice_url}");
    let (left, ()) = tokio::join!(server.drain(), server.listen(listener));
    if left > 0 {
        tracing::warn!(left, "some tasks did not end in time");
    }
    tracing::info!("done");
    Ok(())
}
