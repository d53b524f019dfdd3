//! Greetings and phrases made ahead: the model says one in a short session of its own, beside every call, and later calls
//! find it kept.
//!
//! Made once and again when words, voice or model change: the key they are kept by is made of these.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use moka::sync::Cache;
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tracing::Instrument;

use super::greetings::{GreetingKey, MAX_AUDIO_BYTES};
use super::{BridgeParts, effects};
use crate::audio::resample::Down24kTo8k;
use crate::call::{Brief, spoken_alike};
use crate::clients::{ConnectError, ModelSocket};
use crate::domain::Usage;
use crate::wire::Text;
use crate::wire::model::{AudioFormat, FromModel, RefusalClass, ResponseOutcome, SessionConfig, ToModel};
use crate::wire::realtime::Codec;

/// A session of a few words is over in five seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// What did not work is not tried again for so long, and what did is kept.
const AGAIN_AFTER: Duration = Duration::from_secs(3_600);

/// Keys that are remembered: two for each business that was called in the last hour.
const MAX_REMEMBERED: u64 = 20_000;

/// How long the service may take to say goodbye.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(1);

/// Makes phrases, each once and few at a time.
#[derive(Debug)]
pub(super) struct Phrases {
    /// What was begun within [`AGAIN_AFTER`].
    begun: Cache<GreetingKey, ()>,
    at_once: Arc<Semaphore>,
}

/// One phrase to make.
pub(super) struct Phrase {
    pub(super) key: GreetingKey,
    pub(super) words: String,
    pub(super) session: SessionConfig,
    /// Who says it.
    pub(super) model: String,
}

/// Why a phrase could not be made.
#[derive(Debug, thiserror::Error)]
enum PhraseError {
    #[error("cannot connect to the model")]
    Connect(#[source] ConnectError),
    #[error("the connection to the model broke")]
    Socket(#[source] WsError),
    #[error("the connection to the model ended")]
    Ended,
    #[error("the model refuses: {0}")]
    Refused(String),
    #[error("the answer did not come to its end: {0:?}")]
    Outcome(ResponseOutcome),
    #[error("the model said other words")]
    OtherWords,
    #[error("the model said nothing, or did not stop")]
    Length,
    #[error("the model took longer than {} s", PATIENCE.as_secs())]
    Late,
}

impl Phrases {
    /// Makes no more than so many at once.
    pub(super) fn new(at_once: usize) -> Self {
        let begun = Cache::builder().max_capacity(MAX_REMEMBERED).time_to_live(AGAIN_AFTER).build();
        Self { begun, at_once: Arc::new(Semaphore::new(at_once)) }
    }

    /// Begins to make a phrase, unless that was done lately, or we have enough to do.
    pub(super) fn make(&self, parts: &Arc<BridgeParts>, phrase: Phrase) {
        let Ok(permit) = Arc::clone(&self.at_once).try_acquire_owned() else { return };
        if parts.tasks.draining() || !self.begun.entry(phrase.key).or_insert(()).is_fresh() {
            return;
        }
        let (parts, tasks) = (Arc::clone(parts), parts.tasks.clone());
        let make = async move {
            let soft = parts.tasks.soft().clone();
            let _drained = soft.run_until_cancelled(make(&parts, phrase)).await;
            drop(permit);
        };
        tasks.spawn_background("phrase", make.in_current_span());
    }
}

impl Phrase {
    /// Words of a call's business, as its calls are spoken.
    pub(super) fn new(key: GreetingKey, words: String, brief: &Brief, model: String) -> Self {
        let session = SessionConfig { tools: Vec::new(), ..brief.session() };
        Self { key, words, session, model }
    }
}

/// Makes one, and keeps it if it is what was asked for.
async fn make(parts: &BridgeParts, phrase: Phrase) {
    let made = timeout(PATIENCE, say(parts, &phrase)).await.unwrap_or(Err(PhraseError::Late));
    match made {
        Ok((audio, usage)) => {
            tracing::info!(
                ms = audio.len() / crate::audio::mulaw::BYTES_PER_MS,
                input_text_tokens = usage.input.text,
                output_audio_tokens = usage.output.audio,
                output_text_tokens = usage.output.text,
                "a phrase was made, in a session that is no call's"
            );
            if let Some(file) = parts.greetings.keep(&phrase.key, audio) {
                file.write().await;
            }
        }
        Err(error) => tracing::warn!(error = effects::chain(&error), "cannot make a phrase"),
    }
}

async fn say(parts: &BridgeParts, phrase: &Phrase) -> Result<(Bytes, Usage), PhraseError> {
    let connected = parts.realtime.connect(Some(&phrase.model), None).await;
    let mut socket = connected.map_err(PhraseError::Connect)?;
    let mut codec = Codec::new(phrase.session.clone());
    let mut take = Take::default();
    loop {
        while let Some(frame) = codec.next_frame() {
            tell(&mut socket, frame).await?;
        }
        let frame = match socket.next().await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Close(_))) | None => return Err(PhraseError::Ended),
            Some(Ok(Message::Binary(_) | Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                continue;
            }
            Some(Err(error)) => return Err(PhraseError::Socket(error)),
        };
        // The library has checked that it is UTF-8; what were not would be no event.
        let text = Text::from_utf8(Bytes::from(frame)).unwrap_or_default();
        let Some(words) = codec.hear(&text) else { continue };
        if matches!(words, FromModel::Ready(_)) {
            let ask = codec.say(&ask_for(phrase));
            tell(&mut socket, ask).await?;
        }
        if take.hear(words)? {
            break;
        }
    }
    // All is said; how the service takes its leave is its own affair.
    let _closed = timeout(GOODBYE_PATIENCE, socket.close(None)).await;
    take.finish(&phrase.words)
}

