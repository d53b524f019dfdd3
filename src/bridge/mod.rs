//! The loop that carries one call: sockets, tasks and clocks in, nothing decided.
