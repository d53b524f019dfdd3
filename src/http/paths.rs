//! Where our routes are. The router and the TwiML that sends Twilio to them read the same lines, so they cannot
//! diverge.

/// The voice webhook.
pub const VOICE: &str = "/twilio-voice";
/// The media socket.
pub const MEDIA: &str = "/twilio-media";
/// What happens when the stream has ended.
pub const NEXT: &str = "/twilio-next";
/// What became of a transfer.
pub const DIAL: &str = "/twilio-dial";
/// A caller has left a voicemail: what is next.
pub const VOICEMAIL: &str = "/twilio-voicemail";
/// What became of a recording.
pub const RECORDING: &str = "/twilio-recording";
/// What became of a call.
pub const STATUS: &str = "/twilio-status";
/// What became of a stream.
pub const STREAM_STATUS: &str = "/twilio-stream-status";
/// Whether this process is alive.
pub const HEALTH: &str = "/health";
/// Whether new calls should come here.
pub const READY: &str = "/ready";
/// What this process has counted.
pub const METRICS: &str = "/metrics";

/// What arrived, as we saw it.
pub const DOCTOR_ECHO: &str = "/doctor/echo";
/// A socket without any business in it.
pub const DOCTOR_WS: &str = "/doctor/ws";
/// What happened lately between webhook and media socket.
pub const DOCTOR_RECENT: &str = "/doctor/recent";

/// What a person reads of the API; below it are its routes.
pub const API: &str = "/api";
/// What a program reads of the API.
pub const API_DOCUMENT: &str = "/api/openapi.json";

/// All of them, for the hint a nearly right path gets.
pub(super) const ALL: [&str; 11] =
    [VOICE, MEDIA, NEXT, DIAL, VOICEMAIL, RECORDING, STATUS, STREAM_STATUS, HEALTH, READY, API];