async fn tell(socket: &mut ModelSocket, frame: Text) -> Result<(), PhraseError> {
    let text = frame.as_str().to_owned();
    socket.send(Message::text(text)).await.map_err(PhraseError::Socket)
}

fn ask_for(phrase: &Phrase) -> ToModel {
    let Phrase { words, session, .. } = phrase;
    let instructions =
        format!("{}\n\nSay exactly these words, and nothing else: \"{words}\"", session.instructions);
    ToModel::Respond { instructions: Some(instructions), tools: false, tag: 1 }
}

/// What the model says in answer.
#[derive(Debug, Default)]
struct Take {
    resampler: Option<Down24kTo8k>,
    audio: Vec<u8>,
    words: String,
    usage: Usage,
}

impl Take {
    /// Hears one thing; whether it was the last.
    fn hear(&mut self, words: FromModel) -> Result<bool, PhraseError> {
        match words {
            FromModel::Ready(format) => {
                self.resampler = (format == AudioFormat::Pcm16At24k).then(Down24kTo8k::default);
            }
            FromModel::Audio { audio, .. } => {
                let audio = STANDARD.decode(audio.as_bytes()).unwrap_or_default();
                match &mut self.resampler {
                    Some(resampler) => self.audio.extend(resampler.mulaw_of(&audio)),
                    None => self.audio.extend(audio),
                }
                if self.audio.len() > MAX_AUDIO_BYTES {
                    return Err(PhraseError::Length);
                }
            }
            FromModel::AllWords { text, .. } => self.words.push_str(text.reveal()),
            FromModel::ResponseDone { outcome: ResponseOutcome::Completed, usage, .. } => {
                self.usage = usage.unwrap_or_default();
                return Ok(true);
            }
            FromModel::ResponseDone { outcome, .. } => return Err(PhraseError::Outcome(outcome)),
            FromModel::Refused(refusal) => match refusal.class {
                RefusalClass::Benign => {}
                RefusalClass::Busy
                | RefusalClass::Configuration
                | RefusalClass::Fatal
                | RefusalClass::SessionOver => return Err(PhraseError::Refused(refusal.code)),
            },
            FromModel::ResponseStarted { .. }
            | FromModel::AudioDone { .. }
            | FromModel::Words { .. }
            | FromModel::ToolCall { .. }
            | FromModel::SpeechStarted
            | FromModel::SpeechStopped
            | FromModel::CallerSaid { .. }
            | FromModel::Other(_) => {}
        }
        Ok(false)
    }

    fn finish(self, wanted: &str) -> Result<(Bytes, Usage), PhraseError> {
        if !spoken_alike(&self.words, wanted) {
            return Err(PhraseError::OtherWords);
        }
        if self.audio.is_empty() {
            return Err(PhraseError::Length);
        }
        Ok((self.audio.into(), self.usage))
    }
}

#[cfg(test)]
mod tests;
