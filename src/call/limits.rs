//! Every patience and every bound of a call, each with its reason.

use std::time::Duration;

/// How far ahead of its playing audio is sent to Twilio. Enough to ride out a stalled process or a lost packet's
/// retransmission; little enough that what Twilio holds is soon played or cleared.
pub(super) const PLAYOUT_LEAD: Duration = Duration::from_millis(400);

/// How much audio goes into one message, with a mark behind it: 100 ms is ten messages a second, and the next mark
/// bounds how wrong the heard position can be.
pub(super) const CHUNK_FRAMES: usize = 5;

/// With less than this ahead of the caller's ear, a shorter piece is sent rather than waiting for a whole chunk.
pub(super) const LOW_WATER: Duration = Duration::from_millis(100);

/// How much of one answer may wait for its turn: five minutes of speech, 2.4 MB. No answer on the telephone is as
/// long, and Twilio itself would refuse more than ten.
pub(super) const MAX_WAITING_BYTES: usize = 5 * 60 * 8_000;

/// How much of the caller's audio is kept while the model is not ready: as long as the model is waited for. A greeting that
/// is kept invites the caller to ask before there is a model, and what they asked then must not be lost.
pub(super) const MAX_EARLY: Duration = MODEL_READY;

/// How much of the caller's audio is kept from the moment the model was lost, with what was said before and neither
/// transcribed nor answered: a redial takes ten seconds at most, and whoever spoke longer than ten before is best heard
/// from there on. 1,000 frames, 250 KB, and 214 KB at once to the next session.
pub(super) const MAX_HEARD_AGAIN: Duration = Duration::from_secs(20);

/// How much of the caller's audio is kept all the time, in case the model is lost: a word is heard by us so long before
/// the model says that it has begun. Its detection, its 300 ms of padding, and the network both ways.
pub(super) const RECALL: Duration = Duration::from_secs(1);

/// From how long without a frame the caller's audio is padded: what OpenAI's own transport waits.
pub(super) const STALL_AFTER: Duration = Duration::from_millis(750);

/// How often a stall is padded again while it lasts: the model's endpointing needs silence that keeps flowing, and
/// ten times a second is a tenth of a frame's cost.
pub(super) const STALL_STEP: Duration = Duration::from_millis(100);

/// Below half a frame, a difference of timestamps is jitter of the sender's clock and no gap.
pub(super) const GAP_TOLERANCE_MS: u64 = 10;

/// The longest gap that is padded: what is longer ends the call before.
pub(super) const MAX_GAP_MS: u64 = 60_000;

/// Twilio sends fifty frames a second for the whole call; a minute of nothing is a dead socket that nobody closed.
pub(super) const STREAM_SILENCE: Duration = Duration::from_secs(60);

/// How long a dialled model waits for its caller. Twilio needs about half a second; a caller who hung up while it
/// rang never comes.
pub(super) const CALLER_ARRIVAL: Duration = Duration::from_secs(15);

/// How long the model may take from the first dial to a session. A caller in silence hangs up soon after.
pub(super) const MODEL_READY: Duration = Duration::from_secs(10);

/// Pauses between dials of one session, in milliseconds; the last repeats.
pub(super) const REDIAL_PAUSES_MS: [u64; 3] = [250, 500, 1_000];

/// How often the model is dialled in one outage; with the pauses that is seven seconds of refusals at once. A session
/// that broke before it was proven counts as one of them, so that one that always breaks is not dialled for ever.
pub(super) const MAX_DIALS: usize = 8;

/// A session that lasted so long is a good one: when it is lost, the next is dialled at once.
pub(super) const SESSION_PROVEN: Duration = Duration::from_secs(10);

/// The age from which a session is followed by another between turns: the service ends it at 60 minutes.
pub(super) const SESSION_AGE: Duration = Duration::from_secs(55 * 60);

/// So much older, it is followed by another even in the middle of a turn, with a minute to spare.
pub(super) const SESSION_SLACK: Duration = Duration::from_secs(4 * 60);

/// A turn that is over after so much silence is told of well before [`BRIDGE_AFTER`]; where it takes longer, so does the
/// waiting for it.
pub(super) const TOLD_AT_ONCE: Duration = Duration::from_secs(1);

/// After so much silence a caller who waits hears that we are still there: two seconds, less the way to the caller's ear.
pub(super) const BRIDGE_AFTER: Duration = Duration::from_millis(1_800);

/// The phrase is not said again before so much more: said more often, it would be a machine's.
pub(super) const PHRASE_AGAIN_AFTER: Duration = Duration::from_secs(6);

/// Turns and tool calls that another session could be told: twenty minutes of quick talk. A model makes little of more.
pub(super) const MAX_HISTORY: usize = 400;

/// And how long they may be together: with the caller's audio behind it, that is half of what a socket may hold.
pub(super) const MAX_HISTORY_BYTES: usize = 64 * 1024;

/// The longest arguments of a tool that are kept for another session.
pub(super) const MAX_ARGUMENTS_BYTES: usize = 4 * 1024;

