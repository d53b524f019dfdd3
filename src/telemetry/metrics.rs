//! What this process has counted and measured since it began, in the words of Prometheus: seconds, bytes, and `_total`
//! behind what only grows.
//!
//! Nothing here is touched by a frame: what is counted are turns, calls, requests. No label has a value that somebody
//! outside can invent, so that the number of series stays what it is.

use std::fmt;
use std::time::{Duration, Instant};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// What the text of [`Metrics::text`] is; Prometheus and all that scrape like it ask for it first.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// People notice a pause of half a second, and find one of two broken.
const ANSWER_S: [f64; 14] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0];

/// A greeting that is kept is there within 30 ms; one that is not takes the model's time.
const GREETING_S: [f64; 11] = [0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 8.0];

/// From the caller's first sound to silence on the line: mostly the model's own time to be sure that somebody speaks.
const BARGE_IN_S: [f64; 11] = [0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 2.0, 5.0];

/// What the model had made and the caller did not hear.
const UNHEARD_S: [f64; 9] = [0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0];

/// A dial is given up after eight seconds.
const CONNECT_S: [f64; 11] = [0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.8, 1.5, 3.0, 5.0, 8.0];

/// Our own tools take milliseconds, a business's own some seconds.
const TOOL_S: [f64; 10] = [0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0];

/// Twilio gives up on a webhook after 15 s, and a caller long before.
const REQUEST_S: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// Half of all calls to a receptionist are over within a minute.
const CALL_S: [f64; 10] = [5.0, 15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1_800.0, 3_600.0];

/// A histogram with a label or two for each.
type Times<Labels> = Family<Labels, Histogram, Buckets>;

/// Everything that is counted and measured; one for a process, shared by all that count.
pub struct Metrics {
    registry: Registry,
    /// Calls that are carried here just now.
    pub calls_in_flight: Gauge,
    /// Whether this process is being drained: 1 or 0.
    pub draining: Gauge,
    /// Tasks that must end before the process may.
    pub work: Gauge,
    /// Calls whose stream did not arrive, by the likely cause.
    pub findings: Family<Named, Counter>,
    /// Calls that began here, resumed ones too.
    pub calls_begun: Counter,
    /// Calls that ended here, by how.
    pub calls_ended: Family<Named, Counter>,
    /// How long they lasted here.
    pub call_lasted: Histogram,
    /// From the end of the caller's words to the first audio of the answer, played.
    pub answer_delay: Histogram,
    /// From the caller's arrival to the first audio.
    pub greeting_delay: Histogram,
    /// From the caller's first sound to the cut.
    pub barge_in_delay: Histogram,
    /// What of the answer was cut.
    pub barge_in_unheard: Histogram,
    /// Callers who waited for too long, by what they heard meanwhile.
    pub bridged: Family<Named, Counter>,
    /// From a dial to a session that is set up.
    pub model_connect: Histogram,
    /// Dials to the model, by what became of them.
    pub model_dials: Family<Named, Counter>,
    /// Sessions with the model that were lost in a call.
    pub models_lost: Counter,
    /// What the model refused, by whether the call goes on.
    pub model_refusals: Family<Named, Counter>,
    /// Tokens of the model's, by direction and kind.
    pub tokens: Family<Tokens, Counter>,
    /// What is left of what the model's service allows, as it said last.
    pub rate_limit_left: Family<Named, Gauge>,
    /// How long tools took, by which and how they ended.
    pub tools: Times<Ended>,
    /// What was odd in calls that are over, by kind.
    pub oddities: Family<Named, Counter>,
    /// What waits to be written down, over all calls, by for what.
    pub queued: Family<Named, Gauge>,
    /// Queues that were full, so that something was not written down.
    pub queues_full: Family<Named, Counter>,
    /// Silence put where a caller's audio was missing.
    pub padded: Counter<f64>,
    /// Answers to requests, by route and status, with how long they took.
    pub requests: Times<Request>,
    /// Handshakes at the media socket, by verdict.
    pub upgrades: Family<Named, Counter>,
    /// Notices to businesses, by what became of them.
    pub notices: Family<Named, Counter>,
}

