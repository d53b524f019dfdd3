//! What people read.

use std::io::{self, Write};

use super::examination::{Examined, Step, Tone};
use super::facts::{Asked, Facts};
use super::verdict::{Level, Suspect};
use crate::wire::doctor::Recent;

impl Step {
    /// One line of progress.
    pub fn print(&self, out: &mut dyn Write) -> io::Result<()> {
        let mark = match self.tone {
            Tone::Good => "✓",
            Tone::Bad => "✗",
            Tone::Skipped => "–",
        };
        writeln!(
            out,
            "{:>8.3}  {mark} {:<16} {}",
            f64::from(u32::try_from(self.at_ms).unwrap_or(u32::MAX)) / 1e3,
            self.phase,
            self.seen
        )
    }
}

/// The verdict: what is proven, what is at fault, how to mend it.
pub fn print(examined: &Examined, out: &mut dyn Write) -> io::Result<()> {
    let verdict = &examined.verdict;
    writeln!(out)?;
    for proven in &verdict.proven {
        writeln!(out, "proven   {proven}")?;
    }
    for warning in &verdict.warnings {
        suspect("warning", warning, out)?;
    }
    if let Some(command) = log_command(&examined.facts) {
        writeln!(out, "edge     its own log has more: {command}")?;
    }
    match (&verdict.fault, verdict.level) {
        (Some(fault), _) => suspect("fault", fault, out),
        (None, Level::Healthy | Level::Warning) => writeln!(out, "\nA call would connect."),
        (None, Level::Fault | Level::CannotTell) => {
            writeln!(out, "\nToo little could be seen to tell; the steps above say what is missing.")
        }
    }
}

fn suspect(word: &str, suspect: &Suspect, out: &mut dyn Write) -> io::Result<()> {
    let known = suspect.row.known();
    writeln!(out, "\n{word:<8} {}: {}", known.id, known.cause)?;
    for evidence in suspect.evidence.iter().filter(|evidence| !evidence.is_empty()) {
        writeln!(out, "         {evidence}")?;
    }
    writeln!(out, "  Twilio {}", known.twilio)?;
    writeln!(out, "  do     {}", known.fix)
}

/// How to read the log of the edge in front of a deployment, where it can be told which it is.
fn log_command(facts: &Facts) -> Option<&'static str> {
    let answers = facts.health.iter().chain(facts.twiml.as_ref().map(|twiml| &twiml.asked));
    let signs: Vec<&str> =
        answers.filter_map(Asked::answer).flat_map(|answer| &answer.edge).map(String::as_str).collect();
    let any = |name: &str| signs.iter().any(|sign| sign.starts_with(name));
    if any("x-railway-") {
        return Some("railway logs --http --json --lines 50 --filter '@path:/twilio-media'");
    }
    if any("fly-request-id") {
        return Some("fly logs");
    }
    if any("rndr-id") || any("x-render-origin-server") {
        return Some("render logs --resources SERVICE_ID --path /twilio-media");
    }
    None
}

/// What happened at a server since a time of its own clock, in milliseconds since 1970; in order, a line each.
pub fn news(recent: &Recent, since_ms: i64) -> Vec<String> {
    let mut lines: Vec<(i64, String)> = Vec::new();
    lines.extend(recent.sent.iter().map(|sent| {
        let kind = if sent.genuine { "" } else { ", whose CallSid is none of Twilio's" };
        let (call, attempt) = (&sent.call, sent.attempt);
        (sent.at_ms, format!("TwiML with a stream was answered for {call} (attempt {attempt}){kind}"))
    }));
    lines.extend(recent.upgrades.iter().map(|upgrade| {
        let call = upgrade.call.as_ref().map_or_else(String::new, |call| format!(" for {call}"));
        (upgrade.at_ms, format!("{}{call}: {}; {}", upgrade.verdict, upgrade.why, upgrade.seen))
    }));
    lines.extend(recent.stream_errors.iter().map(|error| {
        (error.at_ms, format!("Twilio says of {}: {}; {}", error.call, error.error, error.meaning))
    }));
    lines.extend(
        recent
            .findings
            .iter()
            .map(|finding| (finding.at_ms, format!("{} did not arrive: {}", finding.call, finding.says))),
    );
    lines.retain(|(at_ms, _)| *at_ms > since_ms);
    lines.sort_by_key(|(at_ms, _)| *at_ms);
    lines.into_iter().map(|(_, line)| line).collect()
}
