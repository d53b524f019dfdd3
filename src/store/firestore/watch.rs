//! Listens to the directory, so that a change is known within a moment and not when somebody asks.
