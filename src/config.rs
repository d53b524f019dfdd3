//! What the environment says, read once and whole; every mistake is reported together with its remedy.
