//! Calls as OpenTelemetry traces: one a call, whatever instances carried it, with its turns, dials and tools as spans.
//!
//! Spans are made when they are over and every time in them is known; nothing is kept open, and nobody waits: what the
//! collector does not take is dropped. Nothing a person said, and no number, is in them.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{Event, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanEvents, SpanLinks, SpanProcessor as _};
use sha2::{Digest as _, Sha256};

use crate::domain::{CallSid, InstanceId};

/// How long the last spans may take at the end of the process; platforms count every second then.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// A collector that takes longer has lost these spans; the next go out all the same.
const EXPORT_PATIENCE: Duration = Duration::from_secs(10);

/// The most events in one call's root span: a call of an hour has some hundreds, and what a hostile one adds is not worth
/// keeping.
const MOST_EVENTS: usize = 500;

/// What is known of a span.
pub type Attribute = KeyValue;

/// Where traces go.
#[derive(Debug)]
pub struct Traces {
    processor: BatchSpanProcessor,
}

/// The trace of one call, as far as one attempt of it adds to it.
#[derive(Debug)]
pub struct CallTrace {
    trace: TraceId,
    /// What the root spans of the attempts are counted from.
    seed: u64,
    attempt: u8,
    began: SystemTime,
    spans: AtomicU32,
    events: Vec<Event>,
}

impl Traces {
    /// Sends traces to a collector, by OTLP over HTTP: `endpoint` is its base, as in `OTEL_EXPORTER_OTLP_ENDPOINT`. The
    /// other settings of OpenTelemetry, `OTEL_EXPORTER_OTLP_HEADERS` and `OTEL_SERVICE_NAME` among them, are read by its
    /// own library. Fails when no client can be made.
    pub fn to(endpoint: &str, instance: &InstanceId) -> Result<Self, ExporterBuildError> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(format!("{}/v1/traces", endpoint.trim_end_matches('/')))
            .with_timeout(EXPORT_PATIENCE)
            .build()?;
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        let named = std::iter::once(KeyValue::new("service.name", env!("CARGO_PKG_NAME")));
        let resource = Resource::builder_empty()
            .with_attributes(named)
            .with_detector(Box::new(opentelemetry_sdk::resource::EnvResourceDetector::new()))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .with_attribute(KeyValue::new("service.instance.id", instance.as_str().to_owned()))
            .build();
        processor.set_resource(&resource);
        Ok(Self { processor })
    }

    /// Sends what is waiting, and ends. It blocks for two seconds at most.
    pub fn end(&self) {
        if let Err(error) = self.processor.shutdown_with_timeout(LAST_WORDS) {
            tracing::warn!(%error, "the last traces were not taken");
        }
    }
}

impl CallTrace {
    /// Begins with an attempt of a call, at a time in milliseconds since 1970.
    ///
    /// Twilio's CallSid is 128 random bits in hexadecimal, and so is the name of a trace: they are the same, so that a
    /// call is found by its CallSid, and all its attempts are one trace wherever they were carried.
    pub fn begin(call: &CallSid, attempt: u8, at_ms: i64) -> Self {
        let digits = call.as_str().strip_prefix("CA").filter(|digits| digits.len() == 32);
        let bits = digits.and_then(|digits| u128::from_str_radix(digits, 16).ok()).filter(|bits| *bits != 0);
        let bits = bits.unwrap_or_else(|| hashed(call));
        let began = SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at_ms).unwrap_or(0));
        let spans = AtomicU32::new(0);
        let bytes = bits.to_be_bytes();
        let seed = bytes.iter().take(8).fold(0, |seed, byte| (seed << 8) | u64::from(*byte));
        let trace = TraceId::from_bytes(bytes);
        Self { trace, seed, attempt, began, spans, events: Vec::new() }
    }

    /// Something that happened in the call, so long after the attempt began.
    pub fn event(&mut self, name: &'static str, at: Duration, attributes: Vec<Attribute>) {
        if self.events.len() < MOST_EVENTS {
            self.events.push(Event::new(name, self.began + at, attributes, 0));
        }
    }

    /// Something that took from one moment to another, so long after the attempt began.
    pub fn span(
        &self,
        name: &'static str,
        from: Duration,
        to: Duration,
        of: Vec<Attribute>,
        to_traces: &Traces,
    ) {
        let number = self.spans.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        let span = self.named(name, (self.attempt, number), (self.attempt, 0));
        let span = SpanData {
            start_time: self.began + from.min(to),
            end_time: self.began + to,
            attributes: of,
            ..span
        };
        to_traces.processor.on_end(span);
    }

    /// The attempt is over: its root span, so long after it began. The first attempt's is the call's.
    pub fn end(self, lasted: Duration, of: Vec<Attribute>, failed: Option<String>, to_traces: &Traces) {
        let root = self.named("call", (self.attempt, 0), (1, 0));
        let mut events = SpanEvents::default();
        let end_time = self.began + lasted;
        let status = failed.map_or(Status::Ok, Status::error);
        let parent_span_id = if self.attempt > 1 { root.parent_span_id } else { SpanId::INVALID };
        let (start_time, span_kind) = (self.began, SpanKind::Server);
        events.events = self.events;
        to_traces.processor.on_end(SpanData {
            parent_span_id,
            parent_span_is_remote: self.attempt > 1,
            span_kind,
            start_time,
            end_time,
            attributes: of,
            events,
            status,
            ..root
        });
    }

    fn named(&self, name: &'static str, (attempt, number): (u8, u32), parent: (u8, u32)) -> SpanData {
        let flags = TraceFlags::SAMPLED;
        SpanData {
            span_context: SpanContext::new(
                self.trace,
                self.id(attempt, number),
                flags,
                false,
                TraceState::default(),
            ),
            parent_span_id: self.id(parent.0, parent.1),
            parent_span_is_remote: false,
            span_kind: SpanKind::Internal,
            name: name.into(),
            start_time: self.began,
            end_time: self.began,
            attributes: Vec::new(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: Status::Unset,
            instrumentation_scope: InstrumentationScope::builder(env!("CARGO_PKG_NAME")).build(),
        }
    }

    /// The name of a span: known to whoever carries another attempt, and no other's in this trace.
    fn id(&self, attempt: u8, number: u32) -> SpanId {
        let id = self.seed ^ ((u64::from(attempt) << 32) | u64::from(number));
        SpanId::from_bytes(id.max(1).to_be_bytes())
    }
}

