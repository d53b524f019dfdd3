//! The messages of a media stream from Twilio's side: the server's read strictly, `start` written.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::StreamNames;
use crate::domain::StreamSid;
use crate::wire::Text;

/// What the server says, once it is known to be right.
pub(super) enum Told {
    Media(Bytes),
    Mark(Text),
    Clear,
}

/// Reads a message as strictly as Twilio does: exactly the fields, our stream, whole base64.
pub(super) fn read(text: &Text, stream: &StreamSid) -> Result<Told, String> {
    let message: Message<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if message.stream_sid != stream.as_str() {
        return Err(format!("streamSid {:?} is not this stream's", message.stream_sid));
    }
    match (message.event.as_ref(), message.media, message.mark) {
        ("media", Some(media), None) => {
            let audio = STANDARD.decode(media.payload.as_bytes());
            Ok(Told::Media(audio.map_err(|error| format!("payload: {error}"))?.into()))
        }
        ("mark", None, Some(mark)) => Ok(Told::Mark(mark.name.as_ref().into())),
        ("clear", None, None) => Ok(Told::Clear),
        ("media" | "mark" | "clear", ..) => {
            Err(format!("{:?} with other fields than its own", message.event))
        }
        (other, ..) => Err(format!("unknown event {other:?}")),
    }
}

/// The `start` message.
pub(super) fn start(names: &StreamNames, sequence: u64) -> Text {
    let StreamNames { account, call, stream, parameters } = names;
    let message = StartMessage {
        event: "start",
        sequence_number: sequence.to_string(),
        start: Start {
            account_sid: account.as_str(),
            stream_sid: stream.as_str(),
            call_sid: call.as_str(),
            tracks: ["inbound"],
            media_format: MediaFormat { encoding: "audio/x-mulaw", sample_rate: 8_000, channels: 1 },
            custom_parameters: parameters,
        },
        stream_sid: stream.as_str(),
    };
    // A struct of texts and numbers always prints.
    serde_json::to_string(&message).unwrap_or_default().into()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Message<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, rename = "streamSid")]
    stream_sid: Cow<'a, str>,
    #[serde(borrow)]
    media: Option<Media<'a>>,
    #[serde(borrow)]
    mark: Option<Mark<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Media<'a> {
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mark<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StartMessage<'a> {
    event: &'static str,
    sequence_number: String,
    start: Start<'a>,
    stream_sid: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Start<'a> {
    account_sid: &'a str,
    stream_sid: &'a str,
    call_sid: &'a str,
    tracks: [&'static str; 1],
    media_format: MediaFormat,
    custom_parameters: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MediaFormat {
    encoding: &'static str,
    sample_rate: u32,
    channels: u32,
}
