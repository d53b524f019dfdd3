//! The nouns of the house: who answers, for whom, under which plan, and what was said. Pure values; nothing here
//! does anything to the outside.

mod business;
mod call_record;
mod ids;
mod moment;
mod phone_number;
mod pii;
mod plan;
mod public_url;

pub use business::{
    Business, BusinessImport, Destination, Fallback, Tool, TurnDetection, UnknownWord, Voice,
};
pub use call_record::{CallRecord, Ending, Intention, Message, ModalityTokens, Speaker, Turn, Usage};
pub use ids::{AccountSid, BusinessId, CallSid, DestinationId, IdError, InstanceId, PlanId, StreamSid};
pub use moment::Moment;
pub use phone_number::{PhoneNumber, PhoneNumberError};
pub use pii::Pii;
pub use plan::Plan;
pub use public_url::{PublicUrl, StreamUrl, UrlError};
