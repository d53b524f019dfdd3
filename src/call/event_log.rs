//! What a call was told, and what it did: enough to run it again, byte for byte.
