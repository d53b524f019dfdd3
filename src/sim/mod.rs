//! A Twilio, a caller and a model that speak the real wires, in virtual time or behind real sockets.
