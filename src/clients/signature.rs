//! The signature of Standard Webhooks: HMAC-SHA256 over id, time and body.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::domain::WebhookSecret;

/// How long a key may be, in bytes.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// The header's value; none when the secret is no key. What is signed cannot be read in two ways: an id that holds a dot
/// is not signed, and a time holds none.
pub(super) fn sign(secret: &WebhookSecret, id: &str, at_s: i64, body: &str) -> Option<String> {
    let key = STANDARD.decode(secret.reveal().trim().strip_prefix("whsec_")?).ok()?;
    if !KEY_BYTES.contains(&key.len()) || id.contains('.') {
        return None;
    }
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
    mac.update(format!("{id}.{at_s}.").as_bytes());
    mac.update(body.as_bytes());
    Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signed(secret: &str) -> Option<String> {
        let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
        sign(&WebhookSecret::new(secret), id, 1_614_265_330, r#"{"test": 2432232314}"#)
    }

    #[test]
    fn the_example_of_the_official_libraries_is_signed_as_they_sign_it() {
        let signature = signed("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
        assert_eq!(signature.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn what_is_no_secret_signs_nothing() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        assert!(signed(&of(24)).is_some() && signed(&of(64)).is_some());
        assert!(signed(&format!(" {}\n", of(32))).is_some(), "as people paste it");
        for bad in ["", "whsec_", "whsec_%%%", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", &of(23), &of(65)] {
            assert!(signed(bad).is_none(), "{bad}");
        }
    }
}
