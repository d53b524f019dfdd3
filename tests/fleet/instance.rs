//! One process: `frontdesk serve`, with a port and a folder of its own.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

/// How long a process may take until it answers; many start at once on few cores.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Somebody else took the port we had found free this often: something else is wrong.
const MOST_STARTS: u32 = 5;

/// A process, until it is dropped.
#[derive(Debug)]
pub(crate) struct Instance {
    process: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Instance {
    /// Starts one in `folder`, with these settings and nothing else, and waits until it is ready.
    pub(crate) async fn start(folder: &Path, settings: &[(&str, String)]) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        for _ in 0..MOST_STARTS {
            let mut instance = Self::spawn(folder, settings);
            if instance.until_ready().await {
                return instance;
            }
        }
        panic!("no instance could be started: {}", std::fs::read_to_string(folder.join("log")).unwrap());
    }

    fn spawn(folder: &Path, settings: &[(&str, String)]) -> Self {
        // Free now, and most likely still when the process asks for it.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let log = folder.join("log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_frontdesk"));
        command.arg("serve").env_clear().current_dir(folder);
        command.env("HOST", "127.0.0.1").env("PORT", address.port().to_string()).env("DATA_DIR", folder);
        command.envs(settings.iter().map(|(name, value)| (*name, value)));
        let out = File::create(&log).unwrap();
        let process = command.stderr(out.try_clone().unwrap()).stdout(out).spawn().unwrap();
        Self { process, address, log }
    }

    /// False when it ended instead.
    async fn until_ready(&mut self) -> bool {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let url = format!("http://{}/ready", self.address);
        let ready = async {
            while self.process.try_wait().unwrap().is_none() {
                if http.get(&url).send().await.is_ok_and(|answer| answer.status() == 200) {
                    return true;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
            false
        };
        tokio::time::timeout(START_PATIENCE, ready).await.expect("an instance does not get ready")
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The system's number for it.
    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// SIGKILL: it is gone without a word.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Sends a signal: `TERM`, `INT`, `STOP`, `CONT`.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }

    /// Waits until it has ended by itself; none when it takes longer than that.
    pub(crate) async fn ended(&mut self, patience: Duration) -> Option<ExitStatus> {
        let ended = async {
            loop {
                if let Some(status) = self.process.try_wait().unwrap() {
                    return status;
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(patience, ended).await.ok()
    }

    /// What it logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // It may be gone already.
        let _gone = self.process.kill();
        let _reaped = self.process.wait();
    }
}
