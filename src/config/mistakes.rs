//! What is wrong with the settings, in words a person can act on.

use std::fmt;

/// One setting that is wrong. A secret's value is in none of its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Which.
    pub setting: &'static str,
    /// What is wrong, as the end of a sentence that begins with the setting: "is missing".
    pub wrong: String,
    /// What to do about it.
    pub remedy: String,
}

/// One setting that is odd, or will cost something. A secret's value is in none of its words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Which.
    pub setting: &'static str,
    /// What, and what to do about it.
    pub text: String,
}

/// Every mistake in the settings; its text is what a person sees at start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Mistake>);

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.len() {
            1 => write!(f, "one setting is wrong")?,
            count => write!(f, "{count} settings are wrong")?,
        }
        for mistake in &self.0 {
            write!(f, "\n\n  {} {}\n    → {}", mistake.setting, mistake.wrong, mistake.remedy)?;
        }
        Ok(())
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.setting, self.text)
    }
}
