//! TwiML, as the doctor and the simulated Twilio read it: of whatever a server answers.
#![no_main]

use frontdesk_fuzz::wire::twilio::twiml;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|xml: &str| {
    let _read = twiml::read(xml);
});
