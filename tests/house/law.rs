//! The law of ARCHITECTURE.md: which room may use which, and what a pure room is without.

use std::collections::{BTreeMap, BTreeSet};

use crate::paths::{Mention, Token, mentions, tokens};
use crate::tree;

/// Rooms that only compute.
const PURE: [&str; 4] = ["domain", "wire", "audio", "call"];

/// What a pure room never says: waiting, clocks, chance, logs, and the crates of the outside. The calendar of `jiff` only
/// computes; its clocks are refused by the lints, its local time here.
const IMPURE_WORDS: [&str; 18] = [
    "async",
    "await",
    "tokio",
    "Instant",
    "SystemTime",
    "Zoned",
    "rand",
    "getrandom",
    "uuid",
    "tracing",
    "println",
    "eprintln",
    "axum",
    "hyper",
    "reqwest",
    "sqlx",
    "moka",
    "dotenvy",
];

/// What of the standard library is the outside.
const IMPURE_STD: [&str; 5] = ["env", "fs", "net", "process", "thread"];

/// Files that stand for the whole house and belong to no room.
const OUTSIDE: [&str; 2] = ["src/main.rs", "src/lib.rs"];

type Rows = BTreeMap<String, BTreeSet<String>>;

#[test]
fn every_room_uses_only_what_the_law_allows() {
    let breaches = breaches(&table(&tree::read("ARCHITECTURE.md")), &tree::rust_below("src"));
    assert!(breaches.is_empty(), "\n{}\n", breaches.join("\n"));
}

#[test]
fn the_law_itself_has_no_cycle() {
    let rows = table(&tree::read("ARCHITECTURE.md"));
    assert!(rows.len() > 10, "the table of ARCHITECTURE.md was not found");
    assert_eq!(cycle(&rows), None);
}

const SMALL_LAW: &str = "
| room | may use |
| --- | --- |
| `domain` | |
| `call` | `domain` |
| `store` | `domain` |
| `server` | all above |
| `sim` | `call` |
| `cli` | everything |
";

#[test]
fn the_table_is_read_as_it_is_written() {
    let rows = table(SMALL_LAW);
    let row = |name: &str| rows[name].iter().map(String::as_str).collect::<Vec<_>>().join(" ");
    assert_eq!(row("domain"), "");
    assert_eq!(row("call"), "domain");
    assert_eq!(row("server"), "call domain store");
    assert_eq!(row("cli"), "call domain server sim store");
}

#[test]
fn a_breach_is_found_however_it_is_written() {
    for (path, source, expected) in [
        (
            "src/store/sqlite.rs",
            "use crate::call::Call;",
            "src/store/sqlite.rs:1: `store` may not use `call`",
        ),
        ("src/store/mod.rs", "use crate::{domain::Plan,\n call::Call};", "`store` may not use `call`"),
        (
            "src/store/mod.rs",
            "\nfn f() { crate::sim::run() }",
            "src/store/mod.rs:2: `store` may not use `sim`",
        ),
        ("src/store/mod.rs", "use super::call::Call;", "`store` may not use `call`"),
        ("src/store/sqlite.rs", "use super::super::{call, domain};", "`store` may not use `call`"),
        ("src/store/sqlite.rs", "mod inner { use super::super::super::call; }", "`store` may not use `call`"),
        ("src/store.rs", "use super::call;", "`store` may not use `call`"),
        ("src/store.rs", "macro_rules! m { () => { $crate::cli::run() } }", "`store` may not use `cli`"),
        ("src/server.rs", "use crate::sim::run;", "`server` may not use `sim`"),
        ("src/attic.rs", "", "`attic` has no row in the law"),
        ("src/call/mod.rs", "async fn f() {}", "src/call/mod.rs:1: `call` is pure and says `async`"),
        ("src/call/mod.rs", "use std::time::{Duration, Instant};", "`call` is pure and says `Instant`"),
        ("src/call/mod.rs", "use std::{fmt, env};", "`call` is pure and uses `std::env`"),
        ("src/call/mod.rs", "fn f() { std::thread::yield_now() }", "`call` is pure and uses `std::thread`"),
        ("src/call/mod.rs", "fn f() { tracing::info!(\"x\") }", "`call` is pure and says `tracing`"),
        ("src/domain/mod.rs", "fn f() { uuid::Uuid::new_v4() }", "`domain` is pure and says `uuid`"),
    ] {
        let found = breaches(&table(SMALL_LAW), &with_rooms(path, source));
        assert!(found.iter().any(|breach| breach.contains(expected)), "{path}: {source}\n{found:#?}");
    }
}

