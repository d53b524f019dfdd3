//! The whole server beside a minimal relay and the machine's floor, in one run: `cargo bench --bench bridge`.
//!
//! **Who is measured**, each a process of its own on a core of its own, over loopback without TLS: `frontdesk serve` with
//! everything on, a minimal relay (`relay`: two sockets and one task a call, no features), and bytes from one socket to
//! the other (`pipe`). The load is a process on another core: callers who speak Twilio's wire, 50 messages a second and
//! every mark back when what stands before it was played, and models that speak Realtime's, 200 ms of audio five times a
//! second in an answer that does not end. The server is asked as Twilio asks: signed webhook, TwiML, signed handshake.
//!
//! **What is measured.** Every 20 ms of audio carries a stamp within its µ-law: whose it is, its number, when it left. So
//! each frame is accounted for, both ways, over the whole life of its call, and the added delay is what lies between
//! two readings of one clock. CPU is the process's own, and the kernel's on its behalf; memory is what is resident with all
//! calls, less what was before the first. A window opens when every call talks both ways, and is worth nothing when one of
//! them did not talk through it, a frame was lost or came out of order, or the load was busy beyond 90 % of its core:
//! then a line that begins with `!` says so. Ratios are of medians in one run.
//!
//! `--calls 100,1000 --seconds 8 --runs 3`, `--subjects serve,relay`, `--json` for a line per run. Where there is no
//! `taskset`, nobody is kept on a core, and the first line says so.
//!
//! The server sends what a model says up to 400 ms ahead of the caller's ear, and holds back what is beyond. A stall of the
//! machine that lets a model's words pile up leaves such a store behind, and holding back then counts as delay: the way
//! back is to be believed on a quiet machine alone.
//!
//! Not in it: TLS to the model, for the server trusts public roots alone.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::indexing_slicing,
    reason = "a benchmark prints, and may stop"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "a benchmark reads the clock, and has threads of its own that end with its process"
)]

mod engine;
mod frames;
mod load;
mod pipe;
mod process;
mod relay;
mod ring;
mod subject;
mod table;
mod tally;
mod webhooks;

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand};
use serde::Serialize;
use serde::de::DeserializeOwned;

use self::load::{Figures, Order};
use self::subject::Subject;
use self::table::{Row, table};
use self::webhooks::WebhookFigures;

/// A p99 of added delay beyond this, and a core has too many calls: it is what a frame lasts.
const MOST_DELAY_US: u32 = 20_000;

/// Calls more at each step of the search for a core's limit.
const STEP: u32 = 250;

/// The server itself takes no more at once.
const MOST_CALLS: u32 = 2_000;

/// Calls placed one after the other for the first audio.
const FIRST_AUDIO_CALLS: u32 = 15;

/// Webhooks asked for. A call nobody comes to is in flight for 15 s, and the server has its limit.
const WEBHOOKS: u32 = 1_500;

/// Compares the server with a minimal relay and the machine's floor.
#[derive(Debug, Parser)]
struct Arguments {
    /// How many calls at once, one after the other.
    #[arg(long, value_delimiter = ',', default_value = "100,200,500,1000", value_parser = clap::value_parser!(u32).range(1..=i64::from(MOST_CALLS)))]
    calls: Vec<u32>,
    /// How long each is measured.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=3_600))]
    seconds: u64,
    /// How often.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Who.
    #[arg(long, value_delimiter = ',', default_value = "serve,relay,pipe")]
    subjects: Vec<Subject>,
    /// Between two calls that begin, in microseconds.
    #[arg(long, default_value_t = 5_000)]
    between_us: u64,
    /// Leaves out the search for a core's limit, the first audio and the webhooks.
    #[arg(long)]
    short: bool,
    /// A line of JSON for each run beside the tables.
    #[arg(long)]
    json: bool,
    /// The server, when not the one that was built beside this.
    #[arg(long, default_value = env!("CARGO_BIN_EXE_frontdesk"))]
    server: PathBuf,
    /// The core of whom we measure.
    #[arg(long, default_value_t = 0)]
    subject_core: usize,
    /// The core of the load.
    #[arg(long, default_value_t = 1)]
    load_core: usize,
    /// Cargo says so to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What this program is when it starts itself again.
#[derive(Debug, Subcommand)]
#[command(hide = true)]
enum Part {
    /// The minimal relay.
    Relay(Ends),
    /// The raw relay.
    Pipe(Ends),
    /// The load: an order as JSON, figures as JSON.
    Load { order: String },
    /// The webhooks: the same.
    Webhooks { order: String },
}

#[derive(Debug, clap::Args)]
struct Ends {
    #[arg(long)]
    listen: SocketAddr,
    #[arg(long)]
    model: SocketAddr,
}

/// A line for programs.
#[derive(Serialize)]
struct Line<'a, F> {
    measured: &'static str,
    subject: Subject,
    run: u32,
    #[serde(flatten)]
    figures: &'a F,
}

