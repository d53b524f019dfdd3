//! The files of this repository.

use std::fs;
use std::path::{Path, PathBuf};

/// The top of the repository.
pub(crate) fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of one file.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(top().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every file below a folder, by its path from the top, in order.
pub(crate) fn files_below(folder: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![top().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            if path.is_dir() { folders.push(path) } else { found.push(from_top(&path)) }
        }
    }
    found.sort();
    found
}

/// Every Rust file below a folder with its text.
pub(crate) fn rust_below(folder: &str) -> Vec<(String, String)> {
    let rust = files_below(folder).into_iter().filter(|path| path.ends_with(".rs"));
    rust.map(|path| (path.clone(), read(&path))).collect()
}

fn from_top(path: &Path) -> String {
    let path: PathBuf = path.strip_prefix(top()).unwrap().components().collect();
    path.to_str().unwrap().to_owned()
}
