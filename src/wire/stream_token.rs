//! The pass between our webhook and our stream.
//!
//! Twilio's signature on the upgrade proves that Twilio opens a stream, not for which call: it is the same every time. The
//! pass says that. The signed webhook writes it into the TwiML, Twilio brings it back in `start`, and whoever gets it there
//! knows call, account, business and attempt without asking anybody; any instance can check what any other wrote. That it
//! is used only once is up to whoever counts attempts.
//!
//! A pass is base64url of a version, its fields and HMAC-SHA256 over both: at most 319 characters, so that it fits a
//! `<Parameter>`.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;

use super::twilio::media::Start;
use crate::domain::{AccountSid, BusinessId, CallSid};

/// For how long a pass is good, in seconds. Twilio opens a stream half a second after it reads the TwiML.
pub const VALID_SECONDS: i64 = 60;

/// How far the clocks of two instances may be apart, in seconds. Past its expiry a pass is taken for this long: a call
/// refused because a machine's clock is fast would be lost, while a pass that lives longer opens nothing new, being
/// bound to its call and good for one stream.
pub const SKEW_SECONDS: i64 = 60;

/// The first byte, and the purpose of the key.
const VERSION: u8 = 1;
const PURPOSE: &[u8] = b"frontdesk stream pass";

/// Bytes of the signature.
const MAC_BYTES: usize = 32;

/// What a pass says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pass {
    /// The call.
    pub call: CallSid,
    /// The account it belongs to.
    pub account: AccountSid,
    /// Who answers.
    pub business: BusinessId,
    /// Counts the streams of the call from 1.
    pub attempt: u8,
    /// Until when it is good, in seconds since 1970.
    pub expires_at: i64,
}

/// What passes are signed with.
#[derive(Debug, Clone)]
pub struct PassKey(SecretString);

/// Why a pass opens nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PassError {
    /// Not a pass of this version at all.
    #[error("it is not a pass of ours")]
    BadShape,
    /// Made up, changed, or signed by somebody with another key.
    #[error("the pass is not signed with our STREAM_TOKEN_SECRET; every instance needs the same one")]
    BadSignature,
    /// Too old.
    #[error("the pass is too old; it is good for {VALID_SECONDS} s after the webhook")]
    Expired,
    /// Somebody else's.
    #[error("the pass belongs to another call or account")]
    OtherCall,
}

impl Pass {
    /// Whether it was written for the stream that begins.
    pub fn matches(&self, start: &Start) -> Result<(), PassError> {
        if self.call == start.call_sid && self.account == start.account_sid {
            Ok(())
        } else {
            Err(PassError::OtherCall)
        }
    }

    fn write(&self) -> Vec<u8> {
        let mut out = vec![VERSION, self.attempt];
        out.extend(self.expires_at.to_be_bytes());
        for id in [self.call.as_str(), self.account.as_str(), self.business.as_str()] {
            // An identifier has 64 bytes at most.
            out.push(u8::try_from(id.len()).unwrap_or(u8::MAX));
            out.extend(id.as_bytes());
        }
        out
    }

    fn read(body: &[u8]) -> Option<Self> {
        let (&[VERSION, attempt], rest) = body.split_first_chunk()? else { return None };
        let (expires_at, mut rest) = rest.split_first_chunk()?;
        let mut next = || {
            let (long, after) = rest.split_first()?;
            let (id, after) = after.split_at_checked(usize::from(*long))?;
            rest = after;
            std::str::from_utf8(id).ok()
        };
        let call = CallSid::parse(next()?).ok()?;
        let account = AccountSid::parse(next()?).ok()?;
        let business = BusinessId::parse(next()?).ok()?;
        let expires_at = i64::from_be_bytes(*expires_at);
        rest.is_empty().then_some(Self { call, account, business, attempt, expires_at })
    }
}

impl PassKey {
    /// A key; every instance that may get the stream needs the same.
    pub fn new(secret: SecretString) -> Self {
        Self(secret)
    }

    /// Writes a pass.
    pub fn issue(&self, pass: &Pass) -> String {
        let mut out = pass.write();
        if let Some(mac) = self.signed(&out) {
            out.extend(mac.finalize().into_bytes());
        }
        BASE64_URL_SAFE_NO_PAD.encode(out)
    }

