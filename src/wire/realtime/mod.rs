//! OpenAI Realtime, the GA protocol over WebSocket: our events, its events, and the codec between them and the words
//! of [`super::model`]. Beta names are understood for compatible servers.

mod client_event;
mod errors;
mod server_event;

use std::collections::VecDeque;

pub use self::server_event::{ErrorBody, ServerEvent};
use super::Text;
use super::model::{AudioFormat, FromModel, Refusal, RefusalClass, SessionConfig, ToModel};

/// One session's translator. It asks for µ-law both ways and reports [`FromModel::Ready`] only when the service has
/// echoed a format that both sides can speak: a service that falls back to PCM in silence is loud static to a caller.
#[derive(Debug)]
pub struct Codec {
    config: SessionConfig,
    setup: Setup,
    /// Names of our events count up from 1.
    last_event: u32,
    /// The last answer that was asked for: the number of our event, and its tag.
    asked: Option<(u32, u32)>,
    /// Setup frames the codec itself has to send.
    frames: VecDeque<Text>,
    headroom: Option<Headroom>,
}

/// What the account may still ask of the service just now, as it says after each answer; a limit it does not name is none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Headroom {
    /// Requests.
    pub requests: Option<u64>,
    /// Tokens.
    pub tokens: Option<u64>,
}

/// How far the setup of the session is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Setup {
    /// Asked for this format, in the event of that number.
    Asked(AudioFormat, u32),
    /// Both sides know the format.
    Ready,
}

impl Codec {
    /// Begins a session: the first frame is its setup.
    pub fn new(config: SessionConfig) -> Self {
        let setup = Setup::Asked(AudioFormat::Mulaw8k, 0);
        let frames = VecDeque::new();
        let mut codec = Self { config, setup, last_event: 0, asked: None, frames, headroom: None };
        codec.ask(AudioFormat::Mulaw8k);
        codec
    }

    /// What the call says, as the frame to send.
    pub fn say(&mut self, words: &ToModel) -> Text {
        let event_id = self.next_event_id();
        if let ToModel::Respond { tag, .. } = words {
            self.asked = Some((self.last_event, *tag));
        }
        client_event::client_event(words, &event_id)
    }

    /// The next frame the codec itself has to send, until none.
    pub fn next_frame(&mut self) -> Option<Text> {
        self.frames.pop_front()
    }

    /// What the service has said of its limits since this was asked last. It is the account's affair and no call's.
    pub fn take_headroom(&mut self) -> Option<Headroom> {
        self.headroom.take()
    }

    /// Translates one text frame of the service's. Nothing is returned for what only the codec needs to know, or nobody.
    pub fn hear(&mut self, frame: &Text) -> Option<FromModel> {
        Some(match ServerEvent::parse(frame) {
            ServerEvent::SessionUpdated { input, output } => return self.on_session_updated(input, output),
            ServerEvent::Error(error) => return self.on_error(&error),
            ServerEvent::RateLimits(headroom) => {
                self.headroom = Some(headroom);
                return None;
            }
            ServerEvent::SpeechStarted => FromModel::SpeechStarted,
            ServerEvent::SpeechStopped => FromModel::SpeechStopped,
            ServerEvent::CallerTranscript(text, transcribed_ms) => {
                FromModel::CallerSaid { text, transcribed_ms }
            }
            ServerEvent::ResponseCreated(response, tag) => FromModel::ResponseStarted { response, tag },
            ServerEvent::AudioDelta(response, item, content_index, audio) => {
                FromModel::Audio { response, item, content_index, audio }
            }
            ServerEvent::AudioDone(response, item) => FromModel::AudioDone { response, item },
            ServerEvent::TranscriptDelta(item, text) => FromModel::Words { item, text },
            ServerEvent::TranscriptDone(item, text) => FromModel::AllWords { item, text },
            ServerEvent::FunctionCall { response, call, name, arguments } => {
                FromModel::ToolCall { response, call, name, arguments }
            }
            ServerEvent::ResponseDone(response, outcome, usage) => {
                FromModel::ResponseDone { response, outcome, usage }
            }
            ServerEvent::Other(name) if server_event::is_needless(&name) => return None,
            ServerEvent::Other(name) => FromModel::Other(name),
        })
    }

    fn ask(&mut self, format: AudioFormat) {
        let event_id = self.next_event_id();
        self.setup = Setup::Asked(format, self.last_event);
        self.frames.push_back(client_event::session_update(&self.config, format, &event_id));
    }

    fn next_event_id(&mut self) -> String {
        self.last_event += 1;
        event_id(self.last_event)
    }

    fn on_session_updated(
        &mut self,
        input: Option<AudioFormat>,
        output: Option<AudioFormat>,
    ) -> Option<FromModel> {
        let Setup::Asked(asked, _) = self.setup else { return None };
        match (input, output) {
            (Some(input), Some(output)) if input == output => {
                self.setup = Setup::Ready;
                Some(FromModel::Ready(input))
            }
            _ => self.on_format_refused(asked, "the session's audio formats are not the ones we asked for"),
        }
    }

    /// A server without µ-law is asked for PCM; one that has neither cannot be talked to.
    fn on_format_refused(&mut self, asked: AudioFormat, why: &str) -> Option<FromModel> {
        match asked {
            AudioFormat::Mulaw8k => {
                self.ask(AudioFormat::Pcm16At24k);
                None
            }
            AudioFormat::Pcm16At24k => Some(FromModel::Refused(Refusal {
                class: RefusalClass::Fatal,
                code: "no_common_audio_format".to_owned(),
                message: why.to_owned().into(),
                answer: None,
            })),
        }
    }

    fn on_error(&mut self, error: &ErrorBody) -> Option<FromModel> {
        let mut class = errors::classify(error);
        if let Setup::Asked(asked, event) = self.setup {
            let answers_setup = error.event_id.as_ref().is_none_or(|id| *id == event_id(event));
            let about_format = error.param.as_ref().is_some_and(|param| param.contains("format"));
            if class == RefusalClass::Configuration && answers_setup {
                if about_format && asked == AudioFormat::Mulaw8k {
                    return self.on_format_refused(asked, error.sentence());
                }
                class = RefusalClass::Fatal;
            }
        }
        let code = error.name().to_owned();
        let names = |event: u32| error.event_id.as_ref().is_some_and(|id| *id == event_id(event));
        let answer = self.asked.filter(|(event, _)| names(*event)).map(|(_, tag)| tag);
        let message = error.sentence().to_owned().into();
        Some(FromModel::Refused(Refusal { class, code, message, answer }))
    }
}

/// How our event of that number is called.
fn event_id(number: u32) -> String {
    format!("c_{number}")
}

#[cfg(test)]
mod tests;
