//! What people read.

use std::io::{self, Write};

use super::examination::{Examined, Step, Tone};
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