fn main() -> anyhow::Result<()> {
    let mut arguments = Arguments::parse();
    match arguments.part.take() {
        Some(Part::Relay(ends)) => relay::run(ends.listen, ends.model),
        Some(Part::Pipe(ends)) => pipe::run(ends.listen, ends.model),
        Some(Part::Load { order }) => answer(&load::run(&serde_json::from_str(&order)?)?),
        Some(Part::Webhooks { order }) => answer(&webhooks::run(&serde_json::from_str(&order)?)?),
        None => arguments.compare(),
    }
}

fn answer(figures: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(figures)?);
    Ok(())
}

impl Arguments {
    fn compare(&self) -> anyhow::Result<()> {
        println!("{}", process::machine());
        if !process::can_pin() {
            println!("There is no taskset: nobody is kept on a core.");
        }
        let optimised = !cfg!(debug_assertions);
        if !optimised {
            println!("An unoptimised build: these figures say nothing.");
        }
        let (rows, runs) = (self.rows()?, self.runs);
        println!("\n{} s each, medians of {runs} runs:\n\n{}", self.seconds, table(&rows));
        if self.short {
            return Ok(());
        }
        println!(
            "Calls a core carries with p99 of the added delay within {} ms, both ways:",
            MOST_DELAY_US / 1_000
        );
        for subject in &self.subjects {
            self.limit(*subject, &rows)?;
        }
        println!(
            "\nFirst audio after `start`; model: 150 ms to connect, 50 to set up, 300 to speak; stream 400 ms after the TwiML:"
        );
        for subject in self.subjects.iter().filter(|subject| subject.asks()) {
            let figures = self.measure(*subject, 0, "first_audio", FIRST_AUDIO_CALLS, true)?;
            let first = figures.first_audio_us;
            println!("  {:<24} p50 {:.1} ms, most {:.1} ms", subject.name(), ms(first.p50), ms(first.max));
        }
        println!("\nWebhooks, each with a call begun and its model dialled:");
        for subject in self.subjects.iter().filter(|subject| subject.webhook()) {
            self.webhooks(*subject)?;
        }
        Ok(())
    }

    /// Subjects take turns, so that a machine that grows slower does so for all.
    fn rows(&self) -> anyhow::Result<Vec<Row>> {
        let mut rows = Vec::new();
        for calls in &self.calls {
            let mut of_calls: Vec<Row> = Vec::new();
            for subject in &self.subjects {
                of_calls.push(Row { subject: *subject, calls: *calls, runs: Vec::new() });
            }
            for run in 1..=self.runs {
                for row in &mut of_calls {
                    eprintln!("{} calls, run {run}: {}", row.calls, row.subject.name());
                    match self.measure(row.subject, run, "load", row.calls, false) {
                        Ok(figures) => row.runs.push(figures),
                        Err(error) => println!("! {} with {calls} calls: {error:#}", row.subject.name()),
                    }
                }
            }
            rows.extend(of_calls);
        }
        Ok(rows)
    }

