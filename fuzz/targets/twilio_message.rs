//! Frames on the media socket. What was understood is written down in event logs, and must read there as the same.
#![no_main]

use bytes::Bytes;
use frontdesk_fuzz::wire::Text;
use frontdesk_fuzz::wire::twilio::media::FromTwilio;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|frame: &[u8]| {
    let Ok(frame) = Text::from_utf8(Bytes::copy_from_slice(frame)) else { return };
    if let Ok(message) = FromTwilio::parse(&frame) {
        let kept = serde_json::to_string(&message).unwrap();
        assert_eq!(serde_json::from_str::<FromTwilio>(&kept).unwrap(), message);
    }
});
