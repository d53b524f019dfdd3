//! The environment of this process, the one place where it is read.

use std::collections::BTreeMap;
use std::path::Path;

use super::mistakes::{ConfigErrors, Mistake};
use super::platform::Platform;

/// Gives the value of each variable of this process. On a laptop a file `.env` in the working directory is read too,
/// for what the environment does not say itself. Fails when that file cannot be read.
pub fn process_environment() -> Result<impl Fn(&str) -> Option<String>, ConfigErrors> {
    let file = match Platform::detect(&variable) {
        Platform::Laptop => dot_env(Path::new(".env"))?,
        Platform::Railway | Platform::Render | Platform::Fly => BTreeMap::new(),
    };
    Ok(move |name: &str| variable(name).or_else(|| file.get(name).cloned()))
}

#[expect(clippy::disallowed_methods, reason = "this room reads the environment for everybody")]
fn variable(name: &str) -> Option<String> {
    // A value that is no text cannot be right for any setting; what is left of it will be refused with its remedy.
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

fn dot_env(path: &Path) -> Result<BTreeMap<String, String>, ConfigErrors> {
    let lines = match dotenvy::from_path_iter(path) {
        Ok(lines) => lines,
        Err(error) if error.not_found() => return Ok(BTreeMap::new()),
        Err(error) => return Err(unreadable(&format!("cannot be read: {error}"))),
    };
    let mut file = BTreeMap::new();
    let mut before = "at its beginning".to_owned();
    for line in lines {
        // The text of this error is the rest of the line, which may be a secret.
        let (name, value) =
            line.map_err(|_| unreadable(&format!("has a line that cannot be read, {before}")))?;
        before = format!("after {name}");
        file.insert(name, value);
    }
    Ok(file)
}

fn unreadable(wrong: &str) -> ConfigErrors {
    let remedy = "write one NAME=value a line, with quotes around a value that has blanks".to_owned();
    ConfigErrors(vec![Mistake { setting: ".env", wrong: wrong.to_owned(), remedy }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_a_missing_one_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        assert!(dot_env(&path).unwrap().is_empty());
        std::fs::write(&path, "# a comment\nPORT=9000\nOPENAI_API_KEY=\"sk-1\"\nHOST=\n").unwrap();
        let file = dot_env(&path).unwrap();
        assert_eq!(file["PORT"], "9000");
        assert_eq!(file["OPENAI_API_KEY"], "sk-1");
        assert_eq!(file["HOST"], "");
    }

    #[test]
    fn a_broken_line_is_found_without_showing_its_secret() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        std::fs::write(&path, "PORT=1\nOPENAI_API_KEY=sk-very secret\n").unwrap();
        let text = dot_env(&path).unwrap_err().to_string();
        assert!(text.contains(".env has a line that cannot be read, after PORT"), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}
