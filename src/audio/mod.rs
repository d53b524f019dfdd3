//! Sound as numbers: µ-law, loudness, resampling, WAV. Pure; 8 bytes of µ-law are one millisecond.

pub mod mulaw;
