//! What is wrong, and what to do: finds which hop of a deployment is at fault, from outside, as Twilio meets it.
//!
//! Probes gather facts (`facts`), a judge reads them against the decision table (`verdict`, `row`), and a report says it
//! to people and programs. The judge sees nothing but facts, so each row can be tested without a network.

mod ask;
mod call;
mod certificate;
mod examination;
pub mod facts;
mod handshake;
mod line;
mod lint;
mod report;
pub mod row;
mod twilio;
pub mod verdict;
mod words;

pub use self::examination::{Answers, Examination, Examined, Memory, Step, Tone};
pub use self::report::{News, print};
