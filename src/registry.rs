//! Calls in flight: how many, whose, and how to reach them.
