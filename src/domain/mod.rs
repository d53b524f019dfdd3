//! The nouns of the house: who answers, for whom, under which plan, and what was said. Pure values; nothing here
//! does anything to the outside.

mod business;
mod call_record;
mod http_tool;
mod ids;
mod moment;
mod money;
mod month;
mod notice;
pub mod parameters;
mod phone_number;
mod pii;
mod place;
mod plan;
mod price;
mod private_name;
mod public_url;
mod sentence;
mod service_account;

pub use business::{
    Business, BusinessImport, Destination, Fallback, Tool, TurnDetection, UnknownWord, Voice,
};
pub use call_record::{
    CallRecord, Ending, Intention, Message, ModalityTokens, MonthUsage, Recording, Speaker, StreamEnd, Turn,
    Usage, Voicemail,
};
pub use http_tool::{HttpTool, MOST_TOLD_BYTES, ToolAnswer, ToolName, ToolNameError};
pub use ids::{
    AccountSid, BusinessId, CallSid, DestinationId, IdError, InstanceId, NoticeId, PlanId, RecordingSid,
    StreamSid,
};
pub use moment::Moment;
pub use money::MicroDollars;
pub use month::{Month, MonthError};
pub use notice::{About, Limit, Notice, Webhook, WebhookSecret};
pub use phone_number::{PhoneNumber, PhoneNumberError};
pub use pii::Pii;
pub use place::{FirestoreAccess, FirestorePlace, Place};
pub use plan::{AtLimit, Plan};
pub use price::{ModelPrice, PriceTable, Rate};
pub use private_name::is_private_name;
pub use public_url::{PublicUrl, StreamUrl, UrlError};
pub use sentence::{Said, Sentence};
pub use service_account::{ServiceAccountError, ServiceAccountKey};
