//! One file a command.

mod business;
mod call;
mod demo;
mod doctor;
mod healthcheck;
mod ladder;
mod replay;
mod scene;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use self::business::{Books, BusinessCommand};
use crate::config::{Config, ConfigErrors, process_environment};
use crate::store::Store;

/// Answers the phones of many businesses with one server: Twilio Media Streams bridged to a speech model.
///
/// Settings come from the environment; .env.example lists every one.
#[derive(Debug, Parser)]
#[command(name = "frontdesk", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Answers calls. The default.
    Serve,
    /// Plays one whole call on this machine: no key, no phone, no network.
    Demo(demo::DemoArguments),
    /// Places a test call on any deployment, exactly as Twilio would.
    Call(call::CallArguments),
    /// Shows and changes the businesses and plans, and shows their calls, messages, usage and notices.
    #[command(subcommand)]
    Business(BusinessCommand),
    /// Finds which hop of a deployment is at fault, and says how to mend it.
    Doctor(doctor::DoctorArguments),
    /// Runs a logged call through the machine again and shows every decision.
    Replay {
        /// The event log: a file of DATA_DIR/calls.
        file: PathBuf,
    },
    /// Asks the server on this machine whether it is well, for containers without a shell.
    Healthcheck,
}

/// What a doctor says who could not examine.
const CANNOT_TELL: u8 = 3;

/// The settings are wrong.
const WRONG_SETTINGS: u8 = 2;

/// Does what the arguments say. 0 when it was done or asked to end, 1 when it failed, 2 for wrong arguments or
/// settings; why is on standard error.
pub async fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match execute(arguments.command.unwrap_or(Command::Serve)).await {
        Ok(code) => code,
        Err(error) => report(&error),
    }
}

async fn execute(command: Command) -> anyhow::Result<ExitCode> {
    let environment = process_environment()?;
    let done = match command {
        Command::Serve => {
            let (config, warnings) = Config::from_env(environment)?;
            serve::run(config, &warnings).await
        }
        Command::Business(command) => {
            // What is odd about the storage is said when the server starts, not at every look into it.
            let (storage, _) = Config::storage(environment)?;
            let store = Store::open(&storage.place).await?;
            let done = business::run(command, &Books::from(&store), &mut std::io::stdout()).await;
            store.close().await;
            done
        }
        Command::Demo(arguments) => demo::run(&arguments, &mut std::io::stdout()).await,
        Command::Call(arguments) => {
            let (twilio, storage, _) = Config::twilio(environment)?;
            call::run(&arguments, &twilio, &storage, &mut std::io::stdout()).await
        }
        Command::Doctor(arguments) => {
            let examined = doctor::run(&arguments, Config::doctor(environment), &mut std::io::stdout()).await;
            return Ok(examined.map_or_else(
                |error| {
                    report(&error);
                    ExitCode::from(CANNOT_TELL)
                },
                ExitCode::from,
            ));
        }
        Command::Replay { file } => replay::run(&file, &mut std::io::stdout()),
        Command::Healthcheck => healthcheck::run(Config::port(environment)?).await.context("not healthy"),
    };
    done.map(|()| ExitCode::SUCCESS)
}

#[expect(clippy::print_stderr, reason = "this is how a command says why it failed")]
fn report(error: &anyhow::Error) -> ExitCode {
    // Mistakes in the settings are a list with a remedy each, to be read as it is.
    if let Some(mistakes) = error.downcast_ref::<ConfigErrors>() {
        eprintln!("{mistakes}");
        return ExitCode::from(WRONG_SETTINGS);
    }
    eprintln!("frontdesk: {error:#}");
    ExitCode::FAILURE
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn serving_is_the_default_and_strange_words_are_refused() {
        assert!(Arguments::try_parse_from(["frontdesk"]).unwrap().command.is_none());
        let served = Arguments::try_parse_from(["frontdesk", "serve"]).unwrap();
        assert!(matches!(served.command, Some(Command::Serve)));
        for strange in
            [&["frontdesk", "srve"][..], &["frontdesk", "serve", "now"], &["frontdesk", "--port", "1"]]
        {
            assert!(Arguments::try_parse_from(strange).is_err(), "{strange:?}");
        }
    }
}
