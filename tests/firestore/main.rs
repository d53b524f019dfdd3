//! The Firestore store against Google's emulator: the whole conformance suite, two instances at once, documents another
//! program wrote, an emulator that dies, and changes that are heard of.
//!
//! The emulator is started here. Where there is none these tests say so and are skipped, unless `FRONTDESK_TEST_ALL` is `1`.

#[cfg(test)]
mod conforms;
#[cfg(test)]
mod emulator;
#[cfg(test)]
mod foreign;
#[cfg(test)]
mod heard;
#[cfg(test)]
mod outage;
