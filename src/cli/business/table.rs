//! Tables and times for people: plain text that needs no colour and survives a pipe.

use std::io::Write;

/// Writes rows under a heading, every column as wide as its widest cell.
pub(super) fn write<const COLUMNS: usize>(
    out: &mut dyn Write,
    heading: [&str; COLUMNS],
    rows: impl Iterator<Item = [String; COLUMNS]>,
) -> anyhow::Result<()> {
    let rows: Vec<_> = std::iter::once(heading.map(str::to_owned)).chain(rows).collect();
    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}

/// Whatever people wrote or said, on one line, and without what would steer a terminal.
pub(super) fn on_one_line(text: &str) -> String {
    let plain: String = text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A time in UTC, to the second; one nobody can mean is the beginning of 1970.
pub(super) fn time(ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// A length as minutes and seconds, or with hours: `1:05`, `2:00:00`.
pub(super) fn length(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (hours, minutes, seconds) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes}:{seconds:02}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_lengths_are_short() {
        assert_eq!(time(1_790_000_000_999), "2026-09-21 14:13:20Z");
        assert_eq!([length(0), length(65_999), length(7_205_000)], ["0:00", "1:05", "2:00:05"]);
    }

    #[test]
    fn what_somebody_said_does_not_steer_a_terminal() {
        assert_eq!(on_one_line(" a\n\tb\u{1b}[2Jc "), "a b [2Jc");
    }
}
