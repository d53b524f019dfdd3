//! `frontdesk demo`: one whole call on this machine. The server is the real one, and so are the sockets; Twilio, the
//! caller and the model are simulated.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::ladder::Ladder;
use super::scene;
use crate::audio::{mulaw, wav};
use crate::call::event_log::Verdict;
use crate::config::Config;
use crate::domain::AccountSid;
use crate::http::paths;
use crate::server::Server;
use crate::sim::socket::{
    CallPlan, ModelServer, ModelServerPlan, Phone, PhoneEvent, PhoneReport, RestPlan, RestServer,
};
use crate::store::{Directory as _, Ledger as _, Sqlite};

/// How long the event log may take to reach the disk after the call.
const LOG_PATIENCE: Duration = Duration::from_secs(5);

/// What the demonstration is asked for.
#[derive(Debug, clap::Args)]
pub(super) struct DemoArguments {
    /// Where the conversation goes: the caller on the left, what the caller heard on the right.
    #[arg(long, default_value = "frontdesk-demo.wav")]
    out: PathBuf,
    /// Leaves the server running, to be called with `frontdesk call`, until Ctrl-C.
    #[arg(long)]
    stay: bool,
    /// Where what we told the model goes, one JSON object a line: for judging it by other means.
    #[arg(long, hide = true)]
    client_events: Option<PathBuf>,
}

/// Everything the demonstration starts, in a folder of its own.
struct Stage {
    folder: PathBuf,
    server: Server,
    listener: TcpListener,
    base: String,
    token: String,
    account: AccountSid,
    model: ModelServer,
    rest: RestServer,
}

/// Places the call, prints it, and writes what was heard. Fails when anything in it was not as it should be.
pub(super) async fn run(arguments: &DemoArguments, out: &mut dyn Write) -> anyhow::Result<()> {
    let stage = Stage::build().await?;
    let folder = stage.folder.clone();
    // The stage and the call on it are large; they live once.
    let done = Box::pin(perform(stage, arguments, out)).await;
    // What the demonstration kept is of no use to anybody.
    let _removed = tokio::fs::remove_dir_all(&folder).await;
    done
}

async fn perform(stage: Stage, arguments: &DemoArguments, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "\nA call to Luna Dental on this machine: the real server on real sockets; Twilio, caller and model simulated.\n"
    )?;
    let Stage { folder, server, listener, base, token, account, model, rest } = stage;
    server.tasks().run_signals().context("cannot listen for signals")?;
    let tasks = server.tasks().clone();
    let story = async {
        let mut plan = CallPlan::new(
            format!("{base}{}", paths::VOICE),
            token.clone(),
            account,
            scene::LUNA_LINE,
            "+14155550123",
        )?;
        plan.caller = scene::caller()?;
        plan.before_stream = scene::BEFORE_STREAM;
        plan.longest = Duration::from_secs(60);
        let phone = Phone::new(Some(rest.line()))?;
        let report = tokio::select! {
            report = phone.call(plan) => report,
            () = tasks.soft().cancelled() => anyhow::bail!("interrupted"),
        };
        tell(&report, &folder, arguments, out).await?;
        write_events(&model, arguments).await?;
        let refused: Vec<String> = model
            .connections()
            .iter()
            .flat_map(|log| &log.refusals)
            .map(|refusal| format!("{refusal:?}"))
            .collect();
        ensure!(refused.is_empty(), "the model refused what we said: {refused:?}");
        if arguments.stay {
            stay(&base, &token, out)?;
            tasks.soft().cancelled().await;
        }
        Ok(())
    };
    let story = async {
        let told = story.await;
        tasks.soft().cancel();
        tasks.hard().cancel();
        told
    };
    let (told, (), _) = tokio::join!(story, server.listen(listener), server.drain());
    told
}

fn stay(base: &str, token: &str, out: &mut dyn Write) -> anyhow::Result<()> {
    writeln!(out, "The server stays at {base} until Ctrl-C. Call it from another terminal:")?;
    writeln!(out, "  TWILIO_AUTH_TOKEN={token} frontdesk call {base}{}\n", paths::VOICE)?;
    Ok(())
}