/// Nobody speaks faster than a letter in so many milliseconds: of an answer that broke off, the words run ahead of the
/// sound, and what cannot have been heard is not remembered.
pub(super) const LETTER_MS: u64 = 50;

/// How long the model may take to answer a caller, before it is nudged and again before it is given up: three times
/// a slow answer.
pub(super) const MODEL_ANSWERS: Duration = Duration::from_secs(8);

/// How long a model may take to say that the caller stopped, when we hear nothing of them any more: it waits for up to
/// eight seconds itself for somebody who thinks aloud. One that has fallen silent would never say it.
pub(super) const SPEECH_ENDS: Duration = Duration::from_secs(12);

/// How often a failed answer is asked for again, at [`REDIAL_PAUSES_MS`].
pub(super) const MAX_FAILED_ANSWERS: u32 = 3;

/// How long to wait with a question after the model said it was busy: its own answer shows itself within that.
pub(super) const BUSY_PAUSE: Duration = Duration::from_millis(250);

/// How long a caller may say nothing before being asked.
pub(super) const CALLER_SILENCE: Duration = Duration::from_secs(10);

/// How often a silent caller is asked before the goodbye.
pub(super) const MAX_STILL_THERE: u32 = 2;

/// How long a tool may take before the model is told that it failed.
pub(super) const TOOL_PATIENCE: Duration = Duration::from_secs(10);

/// How many tools may be under way at once; a model that wants more is out of its mind.
pub(super) const MAX_TOOLS: usize = 16;

/// How many of the business's own tools may be under way at once: what a model asks for in one breath. Each is a request
/// that somebody else's server has to bear.
pub(super) const MAX_HTTP_TOOLS: usize = 4;

/// How often they are asked in any minute: one every three seconds is quicker than people talk.
pub(super) const MAX_HTTP_TOOLS_A_MINUTE: usize = 20;

/// And how often by one stream of a call, however long it lasts.
pub(super) const MAX_HTTP_TOOLS_A_CALL: u32 = 200;

/// How many tool calls may follow each other without a word of the caller's: then answers are asked for without tools, so
/// that a model which does nothing else says something.
pub(super) const MAX_TOOL_CALLS_A_TURN: u32 = 32;

/// How many of them the model is told anything about: in a flood, every refusal would be one message more.
pub(super) const MAX_REFUSALS_A_TURN: u32 = 64;

/// The longest arguments that are looked at: two pages. Nobody dictates more into one field.
pub(super) const LONGEST_ARGUMENTS: usize = 8 * 1024;

/// How many tool calls of one call are remembered, so that none runs twice.
pub(super) const MAX_TOOL_CALLS: usize = 256;

/// How long a goodbye may take to begin.
pub(super) const FAREWELL_BEGINS: Duration = Duration::from_secs(8);

/// How long a goodbye may take in all, with what is played before it: a model that talks faster than it is heard could
/// keep the line long after the plan's limit.
pub(super) const LONGEST_FAREWELL: Duration = Duration::from_secs(30);

/// While more than this waits to be heard, no answer to a tool is asked for: a model that calls a tool in every answer
/// would talk for minutes ahead of the caller's ear.
pub(super) const MAX_AHEAD: Duration = Duration::from_secs(10);

/// How long after its planned end a goodbye's last mark may come: a slow network's round trip, many times over, and less
/// than the two seconds of silence that nobody should hear.
pub(super) const FAREWELL_SLACK: Duration = Duration::from_millis(1_500);

/// How long Twilio may take to close the stream after it was told to end or move the call: it needs some 200 ms. Then we
/// close it, and Twilio is told the same when it asks what is next.
pub(super) const STREAM_CLOSES: Duration = Duration::from_millis(1_500);

/// How long a decision may take to be written down before it is carried out anyway.
pub(super) const INTENTION_KEPT: Duration = Duration::from_secs(2);

/// How long a hand-over waits for the end of a sentence.
pub(super) const HAND_OVER: Duration = Duration::from_secs(5);

/// A caller is told of the end so long before it.
pub(super) const LAST_MINUTE: Duration = Duration::from_secs(60);

/// Keys pressed within this pause are one entry; `#` ends an entry at once.
pub(super) const KEYS_PAUSE: Duration = Duration::from_millis(1_500);

/// The longest entry; longer ones are told in parts.
pub(super) const MAX_KEYS: usize = 32;

/// How many answers that were cut short are remembered, to drop what still comes of them.
pub(super) const MAX_CUT: usize = 16;

/// Texts of how many items are kept at once; a turn has one or two.
pub(super) const MAX_TEXTS: usize = 32;

/// The longest greeting that is kept for the next call: half a minute, 240 kB.
pub(super) const MAX_GREETING_BYTES: usize = 30 * 8_000;

/// How often loudness is told.
pub(super) const LEVEL_EVERY: Duration = Duration::from_millis(500);

/// What a take of the recording may still change: audio ahead of the caller's ear, plus a slow network.
pub(super) const RECORDING_SETTLES: Duration = Duration::from_secs(2);
