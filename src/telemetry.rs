//! Logs, and the time of day.
