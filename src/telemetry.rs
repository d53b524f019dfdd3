//! What the outside may know of us while we run: the log, and the time of day it is stamped with.
//!
//! On a terminal the log is for eyes, on standard error. Elsewhere it is one JSON object a line on standard output,
//! because platforms take whatever comes on standard error for an error: `level`, `message`, then the fields of the
//! event and of every span around it, flat, so that `@call.id:CA…` finds a call.

pub mod metrics;
pub mod traces;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::fmt::{self, Write as _};
use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormattedFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For eyes, on standard error.
    Pretty,
    /// One JSON object a line, on standard output.
    Json,
}

impl Format {
    /// [`Format::Pretty`] when somebody is watching standard error, [`Format::Json`] otherwise.
    pub fn fitting() -> Self {
        if io::stderr().is_terminal() { Self::Pretty } else { Self::Json }
    }
}

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter is none.
    #[error("cannot read the log filter; write RUST_LOG like `info` or `frontdesk=debug,info`")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// A log was set up before.
    #[error("cannot set up the log twice in one process")]
    Twice(#[from] tracing::subscriber::SetGlobalDefaultError),
}

/// Starts the log of this process, with what `filter` (in the words of `RUST_LOG`) lets through, and makes every
/// panic one line of it. Fails on a filter that is none, and when a log was started before.
pub fn init(format: Format, filter: &str) -> Result<(), TelemetryError> {
    match format {
        Format::Pretty => {
            let colours = io::stderr().is_terminal();
            tracing::subscriber::set_global_default(pretty(filter, colours, io::stderr)?)?;
        }
        Format::Json => tracing::subscriber::set_global_default(json(filter, io::stdout)?)?,
    }
    std::panic::set_hook(Box::new(log_panic));
    Ok(())
}

/// A log for eyes into any writer, for tests and commands. Fails on a filter that is none.
pub fn pretty<W>(
    filter: &str,
    colours: bool,
    writer: W,
) -> Result<impl Subscriber + Send + Sync + use<W>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let log = tracing_subscriber::fmt().with_target(false).with_timer(TimeOfDay).with_ansi(colours);
    Ok(log.with_env_filter(EnvFilter::try_new(filter)?).with_writer(writer).finish())
}

/// The JSON log into any writer. Fails on a filter that is none.
pub fn json<W>(filter: &str, writer: W) -> Result<impl Subscriber + Send + Sync + use<W>, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let log = tracing_subscriber::fmt().fmt_fields(JsonFields).event_format(JsonLine);
    Ok(log.with_env_filter(EnvFilter::try_new(filter)?).with_writer(writer).finish())
}

/// The time of day in milliseconds since 1970, UTC.
pub fn wall_clock() -> i64 {
    now().as_millisecond()
}

/// The time of day as RFC 3339 in UTC with milliseconds: `2026-11-21T09:30:00.125Z`.
pub fn timestamp() -> String {
    format!("{:.3}", now())
}

#[expect(clippy::disallowed_methods, reason = "this room tells everybody else the time of day")]
fn now() -> jiff::Timestamp {
    jiff::Timestamp::now()
}

/// One line for a panic, in place of the runtime's several: a log collector would take them for as many messages.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string).unwrap_or_default();
    let text = panic.payload_as_str().unwrap_or("(no text)");
    let backtrace = Backtrace::capture();
    let asked_for = backtrace.status() == BacktraceStatus::Captured;
    tracing::error!(
        place,
        backtrace = asked_for.then(|| tracing::field::display(backtrace)),
        "panicked: {text}"
    );
}

/// The time of day on a terminal; the date is known there.
struct TimeOfDay;

impl FormatTime for TimeOfDay {
    fn format_time(&self, w: &mut Writer<'_>) -> fmt::Result {
        w.write_str(timestamp().get(11..23).unwrap_or_default())
    }
}

/// Writes an event as a line of JSON.
struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            tracing::Level::ERROR => "error",
            tracing::Level::WARN => "warn",
            tracing::Level::INFO => "info",
            tracing::Level::DEBUG => "debug",
            tracing::Level::TRACE => "trace",
        };
        write!(writer, "{{\"timestamp\":\"{}\",\"level\":\"{level}\"", timestamp())?;
        let mut fields = Fields { out: &mut writer, outcome: Ok(()) };
        event.record(&mut fields);
        fields.outcome?;
        for span in context.event_scope().into_iter().flat_map(tracing_subscriber::registry::Scope::from_root)
        {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                writer.write_str(&fields.fields)?;
            }
        }
        write!(writer, ",\"target\":\"{}\"}}", metadata.target())?;
        writeln!(writer)
    }
}

/// Writes the fields of a span once, as the pieces of JSON every line inside it will carry: `,"call.id":"CA…"`.
struct JsonFields;

impl<'w> FormatFields<'w> for JsonFields {
    fn format_fields<R: tracing_subscriber::field::RecordFields>(
        &self,
        mut writer: Writer<'w>,
        fields: R,
    ) -> fmt::Result {
        let mut pieces = Fields { out: &mut writer, outcome: Ok(()) };
        fields.record(&mut pieces);
        pieces.outcome
    }

    fn add_fields(
        &self,
        current: &'w mut FormattedFields<Self>,
        fields: &tracing::span::Record<'_>,
    ) -> fmt::Result {
        self.format_fields(current.as_writer(), fields)
    }
}

struct Fields<'a, W> {
    out: &'a mut W,
    outcome: fmt::Result,
}

