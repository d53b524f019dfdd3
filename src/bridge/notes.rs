//! What a call notes, as lines in the log and as figures. Nothing a person said, and no number, is in them.

use std::time::Duration;

use crate::call::{Note, Oddities, Outcome, UNKNOWN_TOOL};
use crate::domain::{Ending, Tool, Usage};
use crate::telemetry::metrics::{Ended, Metrics, Named, Tokens, seconds};
use crate::wire::realtime::Headroom;

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
        Note::BargeIn { heard_ms, made_ms, after_ms } => {
            tracing::debug!(heard_ms, made_ms, after_ms, "the caller interrupts");
        }
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
        late_tools = oddities.late_tools,
        ignored_tools = oddities.ignored_tools,
        "call over"
    );
}

/// Counts one note. `since_dial` is how long ago the model was dialled.
pub(super) fn count(note: &Note, metrics: &Metrics, since_dial: Duration) {
    match note {
        Note::ModelReady => {
            metrics.model_dials.get_or_create(&Named::of("ready")).inc();
            metrics.model_connect.observe(since_dial.as_secs_f64());
        }
        Note::ModelAway => {
            metrics.models_lost.inc();
        }
        Note::Bridged { phrase } => {
            metrics.bridged.get_or_create(&Named::of(if *phrase { "phrase" } else { "chime" })).inc();
        }
        Note::FirstAudio { after_caller_ms, after_start_ms } => {
            for (ms, delay) in
                [(after_caller_ms, &metrics.answer_delay), (after_start_ms, &metrics.greeting_delay)]
            {
                ms.iter().for_each(|ms| delay.observe(seconds(*ms)));
            }
        }
        Note::BargeIn { heard_ms, made_ms, after_ms } => {
            after_ms.iter().for_each(|ms| metrics.barge_in_delay.observe(seconds(*ms)));
            metrics.barge_in_unheard.observe(seconds(made_ms.saturating_sub(*heard_ms)));
        }
        Note::ToolDone { name, done, took_ms } => {
            let outcome = if *done { "done" } else { "failed" };
            metrics.tools.get_or_create(&Ended { kind: tool(name), outcome }).observe(seconds(*took_ms));
        }
        Note::Padded(ms) => {
            metrics.padded.inc_by(seconds(u64::from(*ms)));
        }
        Note::ModelRefused { fatal, .. } => {
            let kind = if *fatal { "call_ends" } else { "call_goes_on" };
            metrics.model_refusals.get_or_create(&Named::of(kind)).inc();
        }
        Note::CallerArrived
        | Note::SessionRenewed
        | Note::CallerSpeaks
        | Note::CallerStops
        | Note::Said(_)
        | Note::Keys(_)
        | Note::ToolCalled { .. }
        | Note::Level { .. }
        | Note::TooLate(_)
        | Note::Leaving(_)
        // The loop has more to say about that, once.
        | Note::Over { .. } => {}
    }
}

/// Counts a dial from which no session came.
pub(super) fn count_dial(outcome: Outcome, metrics: &Metrics) {
    let kind = match outcome {
        Outcome::Refused => "refused",
        Outcome::Failed | Outcome::Done => "failed",
    };
    metrics.model_dials.get_or_create(&Named::of(kind)).inc();
}

/// Keeps what the model's service said last of its limits.
pub(super) fn count_headroom(headroom: Headroom, metrics: &Metrics) {
    for (kind, left) in [("requests", headroom.requests), ("tokens", headroom.tokens)] {
        if let Some(left) = left {
            metrics
                .rate_limit_left
                .get_or_create(&Named::of(kind))
                .set(i64::try_from(left).unwrap_or(i64::MAX));
        }
    }
}

/// Counts a whole call.
pub(super) fn count_over(
    ending: &Ending,
    lasted: Duration,
    usage: &Usage,
    oddities: &Oddities,
    metrics: &Metrics,
) {
    metrics.calls_ended.get_or_create(&Named::of(name(ending))).inc();
    metrics.call_lasted.observe(lasted.as_secs_f64());
    for (direction, tokens) in [("input", usage.input), ("cached", usage.cached), ("output", usage.output)] {
        for (modality, many) in [("text", tokens.text), ("audio", tokens.audio), ("image", tokens.image)] {
            if many > 0 {
                metrics.tokens.get_or_create(&Tokens { direction, modality }).inc_by(many);
            }
        }
    }
    for (kind, many) in [
        ("garbage", oddities.garbage),
        ("unknown", oddities.unknown),
        ("bad_audio", oddities.bad_audio),
        ("late_audio", oddities.late_audio),
        ("dropped", oddities.dropped),
        ("stale_marks", oddities.stale_marks),
        ("late_tools", oddities.late_tools),
        ("ignored_tools", oddities.ignored_tools),
    ] {
        if many > 0 {
            metrics.oddities.get_or_create(&Named::of(kind)).inc_by(u64::from(many));
        }
    }
}

