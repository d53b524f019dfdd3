//! What an error of the service's means for a call. Most change nothing; the default is to log and go on.

use super::ErrorBody;
use crate::wire::model::RefusalClass;

/// They answer something that was over already.
const BENIGN: [&str; 6] = [
    "response_cancel_not_active",
    "input_audio_buffer_commit_empty",
    "item_truncate_invalid_item_id",
    "item_delete_invalid_item_id",
    "item_retrieve_invalid_item_id",
    "unsupported_content_type",
];

/// No session can be had, and trying again cannot help. OpenAI has changed a code while keeping its type, so both are
/// compared.
const FATAL: [&str; 9] = [
    "invalid_api_key",
    "insufficient_quota",
    "credit_balance_exhausted",
    "account_deactivated",
    "billing_hard_limit_reached",
    "model_not_found",
    "invalid_model",
    "missing_model",
    "beta_api_shape_disabled",
];

/// This session is over, and another can be had.
const SESSION_OVER: [&str; 2] = ["session_expired", "server_error"];

/// What an error means, as long as it does not answer the setup of a session.
pub(super) fn classify(error: &ErrorBody) -> RefusalClass {
    let is = |words: &[&str]| words.contains(&error.code.as_str()) || words.contains(&error.kind.as_str());
    if is(&FATAL) {
        RefusalClass::Fatal
    } else if is(&SESSION_OVER) {
        RefusalClass::SessionOver
    } else if error.code == "conversation_already_has_active_response" {
        RefusalClass::Busy
    } else if is(&BENIGN) || error.sentence().contains("already shorter") {
        RefusalClass::Benign
    } else {
        RefusalClass::Configuration
    }
}
