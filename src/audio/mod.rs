//! Sound as numbers: µ-law, loudness, resampling, a chime, WAV. Pure; 8 bytes of µ-law are one millisecond.

pub mod chime;
pub mod meter;
pub mod mulaw;
pub mod resample;
mod speech;
mod telephone_rate;
pub mod wav;
