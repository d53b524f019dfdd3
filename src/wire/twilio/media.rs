//! Messages of a media stream, both ways.
//!
//! Source: Twilio, "Media Streams — WebSocket Messages". All numbers but those of `mediaFormat` come as strings; we
//! read both. Twilio refuses a message of ours that lacks a field or has one too many (31951), so ours are written
//! here and nowhere else.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::domain::{AccountSid, CallSid, Pii, StreamSid};
use crate::wire::Text;

/// What Twilio tells us on the media socket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum FromTwilio {
    /// The socket speaks the protocol of media streams.
    Connected,
    /// The stream begins. Nothing may be sent before it.
    Start(Box<Start>),
    /// Audio from the caller.
    Media {
        /// Milliseconds since the stream began, of the first sample.
        timestamp_ms: u64,
        /// µ-law at 8,000 Hz, base64; 20 ms as a rule.
        payload: Text,
    },
    /// The caller pressed a key.
    Dtmf(Pii<char>),
    /// A mark of ours was played, or cleared.
    Mark(Text),
    /// The call, or `<Connect>`, is over.
    Stop,
    /// A word we do not know, by its name. Counted.
    Other(Text),
}

/// The first message that says whose stream this is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Start {
    /// The stream.
    pub stream_sid: StreamSid,
    /// The call it belongs to.
    pub call_sid: CallSid,
    /// The account of that call.
    pub account_sid: AccountSid,
    /// How audio will be written.
    pub media_format: MediaFormat,
    /// Our own `<Parameter>`s, as we gave them: the pass and both numbers are among them.
    #[serde(default)]
    pub custom_parameters: Pii<BTreeMap<String, String>>,
}

/// How audio on the stream is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MediaFormat {
    /// `audio/x-mulaw`.
    pub encoding: String,
    /// 8000.
    #[serde(deserialize_with = "number")]
    pub sample_rate: u64,
    /// 1.
    #[serde(deserialize_with = "number")]
    pub channels: u64,
}

impl MediaFormat {
    /// Whether it is µ-law, 8,000 Hz, mono: the only one we carry.
    pub fn is_mulaw_8k_mono(&self) -> bool {
        self.encoding == "audio/x-mulaw" && self.sample_rate == 8_000 && self.channels == 1
    }
}

/// What we tell Twilio on the media socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ToTwilio {
    /// Audio for the caller: µ-law at 8,000 Hz, base64.
    Media(Text),
    /// Comes back when everything before it was played, or cleared.
    Mark(Text),
    /// Forget what is not yet played.
    Clear,
}

/// Why a frame is no message of a media stream.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// Not JSON of the expected shape.
    /// The reader's own words would quote what stands there, which may be a number.
    #[error("not a message of a media stream: a {:?} error at column {}", .0.classify(), .0.column())]
    Json(#[from] serde_json::Error),
    /// An event without its body.
    #[error("a {0:?} message without its body")]
    NoBody(String),
}

impl FromTwilio {
    /// Reads one text frame. Audio and names in the result share the frame's memory.
    pub fn parse(frame: &Text) -> Result<Self, MediaError> {
        let message: Message<'_> = serde_json::from_str(frame)?;
        let no_body = || MediaError::NoBody(message.event.clone().into_owned());
        Ok(match message.event.as_ref() {
            "media" => {
                let media = message.media.ok_or_else(no_body)?;
                Self::Media { timestamp_ms: media.timestamp, payload: shared(frame, media.payload) }
            }
            "mark" => Self::Mark(shared(frame, message.mark.ok_or_else(no_body)?.name)),
            "dtmf" => {
                let digit = message.dtmf.as_ref().and_then(|dtmf| dtmf.digit.chars().next());
                Self::Dtmf(digit.ok_or_else(no_body)?.into())
            }
            "start" => Self::Start(message.start.ok_or_else(no_body)?),
            "connected" => Self::Connected,
            "stop" => Self::Stop,
            other => Self::Other(Text::from(other)),
        })
    }
}

impl ToTwilio {
    /// Writes the message for `stream` behind what stands in `out`.
    pub fn write(&self, stream: &StreamSid, out: &mut String) {
        let (event, body) = match self {
            Self::Media(payload) => ("media", Some(("media\":{\"payload", payload))),
            Self::Mark(name) => ("mark", Some(("mark\":{\"name", name))),
            Self::Clear => ("clear", None),
        };
        // Neither base64, nor a mark's name (ours), nor a StreamSid has a character that JSON escapes.
        for piece in ["{\"event\":\"", event, "\",\"streamSid\":\"", stream.as_str(), "\""] {
            out.push_str(piece);
        }
        if let Some((path, value)) = body {
            for piece in [",\"", path, "\":\"", value, "\"}"] {
                out.push_str(piece);
            }
        }
        out.push('}');
    }
}

