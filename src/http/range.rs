//! The part of a sound that a player asks for: it seeks, and wants no more than it plays.

use axum::http::header::{ACCEPT_RANGES, CONTENT_RANGE, RANGE};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;

/// From where to where of how many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// The first byte.
    pub(super) from: usize,
    /// Behind the last.
    pub(super) to: usize,
    length: usize,
}

impl Part {
    /// One range, as players ask for it: `bytes=100-` or `bytes=100-199`. What is no such range is answered with everything,
    /// as HTTP allows.
    pub(super) fn of(headers: &HeaderMap, length: usize) -> Option<Self> {
        let range = headers.get(RANGE)?.to_str().ok()?;
        let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
        let from: usize = from.parse().ok()?;
        let to = if to.is_empty() { length } else { to.parse::<usize>().ok()?.saturating_add(1).min(length) };
        (from < to).then_some(Self { from, to, length })
    }

    /// How many bytes it has.
    pub(super) fn len(self) -> usize {
        self.to.saturating_sub(self.from)
    }
}

/// Marks a response as this part, or as all of something of which parts may be asked for.
pub(super) fn mark(response: &mut Response, part: Option<Part>) {
    let headers = response.headers_mut();
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    let Some(Part { from, to, length }) = part else { return };
    if let Ok(told) = HeaderValue::try_from(format!("bytes {from}-{}/{length}", to.saturating_sub(1))) {
        headers.insert(CONTENT_RANGE, told);
    }
    *response.status_mut() = StatusCode::PARTIAL_CONTENT;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(range: &'static str) -> Option<(usize, usize)> {
        let headers = HeaderMap::from_iter([(RANGE, HeaderValue::from_static(range))]);
        Part::of(&headers, 10).map(|part| (part.from, part.to))
    }

    #[test]
    fn a_player_gets_the_part_it_asks_for() {
        assert_eq!(bounds("bytes=0-"), Some((0, 10)));
        assert_eq!(bounds("bytes=4-7"), Some((4, 8)));
        assert_eq!(bounds("bytes=4-99"), Some((4, 10)));
        for nothing in ["bytes=10-", "bytes=-5", "bytes=a-b", "items=1-2", "bytes=5-4"] {
            assert_eq!(bounds(nothing), None, "{nothing}");
        }
        assert_eq!(Part::of(&HeaderMap::new(), 10), None);
    }
}
