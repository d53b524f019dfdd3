//! The pass of a stream: nobody but us can make one, and one of ours that was changed is none.
#![no_main]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use frontdesk_fuzz::domain::{AccountSid, BusinessId, CallSid};
use frontdesk_fuzz::wire::stream_token::{Pass, PassKey};
use libfuzzer_sys::fuzz_target;

const NOW: i64 = 1_790_000_000;

fuzz_target!(|input: (String, u16, u8, i64)| {
    let (text, place, change, expires_at) = input;
    let key = PassKey::new("a secret of thirty-two characters".to_owned().into());
    assert!(key.check(&text, NOW).is_err(), "a pass nobody made was taken");
    let mut words = text.split(' ');
    let (Ok(call), Ok(account), Ok(business)) = (
        CallSid::parse(words.next().unwrap_or_default()),
        AccountSid::parse(words.next().unwrap_or_default()),
        BusinessId::parse(words.next().unwrap_or_default()),
    ) else {
        return;
    };
    let pass = Pass { call, account, business, attempt: change, expires_at };
    let issued = key.issue(&pass);
    if let Ok(read) = key.check(&issued, NOW) {
        assert_eq!(read, pass);
    }
    let mut bytes = URL_SAFE_NO_PAD.decode(&issued).unwrap();
    let place = usize::from(place) % bytes.len();
    bytes[place] ^= change.max(1);
    assert!(key.check(&URL_SAFE_NO_PAD.encode(&bytes), NOW).is_err(), "a changed pass was taken");
});
