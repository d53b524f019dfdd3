//! Rows E: the handshake is good, and the stream is not.

use std::time::Duration;

use frontdesk::doctor::row::Row;
use frontdesk::doctor::{Examination, Examined};
use frontdesk::http::paths;

use crate::deployment::{behind_for, media};
use crate::fixture::{Fixture, fault, warning};
use crate::front::{pass, text_frame};
use crate::records::{self, Records};

/// A server closes the socket: code 1011, no reason.
const CLOSES: [u8; 4] = [0x88, 2, 0x03, 0xF3];

/// A frame with a bit set that nobody agreed on: compressed.
const COMPRESSED: [u8; 4] = [0xC1, 2, b'x', b'y'];

/// Two bytes that are no text.
const BINARY: [u8; 4] = [0x82, 2, 0, 1];

pub(super) fn all() -> Vec<Fixture> {
    vec![
        fault(Row::ClosedByUs, "an application that breaks after start", || then(CLOSES.to_vec())),
        fault(Row::CutOff, "a deploy in the midst of a call", || {
            media(|_, server| pass(server).cut_after(1_500))
        }),
        fault(Row::BrokenFrames, "something compresses what nobody agreed on", || then(COMPRESSED.to_vec())),
        fault(Row::BrokenMessages, "a message without a streamSid", || {
            then(text_frame(r#"{"event":"clear"}"#))
        }),
        fault(Row::BrokenMessages, "binary frames", || then(BINARY.to_vec())),
        warning(Row::IdleTimeout, "a proxy that closes sockets on which nothing moves", || {
            let held = |everything| Examination { hold: Some(Duration::from_secs(4)), ..everything };
            behind_for(held, |request, server| {
                let deed = pass(server);
                if request.is(paths::DOCTOR_WS) { deed.cut_after(1_500) } else { deed }
            })
        }),
        fault(Row::WrongRegion, "a line whose calls are processed in Japan", || {
            records::examined_with(|base| Records { region: "jp1", ..Records::alerts(base, &[]) })
        }),
        warning(Row::TooMuchAudio, "Twilio's alert 31931", || alert(31_931)),
        warning(Row::TooLong, "Twilio's alert 32015", || alert(32_015)),
        warning(Row::BrokenFrames, "Twilio's alert 31924", || alert(31_924)),
    ]
}

/// Behind the third frame of every stream there is one more.
async fn then(more: Vec<u8>) -> Examined {
    media(move |_, server| {
        let more = more.clone();
        pass(server).frames(move |number, frame| {
            Some(if number == 3 { [frame, more.clone()].concat() } else { frame })
        })
    })
    .await
}

/// A good deployment of whose stream Twilio complained.
async fn alert(code: u32) -> Examined {
    records::examined_with(|base| Records::alerts(base, &[code])).await
}
