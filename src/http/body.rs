//! Reads the body of a request whole, within a size and a time.

use std::time::Duration;

use axum::body::Body;
use futures_util::StreamExt as _;

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// The connection broke in it.
    Broken,
    /// It is longer than this many bytes.
    TooLarge(usize),
    /// It did not come to its end in time.
    TooSlow,
}

/// The body to its end, if it has no more than `most_bytes` and takes no longer than `patience`.
pub(super) async fn whole(body: Body, most_bytes: usize, patience: Duration) -> Result<Vec<u8>, BodyError> {
    let read = async {
        let mut pieces = body.into_data_stream();
        let mut whole = Vec::new();
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|_| BodyError::Broken)?;
            if whole.len() + piece.len() > most_bytes {
                return Err(BodyError::TooLarge(most_bytes));
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    };
    tokio::time::timeout(patience, read).await.map_err(|_| BodyError::TooSlow)?
}