impl Stage {
    async fn build() -> anyhow::Result<Self> {
        let folder = std::env::temp_dir().join(format!("frontdesk-demo-{}", Uuid::new_v4().simple()));
        tokio::fs::create_dir_all(&folder)
            .await
            .with_context(|| format!("could not make {}", folder.display()))?;
        let account = AccountSid::parse(&format!("AC{}", Uuid::new_v4().simple()))?;
        let token = Uuid::new_v4().simple().to_string();
        let plan = ModelServerPlan {
            scripts: vec![scene::receptionist()?],
            authorization: None,
            seed: 1,
            keep_events: true,
        };
        let model = ModelServer::start(plan).await?;
        let rest = RestServer::start(RestPlan {
            account: account.clone(),
            user: account.to_string(),
            password: token.clone(),
            refusals: Vec::new(),
        })
        .await?;
        let listener = TcpListener::bind("127.0.0.1:0").await.context("could not listen on this machine")?;
        let base = format!("http://{}", listener.local_addr()?);
        let database = format!("sqlite://{}", folder.join("demo.db").display());
        let read = |name: &str| {
            Some(match name {
                "PUBLIC_URL" => base.clone(),
                "REALTIME_URL" => model.url(),
                "REALTIME_AUTH" => "none".to_owned(),
                "TWILIO_ACCOUNT_SID" => account.to_string(),
                "TWILIO_AUTH_TOKEN" => token.clone(),
                "TWILIO_API_URL" => rest.url(),
                "PHRASES_AT_ONCE" => "0".to_owned(),
                "DATABASE_URL" => database.clone(),
                "DATA_DIR" => folder.display().to_string(),
                _ => return None,
            })
        };
        let (config, _) = Config::from_env(read)?;
        let store = Sqlite::open(&database).await?;
        store.import(&scene::luna()?).await?;
        store.close().await;
        let server = Server::new(config).await?;
        Ok(Self { folder, server, listener, base, token, account, model, rest })
    }
}

/// Prints the ladder and writes the conversation.
async fn tell(
    report: &PhoneReport,
    folder: &Path,
    arguments: &DemoArguments,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let mut ladder = Ladder::from_outside(report);
    let log = event_log(folder, report).await?;
    ladder.add_inside(&log, report.when(|event| *event == PhoneEvent::Started))?;
    ladder.print(out)?;

    let heard = report.heard();
    tokio::fs::write(&arguments.out, wav::stereo_mulaw(&ladder.said, &heard))
        .await
        .with_context(|| format!("could not write {}", arguments.out.display()))?;
    let seconds = heard.len() / mulaw::BYTES_PER_MS / 1_000;
    writeln!(out, "\n{} s of conversation, in stereo: {}", seconds, arguments.out.display())?;
    if let Some(Verdict::Identical { inputs, outputs, .. }) = &ladder.verdict {
        writeln!(
            out,
            "run again from its event log: {inputs} inputs, {outputs} outputs, identical to the byte"
        )?;
    }
    writeln!(out)?;

    let problems = report.problems();
    ensure!(problems.is_empty(), "Twilio would complain: {}", problems.join("; "));
    ensure!(
        matches!(ladder.verdict, Some(Verdict::Identical { .. })),
        "the replay differs: {:?}",
        ladder.verdict
    );
    ensure!(heard.iter().any(|byte| *byte != mulaw::SILENCE), "the caller heard nothing");
    let store = Sqlite::open(&format!("sqlite://{}", folder.join("demo.db").display())).await?;
    let record = store.call(&report.call).await?.context("the call is not in the ledger")?;
    store.close().await;
    ensure!(
        record.ending == Some(crate::domain::Ending::HungUp),
        "the call ended otherwise: {:?}",
        record.ending
    );
    Ok(())
}

/// The call's event log, once its last line is written.
async fn event_log(folder: &Path, report: &PhoneReport) -> anyhow::Result<String> {
    let path = folder.join("calls").join(format!("{}-1.jsonl", report.call));
    let read = async {
        loop {
            if let Ok(log) = tokio::fs::read_to_string(&path).await
                && log.ends_with('\n')
                && log.contains("\"over\"")
            {
                return log;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(LOG_PATIENCE, read).await.context("the call's event log was not written")
}

async fn write_events(model: &ModelServer, arguments: &DemoArguments) -> anyhow::Result<()> {
    let Some(path) = &arguments.client_events else { return Ok(()) };
    let mut lines = String::new();
    for event in model.client_events(0) {
        writeln!(lines, "{event}")?;
    }
    tokio::fs::write(path, lines).await.with_context(|| format!("could not write {}", path.display()))
}
