//! Signals, two-step shutdown, and the one place where tasks are spawned and counted.
