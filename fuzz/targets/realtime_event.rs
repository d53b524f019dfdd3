//! Events of the speech model, a line each, in one session: whatever comes, what we send is JSON, and what was understood
//! reads in an event log as the same.
#![no_main]

use frontdesk_fuzz::wire::Text;
use frontdesk_fuzz::wire::model::{FromModel, SessionConfig};
use frontdesk_fuzz::wire::realtime::Codec;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|lines: &str| {
    let config: SessionConfig = serde_json::from_str(CONFIG).unwrap();
    let mut codec = Codec::new(config);
    for line in lines.lines().take(64) {
        if let Some(words) = codec.hear(&Text::from(line)) {
            let kept = serde_json::to_string(&words).unwrap();
            assert_eq!(serde_json::from_str::<FromModel>(&kept).unwrap(), words);
        }
        while let Some(frame) = codec.next_frame() {
            serde_json::from_str::<serde_json::Value>(&frame).unwrap();
        }
        codec.take_headroom();
    }
});

const CONFIG: &str = include_str!("session.json");