/// One name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Named {
    kind: &'static str,
}

/// A name, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Ended {
    /// Of what.
    pub kind: &'static str,
    /// `done` or `failed`.
    pub outcome: &'static str,
}

/// Which of the model's tokens.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Tokens {
    /// `input`, `cached` or `output`.
    pub direction: &'static str,
    /// `audio`, `text` or `image`.
    pub modality: &'static str,
}

/// A request, by what was asked and answered.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Request {
    /// The route as it is written down, never a path as it was asked.
    pub route: String,
    /// The status.
    pub status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
    instance: String,
}

/// Makes histograms of one kind.
#[derive(Clone, Copy)]
pub struct Buckets(&'static [f64]);

impl MetricConstructor<Histogram> for Buckets {
    fn new_metric(&self) -> Histogram {
        of(self.0)
    }
}

impl Named {
    /// `kind="…"`.
    pub const fn of(kind: &'static str) -> Self {
        Self { kind }
    }
}

impl Metrics {
    /// Nothing yet, for the process of that name.
    pub fn new(instance: &str) -> Self {
        let new = Self {
            registry: Registry::with_prefix("frontdesk"),
            calls_in_flight: Gauge::default(),
            draining: Gauge::default(),
            work: Gauge::default(),
            findings: Family::default(),
            calls_begun: Counter::default(),
            calls_ended: Family::default(),
            call_lasted: of(&CALL_S),
            answer_delay: of(&ANSWER_S),
            greeting_delay: of(&GREETING_S),
            barge_in_delay: of(&BARGE_IN_S),
            barge_in_unheard: of(&UNHEARD_S),
            bridged: Family::default(),
            model_connect: of(&CONNECT_S),
            model_dials: Family::default(),
            models_lost: Counter::default(),
            model_refusals: Family::default(),
            tokens: Family::default(),
            rate_limit_left: Family::default(),
            tools: Family::new_with_constructor(Buckets(&TOOL_S)),
            oddities: Family::default(),
            queued: Family::default(),
            queues_full: Family::default(),
            padded: Counter::default(),
            requests: Family::new_with_constructor(Buckets(&REQUEST_S)),
            upgrades: Family::default(),
            notices: Family::default(),
        };
        new.registered(instance)
    }

    fn registered(mut self, instance: &str) -> Self {
        let build = Info::new(Build { version: env!("CARGO_PKG_VERSION"), instance: instance.to_owned() });
        self.registry.register("build", "Which program this is, and which process", build);
        self.register_calls();
        self.register_models();
        let Self { registry, requests, upgrades, notices, draining, work, findings, .. } = &mut self;
        registry.register("draining", "Whether this process is about to end: 1 or 0", draining.clone());
        registry.register("work", "Tasks that must end before the process may", work.clone());
        registry.register(
            "streams_missing",
            "Calls whose stream did not arrive, by likely cause",
            findings.clone(),
        );
        let help = "Requests by route and status, and how long each took to be answered";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, requests.clone());
        registry.register("media_upgrades", "Handshakes at the media socket by verdict", upgrades.clone());
        registry.register("notices", "Notices to businesses by what became of them", notices.clone());
        self
    }

    fn register_calls(&mut self) {
        let Self { registry, .. } = self;
        registry.register("calls_in_flight", "Calls carried here just now", self.calls_in_flight.clone());
        registry.register("calls_begun", "Calls that began here, resumed ones too", self.calls_begun.clone());
        registry.register("calls_ended", "Calls that ended here, by how", self.calls_ended.clone());
        let mut time = |name: &str, help: &str, histogram: &Histogram| {
            registry.register_with_unit(name, help, Unit::Seconds, histogram.clone());
        };
        time("call_duration", "How long calls were carried here", &self.call_lasted);
        time(
            "answer_delay",
            "From the end of the caller's words to the first audio of the answer",
            &self.answer_delay,
        );
        time("greeting_delay", "From the caller's arrival to the first audio", &self.greeting_delay);
        time(
            "barge_in_delay",
            "From the caller's first sound to the cut of what is played",
            &self.barge_in_delay,
        );
        time(
            "barge_in_unheard",
            "What the model had made and the caller did not hear",
            &self.barge_in_unheard,
        );
        registry.register(
            "waits_bridged",
            "Callers who waited, by what they heard meanwhile",
            self.bridged.clone(),
        );
        let help = "Silence put where a caller's audio was missing";
        registry.register_with_unit("padding", help, Unit::Seconds, self.padded.clone());
        registry.register("oddities", "What was odd in calls that are over, by kind", self.oddities.clone());
        registry.register("queued", "What waits to be written down, by for what", self.queued.clone());
        let help = "Queues that were full, so that something was not written down";
        registry.register("queues_full", help, self.queues_full.clone());
    }

    fn register_models(&mut self) {
        let Self { registry, .. } = self;
        let help = "From a dial to the model to a session that is set up";
        registry.register_with_unit("model_connect", help, Unit::Seconds, self.model_connect.clone());
        registry.register(
            "model_dials",
            "Dials to the model by what became of them",
            self.model_dials.clone(),
        );
        registry.register(
            "models_lost",
            "Sessions with the model that were lost in a call",
            self.models_lost.clone(),
        );
        let help = "What the model refused, by whether the call went on";
        registry.register("model_refusals", help, self.model_refusals.clone());
        registry.register(
            "model_tokens",
            "Tokens by direction and kind; cached ones are input too",
            self.tokens.clone(),
        );
        let help = "What is left of what the model's service allows, as it said last";
        registry.register("model_rate_limit_left", help, self.rate_limit_left.clone());
        let help = "How long tools took, by which and how they ended";
        registry.register_with_unit("tool_duration", help, Unit::Seconds, self.tools.clone());
    }

    /// Everything, as [`CONTENT_TYPE`].
    pub fn text(&self) -> String {
        let mut text = String::new();
        // A `String` takes everything.
        let _ok = text::encode(&mut text, &self.registry);
        text
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// Measures how long something takes.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// From now on.
    #[expect(clippy::disallowed_methods, reason = "figures are measured by the clock of this room")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Until now, in the unit of Prometheus.
    pub fn seconds(self) -> f64 {
        self.0.elapsed().as_secs_f64()
    }
}

/// Milliseconds in the unit of Prometheus.
pub fn seconds(ms: u64) -> f64 {
    Duration::from_millis(ms).as_secs_f64()
}

fn of(buckets: &'static [f64]) -> Histogram {
    Histogram::new(buckets.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told_in_seconds_and_with_a_total() {
        let metrics = Metrics::new("1a2b3c4d");
        metrics.calls_begun.inc();
        metrics.calls_ended.get_or_create(&Named::of("caller_hung_up")).inc_by(2);
        metrics.answer_delay.observe(seconds(450));
        metrics
            .requests
            .get_or_create(&Request { route: "/twilio-voice".to_owned(), status: 200 })
            .observe(0.004);
        metrics.padded.inc_by(0.06);
        let text = metrics.text();
        for line in [
            &format!(
                "frontdesk_build_info{{version=\"{}\",instance=\"1a2b3c4d\"}} 1",
                env!("CARGO_PKG_VERSION")
            ),
            "frontdesk_calls_begun_total 1",
            "frontdesk_calls_ended_total{kind=\"caller_hung_up\"} 2",
            "frontdesk_answer_delay_seconds_bucket{le=\"0.4\"} 0",
            "frontdesk_answer_delay_seconds_bucket{le=\"0.5\"} 1",
            "frontdesk_answer_delay_seconds_sum 0.45",
            "frontdesk_http_request_duration_seconds_bucket{le=\"0.005\",route=\"/twilio-voice\",status=\"200\"} 1",
            "frontdesk_padding_seconds_total 0.06",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}\n{text}");
        }
        assert!(text.ends_with("# EOF\n"));
    }

    #[test]
    fn every_histogram_counts_upwards() {
        for buckets in
            [&ANSWER_S[..], &GREETING_S, &BARGE_IN_S, &UNHEARD_S, &CONNECT_S, &TOOL_S, &REQUEST_S, &CALL_S]
        {
            assert!(buckets.is_sorted_by(|one, other| one < other), "{buckets:?}");
        }
    }
}
