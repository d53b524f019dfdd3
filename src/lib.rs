//! The voice backend that answers the phones of many businesses with one server: Twilio calls its webhook, it answers
//! with TwiML that opens a media stream, and it bridges that stream to a speech model that speaks as the business.
//!
//! A call is a machine fed with messages and a time ([`call`]); a thin loop carries messages in and out ([`bridge`]);
//! everything else is a room around that. The rooms, in reading order:

pub mod domain;

pub mod audio;
pub mod wire;

pub mod call;

pub mod clients;
pub mod registry;
pub mod store;

pub mod dashboard;
pub mod outbox;

pub mod bridge;
pub mod http;
pub mod server;

pub mod config;
pub mod lifecycle;
pub mod telemetry;

pub mod sim;

pub mod doctor;

pub mod cli;
