//! Whom we measure, each in a process of its own on a core of its own.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use super::process::pinned;
use super::ring::{AUTH_TOKEN, LINE};

/// How long a subject may take until it listens.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Subject {
    /// `frontdesk serve` with everything on: signatures, metering, marks, pacing, ledger, event log, figures.
    Serve,
    /// The same without the event log, which has every frame of every call.
    ServeNoLog,
    /// The minimal relay.
    Relay,
    /// Bytes from one socket to the other: the floor.
    Pipe,
}

/// One of them, until it is dropped.
pub(crate) struct Running {
    process: Child,
    folder: TempDir,
    /// Where it listens.
    pub(crate) address: SocketAddr,
    /// Where it looks for models.
    pub(crate) model: SocketAddr,
}

impl Subject {
    /// As the table calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Serve => "frontdesk serve",
            Self::ServeNoLog => "the same, no event log",
            Self::Relay => "minimal relay",
            Self::Pipe => "raw TCP relay",
        }
    }

    /// Whether it is asked for TwiML before its stream.
    pub(crate) fn webhook(self) -> bool {
        matches!(self, Self::Serve | Self::ServeNoLog)
    }

    /// Whether it asks the model to speak.
    pub(crate) fn asks(self) -> bool {
        self != Self::Pipe
    }

    /// Starts it on a core, and waits until it listens. `server` is the program for `serve`.
    pub(crate) fn start(self, core: usize, server: &Path) -> anyhow::Result<Running> {
        let folder = tempfile::tempdir()?;
        let (address, model) = (free_address()?, free_address()?);
        let log = File::create(folder.path().join("log"))?;
        let mut command = match self {
            Self::Serve | Self::ServeNoLog => {
                let settings = settings(self, address, model, folder.path());
                furnish(server, &settings, folder.path())?;
                let mut command = pinned(server, core);
                command.arg("serve").env_clear().envs(settings);
                command
            }
            Self::Relay | Self::Pipe => {
                let mut command = pinned(&std::env::current_exe()?, core);
                command.args([if self == Self::Relay { "relay" } else { "pipe" }, "--listen"]);
                command.arg(address.to_string()).arg("--model").arg(model.to_string());
                command
            }
        };
        command.current_dir(folder.path()).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let process = command.spawn().with_context(|| format!("{} cannot be started", self.name()))?;
        let mut running = Running { process, folder, address, model };
        running.until_it_listens(self)?;
        Ok(running)
    }
}

impl Running {
    /// The system's number for it: `taskset` becomes what it starts.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it said.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn until_it_listens(&mut self, subject: Subject) -> anyhow::Result<()> {
        let began = Instant::now();
        while began.elapsed() < START_PATIENCE {
            if self.process.try_wait()?.is_some() {
                bail!("{} ended: {}", subject.name(), self.log());
            }
            let ready = if subject.webhook() { is_ready(self.address) } else { is_listened_at(self.address) };
            if ready {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        bail!("{} does not listen: {}", subject.name(), self.log())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already.
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}

/// Free now, and most likely still when somebody listens there.
fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

fn is_ready(address: SocketAddr) -> bool {
    let asked = || -> std::io::Result<String> {
        let mut socket = TcpStream::connect(address)?;
        socket.set_read_timeout(Some(START_PATIENCE))?;
        socket.write_all(b"GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        Ok(answer)
    };
    asked().is_ok_and(|answer| answer.starts_with("HTTP/1.1 200"))
}

/// Looked up, and not tried: for a relay every connection is a caller.
fn is_listened_at(address: SocketAddr) -> bool {
    const LISTENING: &str = "0A";
    let port = format!(":{:04X}", address.port());
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    sockets.lines().any(|line| {
        let mut fields = line.split_whitespace().skip(1);
        fields.next().is_some_and(|local| local.ends_with(&port)) && fields.nth(1) == Some(LISTENING)
    })
}

fn settings(
    subject: Subject,
    address: SocketAddr,
    model: SocketAddr,
    folder: &Path,
) -> Vec<(&'static str, String)> {
    let folder = folder.display();
    let mut settings = vec![
        ("HOST", address.ip().to_string()),
        ("PORT", address.port().to_string()),
        ("PUBLIC_URL", format!("http://{address}")),
        ("DATA_DIR", folder.to_string()),
        ("DATABASE_URL", format!("sqlite://{folder}/frontdesk.db")),
        ("OPENAI_API_KEY", "sk-test-0123456789abcdef0123456789abcdef".to_owned()),
        ("REALTIME_URL", format!("ws://{model}/v1/realtime")),
        (
            "STREAM_TOKEN_SECRET",
            "6bc1bee22e409f96e93d7e117393172a6bc1bee22e409f96e93d7e117393172a".to_owned(),
        ),
        ("TWILIO_AUTH_TOKEN", AUTH_TOKEN.to_owned()),
        // Their sessions are no call's, and would be taken for one.
        ("PHRASES_AT_ONCE", "0".to_owned()),
        ("LOG_FORMAT", "json".to_owned()),
        ("RUST_LOG", "info".to_owned()),
    ];
    if subject == Subject::ServeNoLog {
        settings.push(("EVENT_LOG_DAYS", "0".to_owned()));
    }
    settings
}

/// One business whose plan allows everything.
fn furnish(server: &Path, settings: &[(&'static str, String)], folder: &Path) -> anyhow::Result<()> {
    let business = format!(
        r#"{{"plans":[{{"id":"premium","concurrentCalls":100000,"minutesPerMonth":10000000,"minutesPerCall":60}}],
 "businesses":[{{"id":"business-1","name":"Luna Dental","plan":"premium","lines":["{LINE}"],"voice":"marin","language":"en",
   "greeting":"Thanks for calling Luna Dental. How can I help?","instructions":"You are the receptionist of Luna Dental.",
   "tools":["end_call","take_message"]}}]}}"#
    );
    let file = folder.join("business.json");
    std::fs::write(&file, business)?;
    let mut import = std::process::Command::new(server);
    import
        .args(["business", "import"])
        .arg(&file)
        .env_clear()
        .envs(settings.iter().cloned())
        .current_dir(folder);
    let said = import.output().context("the business cannot be imported")?;
    ensure!(
        said.status.success(),
        "the business cannot be imported: {}",
        String::from_utf8_lossy(&said.stderr)
    );
    Ok(())
}
