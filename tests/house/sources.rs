//! What every file of the repository keeps to.

use crate::tree;

/// The longest file, in lines. Four hundred is already a question.
const LONGEST: usize = 600;

/// Where texts of ours are: folders, and files at the top.
const OURS: [&str; 6] = ["src", "tests", "benches", "migrations", ".ci", ".github"];
const AT_THE_TOP: [&str; 11] = [
    "ARCHITECTURE.md",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE",
    "fly.toml",
    "render.yaml",
    ".clippy.toml",
    ".dockerignore",
    ".env.example",
    ".gitignore",
    ".railway/railway.ts",
];

#[test]
fn every_rust_file_says_first_what_it_is_and_ends_within_the_limit() {
    let mut wrong = Vec::new();
    for (path, text) in ["src", "tests", "benches"].iter().flat_map(|folder| tree::rust_below(folder)) {
        if !text.starts_with("//! ") {
            wrong.push(format!("{path} does not begin with `//!` and a sentence"));
        }
        let lines = text.lines().count();
        if lines > LONGEST {
            wrong.push(format!("{path} has {lines} lines; the limit is {LONGEST}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn no_file_knows_the_machine_it_was_written_on() {
    // In pieces, so that this file does not know one either.
    let homes =
        [["/home", "/"], ["/root", "/"], ["/Users", "/"], ["/work", "/"], ["/tmp", "/"], ["C:", "\\"]];
    let homes = homes.map(|pieces| pieces.concat());
    let folders = OURS.iter().flat_map(|folder| tree::files_below(folder));
    let mut wrong = Vec::new();
    for path in folders.chain(AT_THE_TOP.map(str::to_owned)) {
        let text = tree::read(&path);
        for (number, line) in text.lines().enumerate() {
            if homes.iter().any(|home| line.contains(home.as_str())) {
                wrong.push(format!("{path}:{}: {line}", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}