#[test]
fn what_is_allowed_is_not_a_breach() {
    for (path, source) in [
        ("src/store/mod.rs", "use crate::domain::Plan; use self::sqlite::Rows; use crate::store::sqlite;"),
        ("src/store/sqlite.rs", "use super::Ledger; async fn f() { tokio::join!() }"),
        ("src/store/mod.rs", "//! Not crate::call.\nmod inner { use super::super::store::x; use super::y; }"),
        ("src/store/mod.rs", "#[cfg(test)] mod tests { use crate::sim::run; }"),
        ("src/store/tests.rs", "use crate::sim::run;"),
        ("src/server.rs", "use crate::{call, store};"),
        ("src/cli/mod.rs", "use crate::{server, sim};"),
        (
            "src/call/mod.rs",
            "use std::time::Duration; const A: &str = \"async\"; // await\nconst V: &str = env!(\"X\");",
        ),
        ("src/main.rs", "fn main() { frontdesk::cli::run() }"),
    ] {
        assert_eq!(breaches(&table(SMALL_LAW), &with_rooms(path, source)), [""; 0], "{path}: {source}");
    }
}

#[test]
fn rooms_that_use_each_other_are_found_even_where_each_may() {
    let rows =
        table("| room | may use |\n| `a` | `b` |\n| `b` | `c` |\n| `c` | `a` |\n| `cli` | everything |");
    assert_eq!(cycle(&rows).unwrap(), "a → b → c → a");
    let everything = "| room | may use |\n| `a` | everything |\n| `b` | everything |";
    let sources = [("src/a.rs", "use crate::b::x;"), ("src/b.rs", "use crate::a::x;")];
    let sources = sources.map(|(path, text)| (path.to_owned(), text.to_owned()));
    assert_eq!(breaches(&table(everything), &sources), ["rooms use each other: a → b → a"]);
}

/// What of `sources` the law does not allow.
fn breaches(rows: &Rows, sources: &[(String, String)]) -> Vec<String> {
    let rooms: BTreeSet<&str> = sources.iter().filter_map(|(path, _)| room_of(path)).collect();
    let mut found = Vec::new();
    let mut used = Rows::new();
    for room in &rooms {
        if !rows.contains_key(*room) {
            found.push(format!("`{room}` has no row in the law of ARCHITECTURE.md"));
        }
    }
    for (path, source) in sources {
        let Some(room) = room_of(path).filter(|_| !is_for_tests(path)) else { continue };
        let tokens = tokens(source);
        let mentions = mentions(&tokens);
        let allowed = rows.get(room);
        for mention in &mentions {
            let Some(other) = target(path, mention).filter(|other| *other != room) else { continue };
            if !rooms.contains(other) && !rows.contains_key(other) {
                continue;
            }
            used.entry(room.to_owned()).or_default().insert(other.to_owned());
            if allowed.is_some_and(|allowed| !allowed.contains(other)) {
                found.push(format!("{path}:{}: `{room}` may not use `{other}`", mention.line));
            }
        }
        if PURE.contains(&room) {
            found.extend(impurities(path, room, &tokens, &mentions));
        }
    }
    found.extend(cycle(&used).map(|cycle| format!("rooms use each other: {cycle}")));
    found
}

