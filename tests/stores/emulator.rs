//! Google's emulator, as long as a test needs it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::sleep;
use std::time::Duration;

use frontdesk::domain::{FirestoreAccess, FirestorePlace};
use frontdesk::store::Firestore;
use uuid::Uuid;

/// It is Java: about a second alone, and many when everything else is built beside it.
const START_PATIENCE: Duration = Duration::from_secs(120);

/// Between one look and the next.
const LOOK_PAUSE: Duration = Duration::from_millis(50);

/// Runs a program until this process lets go of its standard input, however it ends: a test that is killed leaves
/// nothing behind.
pub(crate) const LEASH: &str = r#""$@" >/dev/null 2>&1 & read -r _; kill -KILL -$$"#;

/// A running emulator. It ends when this is dropped.
pub(crate) struct Emulator {
    child: Child,
    address: SocketAddr,
}

impl Emulator {
    /// The one that all tests share that leave it alone; nothing when there is none to be had.
    pub(crate) fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Emulator>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Some(running);
        }
        let started = Arc::new(Self::start()?);
        *shared = Arc::downgrade(&started);
        Some(started)
    }

    /// One of a test's own.
    pub(crate) fn start() -> Option<Self> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        Self::start_at(free)
    }

    /// One where another has been.
    pub(crate) fn start_at(address: SocketAddr) -> Option<Self> {
        let command = match command(address) {
            Ok(command) => command,
            Err(why) => {
                skip(&why);
                return None;
            }
        };
        let mut leash = Command::new("sh");
        leash.args(["-c", LEASH, "sh"]).args(command).stdin(Stdio::piped()).process_group(0);
        let mut emulator = Self { child: leash.spawn().unwrap(), address };
        let mut looks = 0;
        while !emulator.answers() {
            looks += 1;
            assert!(LOOK_PAUSE * looks < START_PATIENCE, "the emulator does not start");
            assert!(emulator.child.try_wait().unwrap().is_none(), "the emulator ended at once");
            sleep(LOOK_PAUSE);
        }
        Some(emulator)
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    fn answers(&self) -> bool {
        let Ok(mut socket) = TcpStream::connect(self.address) else { return false };
        let _patience = socket.set_read_timeout(Some(Duration::from_secs(5)));
        let asked = socket.write_all(b"GET / HTTP/1.1\r\nhost: emulator\r\n\r\n");
        // It keeps the connection open, so what it says ends with what it has said.
        let mut answer = [0; 12];
        asked.and_then(|()| socket.read_exact(&mut answer)).is_ok() && answer.ends_with(b" 200")
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ended = self.child.wait();
    }
}

/// A project of its own, in which nobody has kept anything yet.
pub(crate) fn fresh_place(address: SocketAddr) -> FirestorePlace {
    FirestorePlace {
        project: format!("demo-{}", &Uuid::new_v4().simple().to_string()[..12]),
        database: FirestorePlace::DEFAULT_DATABASE.to_owned(),
        access: FirestoreAccess::Emulator(address.to_string()),
    }
}

/// How long a test waits for an answer that does come: the machine may be busy with other things.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store that waits for a busy emulator.
pub(crate) async fn patient(place: &FirestorePlace) -> Firestore {
    Firestore::open_with_patience(place, PATIENCE).await.unwrap()
}

/// A store in a project of its own.
pub(crate) async fn fresh_store(emulator: &Emulator) -> Firestore {
    patient(&fresh_place(emulator.address())).await
}

/// What starts the emulator there, or why nothing does.
fn command(address: SocketAddr) -> Result<Vec<String>, String> {
    let runs = |program: &str| Command::new(program).arg("--version").output().is_ok();
    if !runs("gcloud") {
        return Err("gcloud is not here, which brings the Firestore emulator".to_owned());
    }
    if !runs("java") {
        return Err("java is not here, in which the Firestore emulator runs".to_owned());
    }
    let root = Command::new("gcloud").args(["info", "--format=value(installation.sdk_root)"]).output();
    let root = root.map_err(|error| error.to_string())?.stdout;
    let root = Path::new(String::from_utf8_lossy(&root).trim()).to_owned();
    let program: PathBuf = root.join("platform/cloud-firestore-emulator/cloud_firestore_emulator");
    if !program.exists() {
        return Err(format!("gcloud has no Firestore emulator at {}", program.display()));
    }
    // Without gcloud around it, it is there four seconds earlier.
    let (host, port) = (address.ip(), address.port());
    Ok(vec![
        program.display().to_string(),
        "start".to_owned(),
        format!("--host={host}"),
        format!("--port={port}"),
    ])
}

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says whether one may be skipped")]
pub(crate) fn skip(why: &str) {
    let all = std::env::var("FRONTDESK_TEST_ALL").is_ok_and(|all| all == "1");
    assert!(!all, "{why}");
    println!("skipped: {why}");
}
