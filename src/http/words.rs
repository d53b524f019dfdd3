//! What Twilio's own voice says to a caller when the model cannot.

/// Nobody of ours owns the number that was called.
pub(super) const NOT_IN_SERVICE: &str = "Sorry, this number is not in service. Goodbye.";

/// Somebody owns it, but we cannot find out who, or cannot answer.
pub(super) const CANNOT_ANSWER: &str =
    "Sorry, we cannot take your call right now. Please try again later. Goodbye.";

/// Before the business's own number rings instead.
pub(super) const CONNECTING: &str = "One moment, please. I am connecting you.";

/// The person the caller was to be connected with did not answer, and there is nobody else.
pub(super) const NOBODY_THERE: &str =
    "Sorry, nobody is available right now. Please try again later. Goodbye.";

/// While this process ends and no other has taken the call yet, one after the other with a pause behind each. They last
/// longer than a restart; no silence among them does longer than two seconds.
pub(super) const HOLD: [&str; 4] = [
    "One moment, please.",
    "Please stay on the line.",
    "We will be with you in a moment.",
    "Thank you for waiting.",
];

/// Before the tone, for a caller whom nobody can serve, and a business without a sentence of its own.
pub(super) const LEAVE_MESSAGE: &str = "Sorry, we cannot take your call right now. Please leave a message after the \
                                        tone, with your name and your number.";

/// The same, when a telephone rang and nobody answered it.
pub(super) const NOBODY_THERE_LEAVE_MESSAGE: &str = "Sorry, nobody is available right now. Please leave a message after \
                                                     the tone, with your name and your number.";

/// The caller has left a message, and has not hung up.
pub(super) const THANKS: &str = "Thank you for your message. Goodbye.";

/// The caller was silent after the tone.
pub(super) const NOTHING_HEARD: &str = "We did not hear a message. Goodbye.";