fn impurities(path: &str, room: &str, tokens: &[Token], mentions: &[Mention]) -> Vec<String> {
    let words = tokens.iter().filter(|token| IMPURE_WORDS.contains(&token.text.as_str()));
    let words =
        words.map(|token| format!("{path}:{}: `{room}` is pure and says `{}`", token.line, token.text));
    let modules = mentions.iter().filter_map(|mention| match mention.segments.as_slice() {
        [std, module, ..] if std == "std" && IMPURE_STD.contains(&module.as_str()) => {
            Some(format!("{path}:{}: `{room}` is pure and uses `std::{module}`", mention.line))
        }
        _ => None,
    });
    words.chain(modules).collect()
}

/// The room a file belongs to: `src/store/sqlite.rs` to `store`.
fn room_of(path: &str) -> Option<&str> {
    if OUTSIDE.contains(&path) {
        return None;
    }
    let inside = path.strip_prefix("src/")?;
    Some(inside.split_once('/').map_or(inside.trim_end_matches(".rs"), |(room, _)| room))
}

/// Whether a file is compiled for tests alone, by its name.
fn is_for_tests(path: &str) -> bool {
    path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// The room a path leads to, if it leads out of its own modules.
fn target<'m>(path: &str, mention: &'m Mention) -> Option<&'m str> {
    let [first, rest @ ..] = mention.segments.as_slice() else { return None };
    match first.as_str() {
        "crate" => rest.first().map(String::as_str),
        "super" => {
            let file = path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
            let depth = file.split('/').count() + mention.inside.len();
            let ups = mention.segments.iter().take_while(|segment| *segment == "super").count();
            // As many steps up as there are modules: the next segment is a room.
            mention.segments.get(ups).map(String::as_str).filter(|_| ups == depth)
        }
        _ => None,
    }
}

/// Reads the rows of the table under `| room | may use |`.
fn table(text: &str) -> Rows {
    let lines = text.lines().skip_while(|line| !line.starts_with("| room | may use |")).skip(1);
    let mut rows: Vec<(String, String)> = Vec::new();
    for line in lines.take_while(|line| line.starts_with('|')) {
        let cells: Vec<_> = line.trim_matches('|').splitn(2, '|').map(str::trim).collect();
        if let [room, uses] = cells[..]
            && room.starts_with('`')
        {
            rows.push((room.trim_matches('`').to_owned(), uses.to_owned()));
        }
    }
    let names: Vec<String> = rows.iter().map(|(room, _)| room.clone()).collect();
    let row = |at: usize, (room, uses): &(String, String)| {
        let allowed: BTreeSet<String> = match uses.as_str() {
            "all above" => names[..at].iter().cloned().collect(),
            "everything" => names.iter().filter(|name| *name != room).cloned().collect(),
            listed => listed.split_whitespace().map(|name| name.trim_matches('`').to_owned()).collect(),
        };
        (room.clone(), allowed)
    };
    rows.iter().enumerate().map(|(at, pair)| row(at, pair)).collect()
}

/// One way round, if there is one.
fn cycle(graph: &Rows) -> Option<String> {
    graph.keys().find_map(|start| way_back(graph, start, &mut vec![start.clone()], &mut BTreeSet::new()))
}

fn way_back(graph: &Rows, start: &str, way: &mut Vec<String>, seen: &mut BTreeSet<String>) -> Option<String> {
    let here = way.last()?.clone();
    for next in graph.get(&here).into_iter().flatten() {
        if next == start {
            return Some(format!("{} → {start}", way.join(" → ")));
        }
        if seen.insert(next.clone()) {
            way.push(next.clone());
            if let Some(found) = way_back(graph, start, way, seen) {
                return Some(found);
            }
            way.pop();
        }
    }
    None
}

/// A house with every room of the small law, and one file more.
fn with_rooms(path: &str, source: &str) -> Vec<(String, String)> {
    let mut sources = vec![(path.to_owned(), source.to_owned())];
    sources.extend(
        ["domain", "call", "store", "server", "sim", "cli"]
            .map(|room| (format!("src/{room}/empty.rs"), String::new())),
    );
    sources
}