/// All events at once and flat: an internally tagged enum would copy everything first.
#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    media: Option<MediaBody<'a>>,
    #[serde(borrow)]
    mark: Option<MarkBody<'a>>,
    #[serde(borrow)]
    dtmf: Option<DtmfBody<'a>>,
    start: Option<Box<Start>>,
}

#[derive(Deserialize)]
struct MediaBody<'a> {
    #[serde(deserialize_with = "number")]
    timestamp: u64,
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

#[derive(Deserialize)]
struct MarkBody<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Deserialize)]
struct DtmfBody<'a> {
    #[serde(borrow)]
    digit: Cow<'a, str>,
}

fn shared(frame: &Text, part: Cow<'_, str>) -> Text {
    match part {
        Cow::Borrowed(part) => frame.share(part),
        Cow::Owned(part) => Text::from(part),
    }
}

/// A number, or a number in a string.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    struct Lenient;
    impl Visitor<'_> for Lenient {
        type Value = u64;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a whole number, perhaps in a string")
        }
        fn visit_u64<E: de::Error>(self, number: u64) -> Result<u64, E> {
            Ok(number)
        }
        fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
            text.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_any(Lenient)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> FromTwilio {
        FromTwilio::parse(&Text::from(text)).unwrap()
    }

    #[test]
    fn an_error_quotes_nothing_of_the_frame() {
        let frame = r#"{"event":"dtmf","dtmf":{"digit":["+14155550123"]}}"#;
        let error = FromTwilio::parse(&Text::from(frame)).unwrap_err().to_string();
        assert!(!error.contains("4155"), "{error}");
    }

    #[test]
    fn media_shares_the_memory_of_its_frame() {
        let frame = Text::from(
            r#"{"event":"media","sequenceNumber":"4","media":{"track":"inbound","chunk":"2","timestamp":"5","payload":"no+J"},"streamSid":"MZ1"}"#,
        );
        let FromTwilio::Media { timestamp_ms, payload } = FromTwilio::parse(&frame).unwrap() else {
            panic!()
        };
        assert_eq!((timestamp_ms, payload.as_str()), (5, "no+J"));
        let range = frame.as_str().as_bytes().as_ptr_range();
        assert!(range.contains(&payload.as_str().as_ptr()));
    }

    #[test]
    fn escapes_numbers_as_numbers_and_any_order_of_keys_are_read() {
        let media = parse(r#"{"media":{"payload":"\/\/8=","timestamp":7},"event":"media"}"#);
        assert_eq!(media, FromTwilio::Media { timestamp_ms: 7, payload: "//8=".into() });
    }

    #[test]
    fn every_other_message_is_read() {
        let start = parse(
            r#"{"event":"start","sequenceNumber":"1","start":{"accountSid":"AC1","streamSid":"MZ1","callSid":"CA1","tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw","sampleRate":8000,"channels":1},"customParameters":{"token":"t"}},"streamSid":"MZ1"}"#,
        );
        let FromTwilio::Start(start) = start else { panic!() };
        assert!(start.media_format.is_mulaw_8k_mono());
        assert_eq!(start.custom_parameters.reveal()["token"], "t");
        let dtmf = r##"{"event":"dtmf","streamSid":"MZ1","sequenceNumber":"5","dtmf":{"track":"inbound_track","digit":"#"}}"##;
        assert_eq!(parse(dtmf), FromTwilio::Dtmf('#'.into()));
        assert_eq!(parse(r#"{"event":"mark","mark":{"name":"m1"}}"#), FromTwilio::Mark("m1".into()));
        assert_eq!(
            parse(r#"{"event":"connected","protocol":"Call","version":"1.0.0"}"#),
            FromTwilio::Connected
        );
        assert_eq!(parse(r#"{"event":"stop","stop":{}}"#), FromTwilio::Stop);
        assert_eq!(parse(r#"{"event":"surprise","x":[1]}"#), FromTwilio::Other("surprise".into()));
    }

    #[test]
    fn what_is_no_message_is_an_error_and_not_a_panic() {
        for bad in [
            "",
            "{",
            "[]",
            "null",
            r#"{"event":5}"#,
            r#"{"event":"media"}"#,
            r#"{"event":"dtmf","dtmf":{"digit":""}}"#,
        ] {
            assert!(FromTwilio::parse(&Text::from(bad)).is_err(), "{bad}");
        }
    }

    #[test]
    fn our_messages_have_exactly_twilios_fields() {
        let stream = StreamSid::parse("MZ1").unwrap();
        let written = |message: ToTwilio| {
            let mut out = String::new();
            message.write(&stream, &mut out);
            out
        };
        assert_eq!(
            written(ToTwilio::Media("//8=".into())),
            r#"{"event":"media","streamSid":"MZ1","media":{"payload":"//8="}}"#
        );
        assert_eq!(
            written(ToTwilio::Mark("m1".into())),
            r#"{"event":"mark","streamSid":"MZ1","mark":{"name":"m1"}}"#
        );
        assert_eq!(written(ToTwilio::Clear), r#"{"event":"clear","streamSid":"MZ1"}"#);
    }
}
