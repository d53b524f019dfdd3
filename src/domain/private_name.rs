//! Names that only a private network knows: whatever they lead to, nobody outside means it.

/// Of clouds (`metadata.google.internal`, `db.railway.internal`), of a house, of this machine.
const ENDINGS: [&str; 6] = ["internal", "local", "localhost", "lan", "home.arpa", "intranet"];

/// Whether a host name is one of a private network.
pub fn is_private_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    ENDINGS.iter().any(|ending| {
        name.strip_suffix(ending).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_private_by_its_last_words() {
        for name in ["metadata.google.internal", "DB.Railway.INTERNAL.", "internal", "localhost", "nas.local"]
        {
            assert!(is_private_name(name), "{name}");
        }
        for name in ["internal.example", "notinternal", "example.com", "localhost.example.com", ""] {
            assert!(!is_private_name(name), "{name}");
        }
    }
}
