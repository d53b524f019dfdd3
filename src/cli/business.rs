//! `frontdesk business`: who answers, what happened and what it used, on the command line.

mod calls;
mod directory;
mod notices;
mod table;
#[cfg(test)]
mod tests;
mod tools;
mod usage;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use crate::store::{Directory, Ledger, Outbox, Slots, Store};
use crate::telemetry;

/// What to do with the businesses.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub(super) enum BusinessCommand {
    /// Lists the businesses: id, name, plan, voice and lines.
    List,
    /// Prints one business as JSON.
    Show {
        /// Its id.
        id: String,
    },
    /// Takes in businesses and plans from a JSON file. What has the same id is replaced; what is not in the file stays.
    /// The file is checked first, and nothing is imported unless all of it is right.
    Import {
        /// The file, as `export` writes it; `-` reads standard input.
        file: PathBuf,
    },
    /// Prints all businesses and plans as JSON, as `import` reads them.
    Export {
        /// Writes to this file instead.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// Removes a business. Its lines are free then; its calls stay.
    Remove {
        /// Its id.
        id: String,
    },
    /// Lists the plans.
    Plans,
    /// Lists the calls of a business, the latest first.
    Calls {
        /// The business's id.
        id: String,
        /// How many at most.
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        limit: u32,
    },
    /// Shows one call: how it went, what it used and what was said.
    Call {
        /// Twilio's name for it, CA….
        sid: String,
    },
    /// Shows the messages people left for a business, the newest last.
    Messages {
        /// The business's id.
        id: String,
    },
    /// Lists the voicemails callers left for a business, the newest last.
    Voicemails {
        /// The business's id.
        id: String,
    },
    /// Shows what a business used by month, and how many calls it has now.
    Usage {
        /// The business's id.
        id: String,
        /// This month alone, like 2026-11.
        #[arg(long)]
        month: Option<String>,
    },
    /// Asks a tool of a business's own as a call would, and prints what the model would be told.
    TryTool {
        /// The business's id.
        id: String,
        /// The tool's name.
        name: String,
        /// What the model would say to it, a JSON object.
        #[arg(long, default_value = "{}")]
        arguments: String,
    },
    /// Lists what the webhook of a business was not told yet.
    Notices {
        /// The business's id.
        id: String,
    },
    /// Has a notice tried again at once, also one that was given up. A running server sends it.
    Retry {
        /// The business's id.
        id: String,
        /// The notice's id, msg_….
        notice: String,
    },
}

/// What is kept, as these commands need it.
pub(super) struct Books {
    directory: Arc<dyn Directory>,
    ledger: Arc<dyn Ledger>,
    slots: Arc<dyn Slots>,
    outbox: Arc<dyn Outbox>,
    /// What time of day it is, in milliseconds since 1970.
    clock: fn() -> i64,
}

impl From<&Store> for Books {
    fn from(store: &Store) -> Self {
        Self {
            directory: store.directory(),
            ledger: store.ledger(),
            slots: store.slots(),
            outbox: store.outbox(),
            clock: telemetry::wall_clock,
        }
    }
}

/// Does what the command says, and prints to `out` what came of it.
pub(super) async fn run(command: BusinessCommand, books: &Books, out: &mut dyn Write) -> anyhow::Result<()> {
    let directory = &*books.directory;
    match command {
        BusinessCommand::List => directory::list(directory, out).await,
        BusinessCommand::Show { id } => directory::show(&id, directory, out).await,
        BusinessCommand::Import { file } => directory::import_file(&file, directory, out).await,
        BusinessCommand::Export { out: path } => directory::export(path.as_deref(), directory, out).await,
        BusinessCommand::Remove { id } => directory::remove(&id, directory, out).await,
        BusinessCommand::Plans => directory::plans(directory, out).await,
        BusinessCommand::Calls { id, limit } => calls::list(&id, limit, books, out).await,
        BusinessCommand::Call { sid } => calls::show(&sid, books, out).await,
        BusinessCommand::Messages { id } => calls::messages(&id, books, out).await,
        BusinessCommand::Voicemails { id } => calls::voicemails(&id, books, out).await,
        BusinessCommand::Usage { id, month } => usage::show(&id, month.as_deref(), books, out).await,
        BusinessCommand::TryTool { id, name, arguments } => {
            tools::try_one(&id, &name, &arguments, books, out).await
        }
        BusinessCommand::Notices { id } => notices::list(&id, books, out).await,
        BusinessCommand::Retry { id, notice } => notices::retry(&id, &notice, books, out).await,
    }
}
