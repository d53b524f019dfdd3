//! Several instances on one store, SQLite or Firestore: what a plan allows, streams that are carried elsewhere; and
//! Firestore against Google's emulator: the whole conformance suite, documents another program wrote, an emulator that
//! dies, and changes that are heard of.
//!
//! The emulator is started here. Where there is none its tests say so and are skipped, unless `FRONTDESK_TEST_ALL` is `1`.

#[cfg(test)]
mod callers;
#[cfg(test)]
mod conforms;
#[cfg(test)]
mod elsewhere;
#[cfg(test)]
mod emulator;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod heard;
#[cfg(test)]
mod instance;
#[cfg(test)]
mod outage;
#[cfg(test)]
mod race;