    /// From the most calls that were measured on, by steps, until it is too many.
    fn limit(&self, subject: Subject, rows: &[Row]) -> anyhow::Result<()> {
        let good = |figures: &Figures| {
            let delay = figures.up.delay_us.p99.max(figures.down.delay_us.p99);
            figures.doubt().is_none() && delay <= MOST_DELAY_US
        };
        let mut carried = 0;
        for row in rows.iter().filter(|row| row.subject == subject) {
            if row.runs.iter().filter(|run| good(run)).count() * 2 > row.runs.len() {
                carried = carried.max(row.calls);
            }
        }
        let why = loop {
            let calls = (carried / STEP + 1) * STEP;
            if calls > MOST_CALLS {
                break "the most that was tried".to_owned();
            }
            match self.measure(subject, 0, "limit", calls, false) {
                Ok(figures) if good(&figures) => carried = calls,
                Ok(figures) => {
                    let delays = (ms(figures.up.delay_us.p99), ms(figures.down.delay_us.p99));
                    let doubt = figures.doubt().map(|doubt| format!("; {doubt}")).unwrap_or_default();
                    break format!("with {calls}: p99 {:.1} and {:.1} ms{doubt}", delays.0, delays.1);
                }
                Err(error) => break format!("with {calls}: {error:#}"),
            }
        };
        println!("  {:<24} {carried} ({why})", subject.name());
        Ok(())
    }

    fn measure(
        &self,
        subject: Subject,
        run: u32,
        measured: &'static str,
        calls: u32,
        delays: bool,
    ) -> anyhow::Result<Figures> {
        let between_us = if delays { 400_000 } else { self.between_us };
        let seconds = if delays { 1 } else { self.seconds };
        self.order("load", subject, run, measured, |order| {
            order.calls = calls;
            order.between_us = between_us;
            order.seconds = seconds;
            order.delays = delays;
        })
    }

    fn webhooks(&self, subject: Subject) -> anyhow::Result<()> {
        let figures: WebhookFigures =
            self.order("webhooks", subject, 0, "webhooks", |order| order.calls = WEBHOOKS)?;
        println!(
            "  {:<24} {:.0} a second, {:.2} ms of CPU each; answered after p50 {:.1}, p99 {:.1} ms",
            subject.name(),
            figures.per_second,
            figures.cpu_ms,
            ms(figures.answer_us.p50),
            ms(figures.answer_us.p99),
        );
        Ok(())
    }

    /// Starts the subject and the load, and gives what the load measured.
    fn order<F: Serialize + DeserializeOwned>(
        &self,
        part: &'static str,
        subject: Subject,
        run: u32,
        measured: &'static str,
        change: impl FnOnce(&mut Order),
    ) -> anyhow::Result<F> {
        let running = subject.start(self.subject_core, &self.server)?;
        let mut order = Order {
            subject: running.address,
            process: running.id(),
            model: running.model,
            webhook: subject.webhook(),
            asks: subject.asks(),
            calls: 1,
            between_us: self.between_us,
            seconds: self.seconds,
            delays: false,
        };
        change(&mut order);
        let order = serde_json::to_string(&order)?;
        let mut load = process::pinned(&std::env::current_exe()?, self.load_core);
        let said = load
            .args([part, &order])
            .env("RUST_BACKTRACE", "0")
            .output()
            .context("the load cannot be started")?;
        ensure!(
            said.status.success(),
            "{}\n{}",
            String::from_utf8_lossy(&said.stderr).trim(),
            last_lines(&running.log())
        );
        let figures: F = serde_json::from_slice(&said.stdout)?;
        if self.json {
            println!("{}", serde_json::to_string(&Line { measured, subject, run, figures: &figures })?);
        }
        Ok(figures)
    }
}

fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().rev().take(3).collect();
    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
}

fn ms(us: u32) -> f64 {
    f64::from(us) / 1_000.0
}
