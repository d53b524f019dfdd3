//! What is kept of former calls, made as the server makes it: the greeting, and the phrase that asks for a moment.

use std::path::Path;

use tempfile::TempDir;

use crate::house::{House, Plans, until};
use crate::scenes::{hangs_up, plain};
use crate::voices::{A_MOMENT, greeting};

/// Where the server keeps them, in its folder.
const GREETINGS: &str = "greetings";

/// What is kept when a call begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Greeting and phrase: as after the first call of a business.
    Both,
    /// The phrase alone.
    Phrase,
    /// Nothing: as in the very first call.
    Nothing,
}

/// Folders of servers that have served before.
pub(crate) struct Furnished {
    both: TempDir,
    phrase: TempDir,
}

impl Furnished {
    /// Has both made.
    pub(crate) async fn make() -> Self {
        let [both, phrase] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        serve(both.path(), plain(), "0", 1).await;
        let mut says_a_moment = plain();
        says_a_moment.greeting = A_MOMENT.says("One moment, please.");
        assert_ne!(says_a_moment.greeting, greeting());
        serve(both.path(), says_a_moment.clone(), "2", 2).await;
        serve(phrase.path(), says_a_moment, "2", 1).await;
        Self { both, phrase }
    }

    /// A folder for another server.
    pub(crate) fn folder(&self, kept: Kept) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        let from = match kept {
            Kept::Both => &self.both,
            Kept::Phrase => &self.phrase,
            Kept::Nothing => return folder,
        };
        let to = folder.path().join(GREETINGS);
        std::fs::create_dir(&to).unwrap();
        for file in files(from.path()) {
            std::fs::copy(&file, to.join(file.file_name().unwrap())).unwrap();
        }
        folder
    }
}

/// One call to a server with that folder, until so much is kept.
async fn serve(folder: &Path, script: frontdesk::sim::model::Script, at_once: &str, files_then: usize) {
    let mut plans = Plans::new("furnished", vec![script]);
    plans.settings.push(("DATA_DIR", folder.to_str().unwrap().to_owned()));
    plans.settings.push(("PHRASES_AT_ONCE", at_once.to_owned()));
    let house = House::build(plans).await;
    house.call(vec![hangs_up()]).await;
    until("what is said ahead is not kept", async || files(folder).len() == files_then).await;
    house.until_quiet().await;
}

/// What is kept, but not what is being written.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let Ok(files) = std::fs::read_dir(folder.join(GREETINGS)) else { return Vec::new() };
    let files = files.map(|file| file.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "ulaw")).collect()
}