impl<W: fmt::Write> Fields<'_, W> {
    fn name(&mut self, field: &Field) -> fmt::Result {
        // The words of the line itself are not for fields to say a second time.
        let prefix = if matches!(field.name(), "timestamp" | "level" | "target") { "field." } else { "" };
        write!(self.out, ",\"{prefix}{}\":", field.name())
    }

    fn number(&mut self, field: &Field, number: impl fmt::Display) {
        self.outcome =
            self.outcome.and_then(|()| self.name(field)).and_then(|()| write!(self.out, "{number}"));
    }

    fn text(&mut self, field: &Field, text: fmt::Arguments<'_>) {
        self.outcome = self.outcome.and_then(|()| {
            self.name(field)?;
            self.out.write_char('"')?;
            Escaped(self.out).write_fmt(text)?;
            self.out.write_char('"')
        });
    }
}

impl<W: fmt::Write> Visit for Fields<'_, W> {
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.number(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.number(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.number(field, value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no word for the others.
        if value.is_finite() {
            self.number(field, value);
        } else {
            self.text(field, format_args!("{value}"));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, format_args!("{value}"));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut chain = value.to_string();
        let mut source = value.source();
        while let Some(cause) = source {
            // A `String` takes everything.
            let _ok = write!(chain, ": {cause}");
            source = cause.source();
        }
        self.record_str(field, &chain);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format_args!("{value:?}"));
    }
}

/// Text as the inside of a JSON string, written through without a copy.
struct Escaped<'a, W>(&'a mut W);

impl<W: fmt::Write> fmt::Write for Escaped<'_, W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for piece in text.split_inclusive(|c: char| c == '"' || c == '\\' || c.is_control()) {
            let mut chars = piece.chars();
            match chars.next_back() {
                Some('"') => write!(self.0, "{}\\\"", chars.as_str())?,
                Some('\\') => write!(self.0, "{}\\\\", chars.as_str())?,
                Some('\n') => write!(self.0, "{}\\n", chars.as_str())?,
                Some(c) if c.is_control() => write!(self.0, "{}\\u{:04x}", chars.as_str(), u32::from(c))?,
                Some(_) | None => self.0.write_str(piece)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_line_of_json_has_the_message_the_fields_and_those_of_every_span_around_it() {
        let lines = logged(|| {
            let call =
                tracing::info_span!("call", call.id = "CA1", attempt = 2_u64, ended = tracing::field::Empty);
            let _in_call = call.enter();
            let turn = tracing::info_span!("turn", speaker = ?Some("caller"));
            let _in_turn = turn.enter();
            call.record("ended", true);
            tracing::warn!(
                level = "mine",
                delay_ms = -5,
                ratio = 0.5,
                odd = f64::NAN,
                "heard \"{}\"",
                "a\nb\\\u{7}é"
            );
        });
        let line: serde_json::Value = serde_json::from_str(&lines).expect(&lines);
        assert_eq!(line["level"], "warn");
        assert_eq!(line["message"], "heard \"a\nb\\\u{7}é\"");
        assert_eq!(line["call.id"], "CA1");
        assert_eq!(line["attempt"], 2);
        assert_eq!(line["ended"], true);
        assert_eq!(line["speaker"], "Some(\"caller\")");
        assert_eq!(line["delay_ms"], -5);
        assert_eq!(line["ratio"], 0.5);
        assert_eq!(line["odd"], "NaN");
        assert_eq!(line["field.level"], "mine");
        assert_eq!(line["target"], "frontdesk::telemetry::tests");
        line["timestamp"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
        assert_eq!(lines.lines().count(), 1);
    }

    #[test]
    fn an_error_is_logged_with_its_causes() {
        #[derive(Debug, thiserror::Error)]
        #[error("cannot reach the model")]
        struct Outer(#[from] fmt::Error);
        let outer = Outer(fmt::Error);
        let lines = logged(|| tracing::error!(error = &outer as &dyn std::error::Error, "no answer"));
        assert!(lines.contains("cannot reach the model: an error occurred"), "{lines}");
    }

    #[test]
    fn a_log_for_eyes_has_no_colours_where_nobody_looks() {
        let written = Written::default();
        let subscriber = pretty("info", false, written.maker()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(port = 8080, "listening");
            tracing::debug!("not this");
        });
        let text = written.text();
        assert!(text.contains("INFO listening port=8080\n"), "{text}");
        assert!(!text.contains('\u{1b}') && !text.contains("not this"), "{text}");
    }

    #[test]
    fn a_filter_that_is_none_is_refused_with_an_example() {
        let Err(error) = json("frontdesk=loud", io::sink) else { panic!("taken") };
        assert!(error.to_string().contains("frontdesk=debug,info"), "{error}");
    }

    #[test]
    fn the_time_of_day_is_utc_with_milliseconds() {
        let stamp = timestamp();
        assert_eq!((stamp.len(), stamp.ends_with('Z')), (24, true), "{stamp}");
        let millis = stamp.parse::<jiff::Timestamp>().unwrap().as_millisecond();
        assert!((wall_clock() - millis).abs() < 10_000);
    }

    fn logged(events: impl FnOnce()) -> String {
        let written = Written::default();
        tracing::subscriber::with_default(json("info", written.maker()).unwrap(), events);
        written.text()
    }

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl Written {
        fn maker(&self) -> impl Fn() -> Self + Send + Sync + 'static {
            let written = self.clone();
            move || written.clone()
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
