//! The audio of a recording, as it comes from Twilio.

use std::time::Duration;

use bytes::Bytes;
use reqwest::Response;
use tokio::time::timeout;

use super::{RestError, TOTAL_PATIENCE, TwilioRest, error_code};
use crate::domain::{AccountSid, RecordingSid};

/// The largest recording that is passed on, in bytes: three minutes at the best rate and depth anybody records speech with.
pub(super) const MOST_AUDIO_BYTES: u64 = 32 * 1024 * 1024;

/// How long all of it may take: a slow reader of three minutes of telephone speech is done in a fraction of that.
const AUDIO_PATIENCE: Duration = Duration::from_secs(120);

/// A recording on its way. It takes no more memory than one piece of it.
#[derive(Debug)]
pub struct Audio {
    response: Response,
    size: Option<u64>,
    left: u64,
}

impl TwilioRest {
    /// The audio of a recording, as a WAV file. `account` is the recording's own, which may be a subaccount. One try: whoever
    /// wants to hear it can ask again.
    pub async fn recording(
        &self,
        account: &AccountSid,
        recording: &RecordingSid,
    ) -> Result<Audio, RestError> {
        let url = self.url_of(account, &["Recordings", &format!("{recording}.wav")]);
        let request = self.authorized(self.http.get(url)).timeout(AUDIO_PATIENCE);
        let response = timeout(TOTAL_PATIENCE, request.send()).await.map_err(|_late| RestError::Timeout)?;
        let response = response.map_err(|error| RestError::Unreachable(error.without_url()))?;
        let status = response.status();
        if !status.is_success() {
            let code = error_code(response).await;
            return Err(RestError::Refused { status: status.as_u16(), code });
        }
        let size = response.content_length();
        if size.is_some_and(|size| size > MOST_AUDIO_BYTES) {
            return Err(RestError::TooLarge);
        }
        Ok(Audio { response, size, left: MOST_AUDIO_BYTES })
    }
}

impl Audio {
    /// Its size in bytes, where Twilio says it.
    pub fn size(&self) -> Option<u64> {
        self.size
    }

    /// The next piece of it; none when that was all.
    pub async fn next(&mut self) -> Result<Option<Bytes>, RestError> {
        let piece =
            self.response.chunk().await.map_err(|error| RestError::Unreachable(error.without_url()))?;
        if let Some(piece) = &piece {
            let size = u64::try_from(piece.len()).unwrap_or(u64::MAX);
            self.left = self.left.checked_sub(size).ok_or(RestError::TooLarge)?;
        }
        Ok(piece)
    }
}
