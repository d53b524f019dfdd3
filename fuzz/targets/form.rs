//! Forms and their signatures: a form is signed as it was read, a signature holds for what it was made for, and a changed
//! one for nothing.
#![no_main]

use frontdesk_fuzz::domain::PublicUrl;
use frontdesk_fuzz::wire::twilio::form::{
    CallStatusUpdate, DialOutcome, Form as _, IncomingCall, NextRequest, Pairs, Recorded, StreamStatus,
};
use frontdesk_fuzz::wire::twilio::signature::{Verifier, sign};
use libfuzzer_sys::fuzz_target;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

fuzz_target!(|input: &[u8]| {
    let (signature, body) = match input.iter().position(|byte| *byte == b'\n') {
        Some(at) => input.split_at(at),
        None => (&[][..], input),
    };
    let Ok(pairs) = Pairs::parse(body) else { return };
    let again = Pairs::parse(pairs.encode().as_bytes()).unwrap();
    assert!(again == pairs);
    let _read = (
        IncomingCall::read(&pairs).is_ok(),
        NextRequest::read(&pairs).is_ok(),
        CallStatusUpdate::read(&pairs).is_ok(),
        DialOutcome::read(&pairs).is_ok(),
        Recorded::read(&pairs).is_ok(),
        StreamStatus::read(&pairs).is_ok(),
    );
    let url: PublicUrl = PublicUrl::parse("https://voice.example.com").unwrap();
    let verifier = Verifier::new(vec![TOKEN.to_owned().into()]);
    let right = sign(TOKEN, "https://voice.example.com/twilio-voice", pairs.as_slice());
    verifier.verify_request(right.as_str(), &url, "/twilio-voice", pairs.as_slice()).unwrap();
    let given = String::from_utf8_lossy(signature);
    let verdict = verifier.verify_request(&*given, &url, "/twilio-voice", pairs.as_slice());
    assert!(verdict.is_err() || given.trim() == right, "a signature nobody made was taken");
});