/// For a CallSid that is none of Twilio's.
fn hashed(call: &CallSid) -> u128 {
    let digest = Sha256::digest(call.as_str());
    digest.iter().take(16).fold(0, |bits, byte| (bits << 8) | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use axum::Router;
    use axum::body::Bytes;
    use axum::routing::post;
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use prost::Message as _;

    use super::*;

    const CALL: &str = "CA0123456789abcdef0123456789abcdef";

    /// A collector that keeps what it is sent, read by the protocol's own definition.
    async fn collector() -> (String, Arc<Mutex<Vec<ExportTraceServiceRequest>>>) {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&taken);
        let take = post(move |body: Bytes| async move {
            keep.lock().unwrap().push(ExportTraceServiceRequest::decode(body).unwrap());
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let serve = axum::serve(listener, Router::new().route("/v1/traces", take));
        crate::lifecycle::Tasks::new().spawn_background("collector", async move {
            let _ended = serve.await;
        });
        (url, taken)
    }

    fn attempt(call: &CallSid, attempt: u8, traces: &Traces) {
        let mut trace = CallTrace::begin(call, attempt, 1_790_000_000_000);
        trace.event("first audio", Duration::from_millis(21), vec![]);
        let of = vec![KeyValue::new("turn.speaker", "model")];
        trace.span("turn", Duration::from_secs(1), Duration::from_secs(3), of, traces);
        let failed = (attempt == 1).then(|| "stream_lost".to_owned());
        trace.end(Duration::from_secs(5), vec![KeyValue::new("call.id", call.to_string())], failed, traces);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_attempts_of_a_call_are_one_trace_under_its_call_sid() {
        let (url, taken) = collector().await;
        let traces = Traces::to(&url, &InstanceId::parse("i-1").unwrap()).unwrap();
        let call = CallSid::parse(CALL).unwrap();
        attempt(&call, 1, &traces);
        attempt(&call, 2, &traces);
        tokio::task::spawn_blocking(move || traces.end()).await.unwrap();
        let taken = taken.lock().unwrap();
        let resources: Vec<_> = taken.iter().flat_map(|request| &request.resource_spans).collect();
        let named = &resources[0].resource.as_ref().unwrap().attributes;
        let keys: Vec<_> = named.iter().map(|it| it.key.as_str()).collect();
        assert!(keys.contains(&"service.name") && keys.contains(&"service.instance.id"), "{keys:?}");
        let spans: Vec<&Span> =
            resources.iter().flat_map(|it| &it.scope_spans).flat_map(|scope| &scope.spans).collect();
        assert_eq!(spans.len(), 4);
        assert!(
            spans.iter().all(|span| span.trace_id == 0x0123456789abcdef0123456789abcdef_u128.to_be_bytes())
        );
        let roots: Vec<_> = spans.iter().filter(|span| span.name == "call").collect();
        let (first, second) = (roots[0], roots[1]);
        assert_eq!((first.parent_span_id.len(), &second.parent_span_id), (0, &first.span_id));
        assert_eq!(first.status.as_ref().unwrap().message, "stream_lost");
        assert_eq!(first.events[0].name, "first audio");
        assert_eq!(first.end_time_unix_nano - first.start_time_unix_nano, 5_000_000_000);
        for (turn, root) in spans.iter().filter(|span| span.name == "turn").zip([first, second]) {
            assert_eq!((&turn.parent_span_id, turn.attributes.len()), (&root.span_id, 1));
            assert_eq!(turn.end_time_unix_nano - turn.start_time_unix_nano, 2_000_000_000);
        }
        let mut names: Vec<_> = spans.iter().map(|span| &span.span_id).collect();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 4);
    }

    #[test]
    fn a_call_sid_that_is_none_of_twilios_has_a_trace_of_its_own_all_the_same() {
        let trace = |sid: &str| CallTrace::begin(&CallSid::parse(sid).unwrap(), 1, 0).trace;
        assert_ne!(trace("test123"), trace("test124"));
        assert_ne!(trace("CA00000000000000000000000000000000"), TraceId::INVALID);
    }

    #[test]
    fn a_hostile_call_cannot_fill_the_memory_with_events() {
        let mut trace = CallTrace::begin(&CallSid::parse(CALL).unwrap(), 1, 0);
        for _ in 0..MOST_EVENTS + 10 {
            trace.event("the caller interrupts", Duration::ZERO, vec![]);
        }
        assert_eq!(trace.events.len(), MOST_EVENTS);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_collector_that_is_away_holds_nobody_up() {
        let traces = Traces::to("http://127.0.0.1:1", &InstanceId::parse("i-1").unwrap()).unwrap();
        attempt(&CallSid::parse(CALL).unwrap(), 1, &traces);
        tokio::task::spawn_blocking(move || traces.end()).await.unwrap();
    }
}
