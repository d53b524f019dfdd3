//! What Twilio's own voice says to a caller of whose business nothing is known, not even the language.

use crate::domain::Sentence;

/// Nobody of ours owns the number that was called.
pub(super) const NOT_IN_SERVICE: &str = "Sorry, this number is not in service. Goodbye.";

/// Somebody owns it, but we cannot find out who, or cannot answer.
pub(super) const CANNOT_ANSWER: &str = Sentence::CannotAnswer.in_english();

/// The person the caller was to be connected with did not answer, and there is nobody else.
pub(super) const NOBODY_THERE: &str = Sentence::NobodyThere.in_english();
