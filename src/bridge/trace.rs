//! What a call notes, as a trace.

use std::sync::Arc;
use std::time::Duration;

use crate::call::{Brief, Note, Oddities};
use crate::domain::{Ending, Moment, Speaker, Usage};
use crate::telemetry::traces::{Attribute, CallTrace, Traces};

/// One call's trace, where traces are wanted.
#[derive(Debug)]
pub(super) struct Tracing {
    traces: Arc<Traces>,
    trace: CallTrace,
    of: Vec<Attribute>,
}

impl Tracing {
    /// Begins with the call's task, at a time in milliseconds since 1970.
    pub(super) fn begin(traces: &Arc<Traces>, brief: &Brief, model: &str, now_ms: i64) -> Self {
        let of = vec![
            Attribute::new("call.id", brief.call.to_string()),
            Attribute::new("call.attempt", i64::from(brief.attempt)),
            Attribute::new("business.id", brief.business.id.to_string()),
            Attribute::new("gen_ai.request.model", model.to_owned()),
        ];
        let trace = CallTrace::begin(&brief.call, brief.attempt, now_ms);
        Self { traces: Arc::clone(traces), trace, of }
    }

    /// Traces one note. The model was dialled last at `dialled_at`.
    pub(super) fn note(&mut self, note: &Note, now: Moment, dialled_at: Moment) {
        let at = now.elapsed();
        let mut event = |name, of| self.trace.event(name, at, of);
        match note {
            Note::CallerArrived => event("the caller's stream is there", vec![]),
            Note::ModelReady => {
                self.trace.span("dial the model", dialled_at.elapsed(), at, vec![], &self.traces);
            }
            Note::ModelAway => event("the model is lost", vec![]),
            Note::SessionRenewed => event("the session is followed by another", vec![]),
            Note::Bridged { phrase } => {
                event("the caller waits", vec![Attribute::new("phrase", *phrase)]);
            }
            Note::FirstAudio { after_caller_ms, after_start_ms } => {
                let after = |name, ms: &Option<u64>| ms.map(|ms| milliseconds(name, ms));
                let of = [after("after_caller_ms", after_caller_ms), after("after_start_ms", after_start_ms)];
                event("first audio", of.into_iter().flatten().collect());
            }
            Note::Said(turn) => {
                let speaker = match turn.speaker {
                    Speaker::Caller => "caller",
                    Speaker::Model => "model",
                };
                let mut of = vec![
                    Attribute::new("turn.speaker", speaker),
                    Attribute::new("turn.number", i64::from(turn.number)),
                    Attribute::new("turn.interrupted", turn.interrupted),
                    milliseconds("turn.heard_ms", turn.heard_ms),
                ];
                of.extend(turn.answer_delay_ms.map(|ms| milliseconds("turn.answer_delay_ms", ms)));
                self.trace.span("turn", Duration::from_millis(turn.began_ms), at, of, &self.traces);
            }
            Note::BargeIn { heard_ms, made_ms, after_ms } => {
                let mut of = vec![milliseconds("heard_ms", *heard_ms), milliseconds("made_ms", *made_ms)];
                of.extend(after_ms.map(|ms| milliseconds("after_ms", ms)));
                event("the caller interrupts", of);
            }
            Note::ToolDone { name, done, took_ms } => {
                let of = vec![
                    Attribute::new("gen_ai.tool.name", name.clone()),
                    Attribute::new("tool.done", *done),
                ];
                let from = at.saturating_sub(Duration::from_millis(*took_ms));
                self.trace.span("tool", from, at, of, &self.traces);
            }
            Note::ModelRefused { code, fatal } => {
                let of = vec![Attribute::new("code", code.clone()), Attribute::new("fatal", *fatal)];
                event("the model refuses", of);
            }
            Note::TooLate(deadline) => {
                event("a deadline has passed", vec![Attribute::new("deadline", format!("{deadline:?}"))]);
            }
            Note::Leaving(_) => event("the call ends after the goodbye", vec![]),
            // Each is in a turn or a figure, or is no news.
            Note::CallerSpeaks
            | Note::CallerStops
            | Note::Keys(_)
            | Note::ToolCalled { .. }
            | Note::Padded(_)
            | Note::Level { .. }
            | Note::Over { .. } => {}
        }
    }

    /// The call is over here.
    pub(super) fn end(self, ending: &Ending, lasted: Duration, usage: &Usage, oddities: &Oddities) {
        let Self { traces, trace, mut of } = self;
        let tokens = |name, kinds: [u64; 3]| {
            Attribute::new(name, i64::try_from(kinds.iter().sum::<u64>()).unwrap_or(i64::MAX))
        };
        let (input, output) = (usage.input, usage.output);
        of.extend([
            Attribute::new("call.ending", super::notes::name(ending)),
            tokens("gen_ai.usage.input_tokens", [input.text, input.audio, input.image]),
            tokens("gen_ai.usage.output_tokens", [output.text, output.audio, output.image]),
            Attribute::new("call.models_lost", i64::from(oddities.models_lost)),
        ]);
        let failed =
            (ending.is_accident() && *ending != Ending::HandedOver) || *ending == Ending::NeverConnected;
        trace.end(lasted, of, failed.then(|| super::notes::name(ending).to_owned()), &traces);
    }
}

fn milliseconds(name: &'static str, ms: u64) -> Attribute {
    Attribute::new(name, i64::try_from(ms).unwrap_or(i64::MAX))
}
