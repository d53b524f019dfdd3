//! The table in the README: written by these tests, and compared with what they find.

use std::fmt::Write as _;
use std::path::PathBuf;

use crate::fault::Fault;
use crate::judge::Judged;

/// Has the table written anew.
pub(crate) const WRITES: &str = "FRONTDESK_TEST_WRITE_TABLE";

const BEGIN: &str = "<!-- faults: written by `FRONTDESK_TEST_WRITE_TABLE=1 cargo test --test faults` -->\n";
const END: &str = "<!-- end of faults -->\n";

const HEAD: &str = "| fault | what the caller hears from then on | silent for at most | where the call goes | kept as |\n\
                    | --- | --- | --- | --- | --- |\n";

/// Whether to write it.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says whether the README is theirs")]
pub(crate) fn writes() -> bool {
    std::env::var(WRITES).is_ok_and(|value| value == "1")
}

/// The rows as they are written now.
pub(crate) fn written() -> Vec<String> {
    let readme = std::fs::read_to_string(readme()).unwrap();
    let (_, table) = readme.split_once(BEGIN).expect("the README has a place for the table");
    let (table, _) = table.split_once(END).expect("the README's table has an end");
    table.lines().skip(2).take_while(|line| line.starts_with('|')).map(str::to_owned).collect()
}

/// Whether the row of that fault is written so, but for its figure.
pub(crate) fn agrees(written: &[String], fault: &Fault, judged: &Judged) -> bool {
    let row = without_figure(&row(fault, judged));
    written.iter().any(|line| without_figure(line) == row)
}

/// The rows that are written otherwise, or not at all, or for no fault.
pub(crate) fn differences(written: &[String], faults: &[Fault], judged: &[Judged]) -> Vec<String> {
    let found: Vec<String> = faults.iter().zip(judged).map(|(fault, judged)| row(fault, judged)).collect();
    let same = |one: &String, other: &String| without_figure(one) == without_figure(other);
    let new = found.iter().filter(|row| !written.iter().any(|line| same(line, row)));
    let old = written.iter().filter(|line| !found.iter().any(|row| same(line, row)));
    let new = new.map(|row| format!("is     {row}"));
    let mut differences: Vec<String> = old.map(|row| format!("README {row}")).chain(new).collect();
    differences.sort_by_key(|line| line.split('|').nth(1).map(str::to_owned));
    differences
}

/// The table.
pub(crate) fn text(faults: &[Fault], judged: &[Judged]) -> String {
    let mut text = HEAD.to_owned();
    for (fault, judged) in faults.iter().zip(judged) {
        writeln!(text, "{}", row(fault, judged)).unwrap();
    }
    text
}

/// Writes it into the README.
pub(crate) fn write(faults: &[Fault], judged: &[Judged]) {
    let old = std::fs::read_to_string(readme()).unwrap();
    let (before, rest) = old.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let mut greeted: Vec<u64> = judged.iter().filter_map(|judged| judged.greeted_ms).collect();
    greeted.sort_unstable();
    let middle = greeted[greeted.len() / 2];
    let longest = judged.iter().map(|judged| judged.silent_ms).max().unwrap();
    let figures = format!(
        "\n{} faults. A kept greeting began {middle} ms after `start` (median of {} rows, all under way at once); the longest \
         silence was {}.\n",
        faults.len() - 1,
        greeted.len(),
        seconds(longest),
    );
    std::fs::write(readme(), [before, BEGIN, &text(faults, judged), &figures, END, after].concat()).unwrap();
}

fn row(fault: &Fault, judged: &Judged) -> String {
    let Judged { heard, silent_ms, went, kept_as, .. } = judged;
    let exception = fault.exception.map(|why| format!(": {why}")).unwrap_or_default();
    format!("| {} | {heard} | {}{exception} | {went} | `{kept_as}` |", fault.name, seconds(*silent_ms))
}

fn seconds(ms: u64) -> String {
    format!("{}.{} s", ms / 1_000, ms % 1_000 / 100)
}

/// A row without what is measured.
fn without_figure(row: &str) -> String {
    let cells = row.split('|').enumerate().map(|(number, cell)| match (number, cell.split_once(" s")) {
        (3, Some((_, exception))) => exception.to_owned(),
        _ => cell.to_owned(),
    });
    cells.collect::<Vec<_>>().join("|")
}

fn readme() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "README.md"].iter().collect()
}
