//! What people read.

mod bundle;
mod news;

use std::io::{self, Write};

pub use self::news::News;
use super::examination::{Examined, Step, Tone};
use super::facts::{Asked, Facts};
use super::verdict::{Level, Suspect};

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

/// The verdict: what is proven, what is odd, what is at fault and how to mend it.
pub fn print(examined: &Examined, out: &mut dyn Write) -> io::Result<()> {
    let verdict = &examined.verdict;
    if [&verdict.proven, &verdict.explained, &verdict.odd].iter().any(|said| !said.is_empty()) {
        writeln!(out)?;
    }
    for (word, said) in
        [("proven", &verdict.proven), ("explained", &verdict.explained), ("odd", &verdict.odd)]
    {
        for line in said {
            writeln!(out, "{word:<10} {line}")?;
        }
    }
    for warning in &verdict.warnings {
        suspect("warning", warning, out)?;
    }
    if let Some(fault) = &verdict.fault {
        suspect("verdict", fault, out)?;
        if let Some(command) = log_command(&examined.facts) {
            writeln!(out, "{:<10} the edge's own log has more: {command}", "")?;
        }
        return bundle::print(examined, out);
    }
    writeln!(out)?;
    match verdict.level {
        Level::Healthy => writeln!(out, "{:<10} a call would connect", "verdict"),
        Level::Warning | Level::Fault => {
            writeln!(out, "{:<10} a call would connect, and something is not as it should be", "verdict")
        }
        Level::CannotTell => {
            for line in &verdict.unclear {
                writeln!(out, "{:<10} {line}", "unclear")?;
            }
            writeln!(out, "{:<10} too little could be seen to tell whether a call would connect", "verdict")
        }
    }
}

fn suspect(word: &str, suspect: &Suspect, out: &mut dyn Write) -> io::Result<()> {
    let known = suspect.row.known();
    writeln!(out, "\n{word:<10} {}: {}", known.id, known.cause)?;
    let evidence = suspect.evidence.iter().filter(|evidence| !evidence.is_empty());
    for (word, line) in
        evidence.map(|line| ("seen", line.as_str())).chain([("Twilio", known.twilio), ("do", known.fix)])
    {
        writeln!(out, "{word:>10} {line}")?;
    }
    Ok(())
}

/// How to read the log of the edge in front of a deployment, where it can be told which it is.
fn log_command(facts: &Facts) -> Option<&'static str> {
    let answers = facts.health.iter().chain(facts.twiml.as_ref().map(|twiml| &twiml.asked));
    let signs: Vec<&str> =
        answers.filter_map(Asked::answer).flat_map(|answer| &answer.edge).map(String::as_str).collect();
    let any = |name: &str| signs.iter().any(|sign| sign.starts_with(name));
    let host = facts.stream.host.as_str();
    if any("x-railway-") || host.ends_with(".railway.app") {
        return Some("railway logs --http --json --lines 50 --filter '@path:/twilio-media'");
    }
    if any("fly-request-id") || host.ends_with(".fly.dev") {
        return Some("fly logs");
    }
    if any("rndr-id") || any("x-render-origin-server") || host.ends_with(".onrender.com") {
        return Some("in the service's logs, in Render's dashboard");
    }
    None
}
