//! What a call notes, as lines in the log. Nothing a person said, and no number, is in them.

use std::time::Duration;

use crate::call::{Note, Oddities};
use crate::domain::{Ending, Usage};

/// Writes one note into the log, within the call's span.
pub(super) fn log(note: &Note) {
    match note {
        Note::CallerArrived => tracing::info!("the caller's stream is there"),
        Note::ModelReady => tracing::info!("the model is ready"),
        Note::ModelAway => tracing::warn!("the model is lost; it is dialled again"),
        Note::SessionRenewed => tracing::info!("the model's session is old; another follows it"),
        Note::Bridged { phrase: true } => tracing::info!("the caller was asked for a moment"),
        Note::Bridged { phrase: false } => tracing::debug!("the caller hears a chime while they wait"),
        Note::FirstAudio { after_caller_ms, after_start_ms: Some(after_start_ms) } => {
            tracing::info!(after_start_ms, after_caller_ms, "first audio to the caller");
        }
        Note::FirstAudio { after_caller_ms, after_start_ms: None } => {
            tracing::debug!(after_caller_ms, "an answer begins");
        }
        Note::CallerSpeaks => tracing::debug!("the caller speaks"),
        Note::CallerStops => tracing::debug!("the caller stops"),
        Note::Said(turn) => tracing::debug!(
            speaker = ?turn.speaker,
            turn = turn.number,
            heard_ms = turn.heard_ms,
            interrupted = turn.interrupted,
            answer_delay_ms = turn.answer_delay_ms,
            "a turn is complete"
        ),
        Note::BargeIn { heard_ms, made_ms } => tracing::debug!(heard_ms, made_ms, "the caller interrupts"),
        Note::Keys(_) => tracing::debug!("the caller pressed keys"),
        Note::ToolCalled { name } => tracing::info!(tool = name, "the model calls a tool"),
        Note::ToolDone { name, done, took_ms } => {
            tracing::info!(tool = name, done, took_ms, "a tool has answered");
        }
        Note::Padded(ms) => tracing::debug!(ms, "silence put where the caller's audio is missing"),
        Note::Level { caller_db, model_db } => tracing::trace!(caller_db, model_db, "levels"),
        Note::ModelRefused { code, fatal } => tracing::warn!(code, fatal, "the model refuses"),
        Note::TooLate(deadline) => tracing::info!(?deadline, "a deadline has passed"),
        Note::Leaving(intention) => tracing::info!(?intention, "the call ends after the goodbye"),
        // The loop has more to say about that, once.
        Note::Over { .. } => {}
    }
}

/// Writes the one line that tells the whole call.
pub(super) fn log_over(ending: &Ending, lasted: Duration, usage: &Usage, oddities: &Oddities) {
    let duration_ms = u64::try_from(lasted.as_millis()).unwrap_or(u64::MAX);
    tracing::info!(
        ?ending,
        duration_ms,
        input_audio_tokens = usage.input.audio,
        input_text_tokens = usage.input.text,
        cached_audio_tokens = usage.cached.audio,
        cached_text_tokens = usage.cached.text,
        output_audio_tokens = usage.output.audio,
        output_text_tokens = usage.output.text,
        transcribed_ms = usage.transcribed_ms,
        garbage = oddities.garbage,
        unknown = oddities.unknown,
        bad_audio = oddities.bad_audio,
        late_audio = oddities.late_audio,
        dropped = oddities.dropped,
        stale_marks = oddities.stale_marks,
        padded_ms = oddities.padded_ms,
        refusals = oddities.refusals,
        models_lost = oddities.models_lost,
        "call over"
    );
}