/// A tool by its name, if it is built in; those of all businesses are one, and what a model makes up is another.
fn tool(name: &str) -> &'static str {
    let built_in = Tool::ALL.into_iter().map(Tool::name).find(|ours| *ours == name);
    built_in.unwrap_or(if name == UNKNOWN_TOOL { "other" } else { "custom" })
}

/// An ending, as figures and traces call it.
pub(super) fn name(ending: &Ending) -> &'static str {
    match ending {
        Ending::CallerHungUp => "caller_hung_up",
        Ending::HungUp => "hung_up",
        Ending::Transferred(_) => "transferred",
        Ending::NeverConnected => "never_connected",
        Ending::StreamLost => "stream_lost",
        Ending::StreamRefused(_) => "stream_refused",
        Ending::ModelLost => "model_lost",
        Ending::ModelRefused => "model_refused",
        Ending::HandedOver => "handed_over",
        Ending::PlanLimit => "plan_limit",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{DestinationId, ModalityTokens};

    #[test]
    fn a_call_is_counted_by_what_it_notes() {
        let metrics = Metrics::new("i-1");
        for note in [
            Note::ModelReady,
            Note::FirstAudio { after_caller_ms: None, after_start_ms: Some(21) },
            Note::FirstAudio { after_caller_ms: Some(640), after_start_ms: None },
            Note::BargeIn { heard_ms: 1_000, made_ms: 4_500, after_ms: Some(180) },
            Note::BargeIn { heard_ms: 10, made_ms: 10, after_ms: None },
            Note::Bridged { phrase: false },
            Note::ToolDone { name: "take_message".to_owned(), done: true, took_ms: 12 },
            Note::ToolDone { name: UNKNOWN_TOOL.to_owned(), done: false, took_ms: 1 },
            Note::ToolDone { name: "what_a_business_invents".to_owned(), done: true, took_ms: 700 },
            Note::Padded(40),
            Note::ModelRefused { code: "rate_limit_exceeded".to_owned(), fatal: false },
            Note::ModelAway,
        ] {
            count(&note, &metrics, Duration::from_millis(350));
        }
        count_dial(Outcome::Refused, &metrics);
        count_headroom(Headroom { requests: Some(999), tokens: None }, &metrics);
        let usage =
            Usage { output: ModalityTokens { audio: 70, ..ModalityTokens::default() }, ..Usage::default() };
        let ending = Ending::Transferred(DestinationId::parse("reception").unwrap());
        let oddities = Oddities { stale_marks: 2, ..Oddities::default() };
        count_over(&ending, Duration::from_secs(90), &usage, &oddities, &metrics);
        let text = metrics.text();
        for line in [
            "frontdesk_model_dials_total{kind=\"ready\"} 1",
            "frontdesk_model_dials_total{kind=\"refused\"} 1",
            "frontdesk_model_connect_seconds_sum 0.35",
            "frontdesk_greeting_delay_seconds_sum 0.021",
            "frontdesk_answer_delay_seconds_sum 0.64",
            "frontdesk_barge_in_delay_seconds_sum 0.18",
            "frontdesk_barge_in_delay_seconds_count 1",
            "frontdesk_barge_in_unheard_seconds_sum 3.5",
            "frontdesk_waits_bridged_total{kind=\"chime\"} 1",
            "frontdesk_tool_duration_seconds_sum{kind=\"take_message\",outcome=\"done\"} 0.012",
            "frontdesk_tool_duration_seconds_sum{kind=\"other\",outcome=\"failed\"} 0.001",
            "frontdesk_tool_duration_seconds_sum{kind=\"custom\",outcome=\"done\"} 0.7",
            "frontdesk_padding_seconds_total 0.04",
            "frontdesk_model_refusals_total{kind=\"call_goes_on\"} 1",
            "frontdesk_models_lost_total 1",
            "frontdesk_model_rate_limit_left{kind=\"requests\"} 999",
            "frontdesk_model_tokens_total{direction=\"output\",modality=\"audio\"} 70",
            "frontdesk_calls_ended_total{kind=\"transferred\"} 1",
            "frontdesk_call_duration_seconds_bucket{le=\"60.0\"} 0",
            "frontdesk_call_duration_seconds_bucket{le=\"120.0\"} 1",
            "frontdesk_oddities_total{kind=\"stale_marks\"} 2",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
        assert!(!text.contains("invents"));
    }
}
