//! Event logs, which people send each other and a page runs again.
#![no_main]

use frontdesk_fuzz::call::event_log;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|log: &str| {
    let _brief = event_log::brief(log);
    let _verdict = event_log::replay(log, |_, _, _| {});
});
