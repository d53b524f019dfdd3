//! Whom we call: the speech model and Twilio's REST interface.
