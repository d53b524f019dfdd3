//! Everything put together: new, listen, drain.
