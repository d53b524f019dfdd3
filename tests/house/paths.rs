//! Reads the paths out of Rust source: `crate::store::{Ledger, sqlite}` names two. Not a parser; just enough of one to
//! know comments, strings, braces, modules and what is compiled for tests alone.

/// A word or a sign of the source, with the line it stands on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// A path as written, with the line it stands on and the modules inside the file it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mention {
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    pub(crate) inside: Vec<String>,
}

/// The words and signs of the source, without comments, texts, and what is compiled for tests alone.
pub(crate) fn tokens(source: &str) -> Vec<Token> {
    without_tests(&lex(source))
}

/// Every path of two segments or more.
pub(crate) fn mentions(tokens: &[Token]) -> Vec<Mention> {
    let mut found = Vec::new();
    // For each open brace, the module it opened, if it opened one.
    let mut braces: Vec<Option<String>> = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match text(tokens, at) {
            "{" => {
                let is_module = at >= 2 && text(tokens, at - 2) == "mod";
                braces.push(is_module.then(|| text(tokens, at - 1).to_owned()));
            }
            "}" => {
                braces.pop();
            }
            word if is_word(word) && text(tokens, at + 1) == "::" => {
                let mut paths = Vec::new();
                let line = tokens[at].line;
                at = path(tokens, at, &[], &mut paths);
                let inside: Vec<_> = braces.iter().flatten().cloned().collect();
                found.extend(paths.into_iter().map(|segments| Mention {
                    segments,
                    line,
                    inside: inside.clone(),
                }));
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

/// Reads one path, or a tree of them, from `at`; gives where it ends.
fn path(tokens: &[Token], mut at: usize, before: &[String], found: &mut Vec<Vec<String>>) -> usize {
    let mut segments = before.to_vec();
    loop {
        match text(tokens, at) {
            "{" => {
                at += 1;
                while !matches!(text(tokens, at), "}" | "") {
                    at = if is_word(text(tokens, at)) { path(tokens, at, &segments, found) } else { at + 1 };
                }
                return at + 1;
            }
            word if is_word(word) => segments.push(word.to_owned()),
            // A glob names the module; generics end the path.
            _ => break,
        }
        at += 1;
        if text(tokens, at) != "::" {
            break;
        }
        at += 1;
    }
    found.push(segments);
    at
}

fn text(tokens: &[Token], at: usize) -> &str {
    tokens.get(at).map_or("", |token| &token.text)
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Leaves out every item under `#[cfg(test)]`.
fn without_tests(tokens: &[Token]) -> Vec<Token> {
    const MARK: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if (0..MARK.len()).all(|i| text(tokens, at + i) == MARK[i]) {
            at = end_of_item(tokens, at + MARK.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// Where the item that begins at `at` ends: behind its last brace, or behind its semicolon.
fn end_of_item(tokens: &[Token], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while at < tokens.len() {
        match text(tokens, at) {
            "{" | "(" | "[" => depth += 1,
            ")" | "]" => depth -= 1,
            "}" => {
                depth -= 1;
                if depth == 0 {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
        at += 1;
    }
    at
}

fn lex(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = source;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            block_comment(rest)
        } else if let Some(length) = raw_text(rest) {
            length
        } else if first == '"' {
            quoted(rest)
        } else if let Some(length) = character(rest) {
            length
        } else if first.is_whitespace() {
            first.len_utf8()
        } else {
            let length = if is_word(rest) || first.is_ascii_digit() {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            tokens.push(Token { text: rest[..length].to_owned(), line });
            length
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

fn block_comment(source: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < source.len() {
        let step = match source.get(at..at + 2) {
            Some("/*") => {
                depth += 1;
                2
            }
            Some("*/") => {
                depth -= 1;
                2
            }
            _ => source[at..].chars().next().map_or(1, char::len_utf8),
        };
        at += step;
        if depth == 0 {
            return at;
        }
    }
    source.len()
}

/// The length of `r"…"`, `br#"…"#` and the like.
fn raw_text(source: &str) -> Option<usize> {
    let after = source.strip_prefix("br").or_else(|| source.strip_prefix('r'))?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let inside = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&end)? + end.len();
    Some(source.len() - inside.len() + length)
}

fn quoted(source: &str) -> usize {
    let mut escaped = false;
    for (at, c) in source.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    source.len()
}

/// The length of `'x'` or `'\n'`; nothing for a lifetime.
fn character(source: &str) -> Option<usize> {
    let inside = source.strip_prefix('\'')?;
    if inside.starts_with('\\') {
        return inside[2..].find('\'').map(|end| end + 4);
    }
    let first = inside.chars().next()?.len_utf8();
    inside[first..].starts_with('\'').then_some(first + 2)
}

#[test]
fn paths_are_found_in_imports_in_code_and_in_nested_braces() {
    let source = r##"
        use crate::{store::{Ledger, sqlite::*}, config};
        use super::super::http as web;
        fn f<'a>(x: &'a str) -> crate::call::Call { crate::wire::twilio::parse::<u8>(x, '"', '\'') }
        // crate::no
        /* crate::no /* crate::no */ crate::no */
        const TEXT: &str = "crate::no \" crate::no";
        const RAW: &str = r#"crate::no " crate::no"#;
        mod inner { fn g() { super::sibling::h() } }
        #[cfg(test)]
        mod tests { use crate::no; fn f(a: [u8; 3]) { crate::no::f() } }
        #[cfg(test)]
        use crate::no;
        type After = crate::domain::Moment;
    "##;
    let found: Vec<_> =
        mentions(&tokens(source)).into_iter().map(|found| (found.segments.join("::"), found.line)).collect();
    let expected = [
        ("crate::store::Ledger", 2),
        ("crate::store::sqlite", 2),
        ("crate::config", 2),
        ("super::super::http", 3),
        ("crate::call::Call", 4),
        ("crate::wire::twilio::parse", 4),
        ("super::sibling::h", 9),
        ("crate::domain::Moment", 14),
    ];
    assert_eq!(found, expected.map(|(path, line)| (path.to_owned(), line)));
    let inner = mentions(&tokens(source)).into_iter().find(|found| found.line == 9).unwrap();
    assert_eq!(inner.inside, ["inner"]);
}