    /// Reads a pass, believes it only when we signed it, and only for as long as it is good.
    pub fn check(&self, text: &str, now_unix: i64) -> Result<Pass, PassError> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| PassError::BadShape)?;
        let (body, mac) = bytes.split_last_chunk::<MAC_BYTES>().ok_or(PassError::BadShape)?;
        let signed = self.signed(body).ok_or(PassError::BadSignature)?;
        // Takes the same time wherever the difference is.
        signed.verify_slice(mac).map_err(|_| PassError::BadSignature)?;
        let pass = Pass::read(body).ok_or(PassError::BadShape)?;
        if now_unix > pass.expires_at.saturating_add(SKEW_SECONDS) {
            return Err(PassError::Expired);
        }
        Ok(pass)
    }

    /// HMAC takes keys of every length, so there is always one.
    fn signed(&self, body: &[u8]) -> Option<Hmac<Sha256>> {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.expose_secret().as_bytes()).ok()?;
        Some(mac.chain_update(PURPOSE).chain_update(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::twilio::media::MediaFormat;

    const NOW: i64 = 1_795_000_000;

    fn key() -> PassKey {
        PassKey::new(SecretString::from("a secret of thirty-two characters"))
    }

    fn pass() -> Pass {
        Pass {
            call: CallSid::parse("CA00000000000000000000000000000001").unwrap(),
            account: AccountSid::parse("AC00000000000000000000000000000001").unwrap(),
            business: BusinessId::parse("business-1").unwrap(),
            attempt: 1,
            expires_at: NOW + VALID_SECONDS,
        }
    }

    #[test]
    fn a_pass_says_what_was_written_for_as_long_as_it_is_good() {
        let text = key().issue(&pass());
        assert_eq!(key().check(&text, NOW), Ok(pass()));
        assert_eq!(key().check(&text, NOW + VALID_SECONDS + SKEW_SECONDS), Ok(pass()));
        assert_eq!(key().check(&text, NOW + VALID_SECONDS + SKEW_SECONDS + 1), Err(PassError::Expired));
        assert_eq!(key().check(&text, NOW - 3_600), Ok(pass()), "a slow clock refuses nobody");
    }

    #[test]
    fn no_bit_of_a_pass_can_be_changed() {
        let text = key().issue(&pass());
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[at] ^= 1 << bit;
                let changed = String::from_utf8_lossy(&bytes);
                assert!(key().check(&changed, NOW).is_err(), "bit {bit} of character {at}");
            }
        }
        for cut in 0..text.len() {
            assert!(key().check(&text[..cut], NOW).is_err());
        }
    }

    #[test]
    fn strangers_and_other_keys_are_told_apart() {
        let text = key().issue(&pass());
        let other = PassKey::new(SecretString::from("another"));
        assert_eq!(other.check(&text, NOW), Err(PassError::BadSignature));
        assert_eq!(key().check(&format!("{text}\n"), NOW), Err(PassError::BadShape));
        assert_eq!(key().check("", NOW), Err(PassError::BadShape));
        assert_eq!(key().check("t0k3n-7b0a3f", NOW), Err(PassError::BadShape));
        assert_eq!(key().check(&"A".repeat(100), NOW), Err(PassError::BadSignature));
    }

    #[test]
    fn a_pass_opens_only_the_stream_of_its_own_call_and_account() {
        let mut start = Start {
            stream_sid: crate::domain::StreamSid::parse("MZ1").unwrap(),
            call_sid: pass().call,
            account_sid: pass().account,
            media_format: MediaFormat { encoding: "audio/x-mulaw".into(), sample_rate: 8_000, channels: 1 },
            custom_parameters: Default::default(),
        };
        assert_eq!(pass().matches(&start), Ok(()));
        start.account_sid = AccountSid::parse("AC2").unwrap();
        assert_eq!(pass().matches(&start), Err(PassError::OtherCall));
        start.account_sid = pass().account;
        start.call_sid = CallSid::parse("CA2").unwrap();
        assert_eq!(pass().matches(&start), Err(PassError::OtherCall));
    }

    #[test]
    fn the_longest_pass_fits_a_parameter_and_needs_no_escape() {
        let longest = "x".repeat(64);
        let pass = Pass {
            call: CallSid::parse(&longest).unwrap(),
            account: AccountSid::parse(&longest).unwrap(),
            business: BusinessId::parse(&longest).unwrap(),
            attempt: 255,
            expires_at: i64::MAX,
        };
        let text = key().issue(&pass);
        assert!(text.len() < 320, "{}", text.len());
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)));
        assert_eq!(key().check(&text, NOW), Ok(pass));
    }

    #[test]
    fn debug_never_shows_the_key() {
        assert!(!format!("{:?}", key()).contains("thirty-two"));
    }
}
