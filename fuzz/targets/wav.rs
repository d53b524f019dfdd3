//! WAV files, which `call --audio` takes from anybody, and recordings: what is read is as long as it says, and what it
//! costs in memory is in proportion to the file.
#![no_main]

use frontdesk_fuzz::audio::{mulaw, wav};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    let mut samples = Vec::new();
    mulaw::decode_into(file, &mut samples);
    let mut bytes = Vec::new();
    mulaw::encode_into(&samples, &mut bytes);
    let mut again = Vec::new();
    mulaw::decode_into(&bytes, &mut again);
    assert_eq!(samples, again);
    let Ok(wav) = wav::read(file) else { return };
    for channel in 0..wav.channels().min(4) {
        assert!(wav.channel(channel).len() <= file.len());
    }
    let _ms = wav.duration_ms();
    if wav.rate_hz() >= 1_000 {
        assert!(wav.to_mulaw_8k().len() <= file.len().saturating_mul(8) + 8);
    }
});
