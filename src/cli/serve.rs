//! `frontdesk serve`: the server, until it is told to end.

use anyhow::Context;

use super::scene;
use crate::config::{Config, LogFormat, ModelChoice, Realtime, RealtimeAuth, Warning};
use crate::http::{listen, paths};
use crate::server::Server;
use crate::sim::socket::{ModelServer, ModelServerPlan};
use crate::telemetry::{self, Format};

/// Answers calls until a signal, and then until the last call has ended or time is up.
pub(super) async fn run(mut config: Config, warnings: &[Warning]) -> anyhow::Result<()> {
    let format = match config.log.format {
        Some(LogFormat::Pretty) => Format::Pretty,
        Some(LogFormat::Json) => Format::Json,
        None => Format::fitting(),
    };
    telemetry::init(format, &config.log.filter)?;
    for warning in warnings {
        tracing::warn!(setting = warning.setting, "{warning}");
    }
    // Lives as long as the server does.
    let test_voice = match config.model {
        ModelChoice::Simulated => Some(start_test_voice(&mut config).await?),
        ModelChoice::Realtime(_) => None,
    };
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
    drop(test_voice);
    tracing::info!("done");
    Ok(())
}

/// Answers with the built-in voice where no model is configured: only on a laptop, and the settings' warning says so.
async fn start_test_voice(config: &mut Config) -> anyhow::Result<ModelServer> {
    let plan = ModelServerPlan {
        scripts: vec![scene::test_voice()?],
        authorization: None,
        seed: 1,
        keep_events: false,
    };
    let voice = ModelServer::start(plan).await?;
    let url = voice.url().parse().context("the test voice has no URL")?;
    // The test voice says only its own words.
    config.storage.phrases_at_once = 0;
    config.model =
        ModelChoice::Realtime(Realtime { url, model: "test-voice".to_owned(), auth: RealtimeAuth::None });
    Ok(voice)
}
