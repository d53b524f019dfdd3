//! The table of the doctor's page: written by these tests, and compared with what they find.

use std::fmt::Write as _;
use std::path::PathBuf;

use frontdesk::doctor::row::{Known, Row};

use crate::fixture::{Fixture, Seen};

/// Has the table written anew.
pub(crate) const WRITES: &str = "FRONTDESK_TEST_WRITE_TABLE";

const BEGIN: &str = "<!-- rows -->\n";
const END: &str = "<!-- /rows -->\n";

/// Whether to write it.
#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says whether the page is theirs")]
pub(crate) fn writes() -> bool {
    std::env::var(WRITES).is_ok_and(|value| value == "1")
}

/// The table as it is found: a line each fixture, then the rows without any.
pub(crate) fn text(played: &[(&Fixture, &Seen)]) -> String {
    let mut text = "| row | cause | provoked by | the doctor says |\n| --- | --- | --- | --- |\n".to_owned();
    let mut above = None;
    for (fixture, seen) in played {
        let row = fixture.expected.row();
        let (id, cause) = match row {
            _ if above == Some(row) => ("", ""),
            None => ("", "nothing is wrong"),
            Some(row) => (row.known().id, row.known().cause),
        };
        above = Some(row);
        writeln!(text, "| {id} | {cause} | {} | {} |", fixture.name, seen.verdict()).unwrap();
    }
    text.push_str("\nWhat no probe shows, and Twilio's memory alone:\n\n");
    for row in Row::ALL {
        let Known { id, cause, .. } = row.known();
        if let Some(why) = row.unprovable() {
            writeln!(text, "- {id}, {cause}: {why}.").unwrap();
        }
    }
    text
}

/// The same for whoever watches, with seconds.
pub(crate) fn timed(played: &[(&Fixture, &Seen)]) -> String {
    let lines = text(played);
    let mut timed = String::new();
    let mut seconds = played.iter().map(|(_, seen)| format!(" {:.1} s |", seen.took.as_secs_f64()));
    for (number, line) in lines.lines().enumerate() {
        let more = match number {
            0 => " took |".to_owned(),
            1 => " --- |".to_owned(),
            _ => seconds.next().unwrap_or_default(),
        };
        writeln!(timed, "{line}{more}").unwrap();
    }
    timed
}

/// The rows no fixture is about.
pub(crate) fn rows_without(played: &[(&Fixture, &Seen)]) -> Vec<Row> {
    let about = |row: &Row| played.iter().any(|(fixture, _)| fixture.expected.row() == Some(*row));
    Row::ALL.iter().copied().filter(|row| !about(row)).collect()
}

/// The lines that the page has otherwise, or not at all; and those that it has and nobody found, unless some of the
/// fixtures were skipped.
pub(crate) fn differences(found: &str, skipped: bool) -> Vec<String> {
    let found = &for_the_page(found);
    let page = std::fs::read_to_string(page()).unwrap();
    let (_, table) = page.split_once(BEGIN).expect("the page has a place for the table");
    let (written, _) = table.split_once(END).expect("the page's table has an end");
    let only = |of: &str, other: &str, whose: &str| {
        let lines = of.lines().filter(|line| !other.lines().any(|same| same == *line));
        lines.map(|line| format!("{whose} {line}")).collect::<Vec<_>>()
    };
    let mut differences = only(found, written, "is  ");
    if !skipped {
        differences.extend(only(written, found, "page"));
    }
    differences
}

/// Writes it into the page.
pub(crate) fn write(played: &[(&Fixture, &Seen)]) {
    let old = std::fs::read_to_string(page()).unwrap();
    let (before, rest) = old.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    std::fs::write(page(), [before, BEGIN, "\n", &for_the_page(&text(played)), "\n", END, after].concat())
        .unwrap();
}

/// A page takes what stands in angle brackets for HTML, and shows nothing of it.
fn for_the_page(table: &str) -> String {
    table.replace('<', "&lt;")
}

fn page() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "src/doctor/README.md"].iter().collect()
}
