//! `frontdesk replay FILE`: runs a logged call through the machine again and shows every decision.

use std::io::Write;
use std::path::Path;

use anyhow::Context as _;

use crate::call::event_log::{self, Verdict};
use crate::call::told::{Kind, Sentence, Teller};
use crate::call::{Input, Output};
use crate::domain::Moment;

/// Replays the log at `path` and prints it. An error when it cannot be read, or when the machine of today decides
/// otherwise than the one that wrote it.
pub(super) fn run(path: &Path, out: &mut dyn Write) -> anyhow::Result<()> {
    let log = std::fs::read_to_string(path).with_context(|| format!("could not read {}", path.display()))?;
    let brief = event_log::brief(&log).with_context(|| format!("could not read {}", path.display()))?;
    writeln!(out, "{} · attempt {} · {}", brief.call, brief.attempt, brief.business.name)?;
    let mut page = Page::new(out);
    let verdict = event_log::replay(&log, |at, input, outputs| page.step(at, input, outputs));
    page.finish()?;
    match verdict.with_context(|| format!("could not replay {}", path.display()))? {
        Verdict::Identical { inputs, outputs, cut_off } => {
            let end = if cut_off { "; its last line was cut off" } else { "" };
            writeln!(out, "{inputs} inputs, {outputs} outputs, identical to the byte{end}")?;
            Ok(())
        }
        Verdict::Differs { line, at, logged, replayed } => {
            anyhow::bail!(
                "line {line}, at {at}: this program decides otherwise than the one that wrote the log\n  \
                 then: {logged}\n  now:  {replayed}"
            )
        }
    }
}

/// Prints sentences.
struct Page<'a> {
    out: &'a mut dyn Write,
    teller: Teller,
    failed: std::io::Result<()>,
}

impl<'a> Page<'a> {
    fn new(out: &'a mut dyn Write) -> Self {
        Self { out, teller: Teller::default(), failed: Ok(()) }
    }

    fn step(&mut self, at: Moment, input: &Input, outputs: &[Output]) {
        let Self { out, teller, failed } = self;
        teller.step(at, input, outputs, |sentence| print(*out, failed, &sentence));
    }

    fn finish(self) -> std::io::Result<()> {
        let Self { out, teller, mut failed } = self;
        teller.finish(|sentence| print(out, &mut failed, &sentence));
        failed
    }
}

fn print(out: &mut dyn Write, failed: &mut std::io::Result<()>, sentence: &Sentence) {
    let Sentence { at, kind, text } = sentence;
    let at = at.map(|at| at.to_string()).unwrap_or_default();
    let text = match kind {
        Kind::Input => text.clone(),
        Kind::Output | Kind::Note => format!("  {text}"),
        Kind::Audio => format!("· {text}"),
    };
    let written = writeln!(out, "{at:>10}  {text}");
    *failed = std::mem::replace(failed, Ok(())).and(written);
}
