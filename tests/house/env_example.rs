//! `.env.example` and the code say the same.

use frontdesk::config::{Config, SETTINGS};

use crate::tree;

#[test]
fn the_example_lists_every_setting_once_with_its_default() {
    let text = tree::read(".env.example");
    let mut listed: Vec<(&str, &str)> = text.lines().filter_map(assignment).collect();
    let mut table: Vec<(&str, &str)> =
        SETTINGS.iter().map(|setting| (setting.name, setting.default)).collect();
    listed.sort_unstable();
    table.sort_unstable();
    assert_eq!(listed, table);
}

#[test]
fn the_example_can_be_copied_as_it_is() {
    let text = tree::read(".env.example");
    let set: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).filter_map(assignment).collect();
    let read = |name: &str| set.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    let (_, warnings) = Config::from_env(read).unwrap_or_else(|errors| panic!("{errors}"));
    let names: Vec<_> = warnings.iter().map(|warning| warning.setting).collect();
    assert_eq!(names, ["OPENAI_API_KEY"], "only that the simulated model answers");
}

/// `NAME=value`, or `#NAME=value` for what is better left alone.
fn assignment(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.trim_start_matches('#').split_once('=')?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
    (is_name && !name.is_empty()).then_some((name, value))
}
