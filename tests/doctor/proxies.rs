//! Real proxies, with the configurations that users copy: as they are but for ports, places and what an edit breaks.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::Duration;

use frontdesk::doctor::{Examination, Examined};
use tempfile::TempDir;

use crate::certificates::{Authority, Chain};
use crate::deployment::{address, examination, examined, free_port, recent, server};
use crate::emulator::LEASH;
use crate::house::until;

/// The host in the configurations.
const HOST: &str = "voice.example.com";

/// Where frontdesk is in them.
const UPSTREAM: &str = "127.0.0.1:8080";

/// Which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `nginx.conf`
    Nginx,
    /// `Caddyfile`
    Caddy,
    /// `haproxy.cfg`
    Haproxy,
}

/// What is different from the good configuration.
#[derive(Default)]
pub(crate) struct Broken {
    /// What stands there, and what stands there instead.
    pub(crate) edits: &'static [(&'static str, &'static str)],
    /// Nobody listens where frontdesk should be.
    pub(crate) dead: bool,
    /// The certificate alone is shown, without that of its issuer.
    pub(crate) leaf_alone: bool,
    /// How long a socket is held in silence.
    pub(crate) hold: Option<Duration>,
    /// Twilio was given the http URL.
    pub(crate) plain: bool,
    /// The proxy reads its configuration again while a call is carried.
    pub(crate) reloaded: bool,
}

/// A proxy, until it is dropped.
struct Proxy {
    leash: Child,
    folder: TempDir,
}

/// What a configuration is filled in with.
struct Filling {
    port: u16,
    /// Where people come without TLS.
    plain_port: u16,
    upstream: String,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Nginx, Self::Caddy, Self::Haproxy];

    /// All of them that are here.
    pub(crate) fn here() -> Vec<Self> {
        Self::ALL.into_iter().filter(|kind| kind.program().is_some()).collect()
    }

    /// The others.
    pub(crate) fn missing() -> Vec<Self> {
        Self::ALL.into_iter().filter(|kind| kind.program().is_none()).collect()
    }

    fn program(self) -> Option<PathBuf> {
        let name = match self {
            Self::Nginx => "nginx",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
        };
        // Debian keeps servers where the path of a user does not lead.
        let look = format!("PATH=$PATH:/usr/local/sbin:/usr/sbin command -v {name}");
        let found = Command::new("sh").args(["-c", &look]).output().unwrap().stdout;
        let found = String::from_utf8_lossy(&found).trim().to_owned();
        (!found.is_empty()).then(|| PathBuf::from(found))
    }

    fn file(self) -> &'static str {
        match self {
            Self::Nginx => "nginx.conf",
            Self::Caddy => "Caddyfile",
            Self::Haproxy => "haproxy.cfg",
        }
    }

    /// The good configuration, for this machine; it listens for itself alone.
    fn filled(self, folder: &Path, filling: &Filling) -> String {
        let Filling { port, plain_port, upstream } = filling;
        let file = |name: &str| folder.join(name).display().to_string();
        let (chain, key, both) = (file("chain.pem"), file("key.pem"), file("both.pem"));
        let text = read(self.file()).replace(UPSTREAM, upstream);
        let edits: Vec<(&str, String)> = match self {
            Self::Nginx => vec![
                ("        listen [::]:80;\n", String::new()),
                ("        listen [::]:443 ssl;\n", String::new()),
                ("listen 80;", format!("listen 127.0.0.1:{plain_port};")),
                ("listen 443 ssl;", format!("listen 127.0.0.1:{port} ssl;")),
                ("/etc/letsencrypt/live/voice.example.com/fullchain.pem", chain),
                ("/etc/letsencrypt/live/voice.example.com/privkey.pem", key),
                // Where nginx puts what it does not want to hold is of its distribution, and not of everybody.
                ("    server_tokens off;", format!("    server_tokens off;\n{}", temporary(folder))),
            ],
            Self::Caddy => vec![
                ("{\n\t# When Caddy", format!("{{\n{}\n\t# When Caddy", self_contained(*plain_port))),
                ("\nvoice.example.com {", format!("\nhttps://{HOST}:{port} {{\n\ttls {chain} {key}")),
            ],
            Self::Haproxy => vec![
                ("bind :::80 v4v6", format!("bind 127.0.0.1:{plain_port}")),
                ("bind :::443 v4v6", format!("bind 127.0.0.1:{port}")),
                ("/etc/haproxy/certs/voice.example.com.pem", both),
            ],
        };
        let text = edits.iter().fold(text, |text, (from, to)| edited(&text, from, to));
        if self == Self::Caddy && self.is_old() {
            edited(&text, "\t\tstream_close_delay 4h\n", "")
        } else {
            text
        }
    }

    /// Whether this Caddy is older than a line in our configuration, as Debian's is.
    fn is_old(self) -> bool {
        static SAID: Once = Once::new();
        let asked = Command::new(self.program().unwrap()).arg("version").output().unwrap();
        let version = String::from_utf8_lossy(&asked.stdout).into_owned();
        let mut numbers = version.trim_start_matches('v').split('.').map(|number| number.parse::<u32>().ok());
        let (major, minor) = (numbers.next().flatten(), numbers.next().flatten());
        let old = (major, minor) < (Some(2), Some(7));
        if old {
            let say =
                || println!("Caddy {} knows no stream_close_delay; that line is left out", version.trim());
            SAID.call_once(say);
        }
        old
    }

    fn arguments(self, folder: &Path) -> Vec<String> {
        let config = folder.join(self.file()).display().to_string();
        let arguments: &[&str] = match self {
            Self::Nginx => {
                let (folder, log) = (folder.display().to_string(), folder.join("log").display().to_string());
                let own = format!("daemon off; pid {folder}/pid;");
                return ["-p", &folder, "-c", &config, "-e", &log, "-g", &own].map(str::to_owned).into();
            }
            Self::Caddy => &["run", "--adapter", "caddyfile", "--config", &config],
            Self::Haproxy => {
                let pid = folder.join("pid").display().to_string();
                return ["-W", "-db", "-p", &pid, "-f", &config].map(str::to_owned).into();
            }
        };
        arguments.iter().map(|argument| (*argument).to_owned()).collect()
    }
}

impl Proxy {
    async fn start(kind: Kind, filling: &Filling, broken: &Broken, chain: &Chain) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        let good = kind.filled(folder.path(), filling);
        let config = broken.edits.iter().fold(good, |text, (from, to)| edited(&text, from, to));
        write(kind.file(), &config);
        write("chain.pem", &chain.certificates.concat());
        write("key.pem", &chain.key);
        write("both.pem", &chain.pem());
        let mut leash = Command::new("sh");
        leash.args(["-c", LEASH, "sh", "sh", "-c", r#"exec "$@" >>"$0" 2>&1"#]);
        leash.arg(folder.path().join("log")).arg(kind.program().unwrap()).args(kind.arguments(folder.path()));
        leash.env("HOME", folder.path()).env("XDG_DATA_HOME", folder.path()).env_remove("XDG_CONFIG_HOME");
        let leash = leash.stdin(Stdio::piped()).process_group(0).spawn().unwrap();
        let proxy = Self { leash, folder };
        let there = SocketAddr::from(([127, 0, 0, 1], filling.port));
        // The panic of a wait that ends has the log of the proxy beside it.
        until("the proxy does not listen", async || TcpStream::connect(there).is_ok()).await;
        proxy
    }
}

impl Proxy {
    /// As its service would be told to.
    fn reload(&self, kind: Kind) {
        let signal = match kind {
            Kind::Nginx => "HUP",
            Kind::Haproxy => "USR2",
            Kind::Caddy => panic!("Caddy is told over its own interface"),
        };
        let pid = std::fs::read_to_string(self.folder.path().join("pid")).unwrap();
        let kill = format!("kill -{signal} {}", pid.trim());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default());
        }
        drop(self.leash.stdin.take());
        let _ended = self.leash.wait();
    }
}

/// Examines the server behind a real proxy.
pub(crate) async fn behind(kind: Kind, broken: Broken) -> Examined {
    let root = Authority::root("a root");
    let between = root.intermediate("an intermediate");
    let leaf = between.issue(&[HOST]);
    let chain = if broken.leaf_alone { leaf } else { leaf.and(&between) };
    let port = free_port();
    let url = format!("https://{HOST}:{port}");
    let house = server(&url).await;
    let upstream = match broken.dead {
        true => format!("127.0.0.1:{}", free_port()),
        false => address(&house).to_string(),
    };
    let filling = Filling { port, plain_port: free_port(), upstream };
    let hold = broken.hold;
    let proxy = Proxy::start(kind, &filling, &broken, &chain).await;
    let names = vec![(HOST.to_owned(), "127.0.0.1".parse().unwrap())];
    let asked = if broken.plain { format!("http://{HOST}:{}", filling.plain_port) } else { url };
    let examination = Examination { roots: vec![root.der()], names, hold, ..examination(&asked) };
    let reload = async {
        if broken.reloaded {
            until("no call is carried", async || recent(&house).await.contains(r#""accepted""#)).await;
            proxy.reload(kind);
        }
    };
    tokio::join!(examined(examination), reload).0
}

/// Caddy without what it would want of the machine.
fn self_contained(plain_port: u16) -> String {
    format!("\tadmin off\n\tauto_https off\n\tdefault_bind 127.0.0.1\n\thttp_port {plain_port}")
}

/// Folders of one's own for what nginx does not want to hold.
fn temporary(folder: &Path) -> String {
    let kinds = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let folder = folder.display();
    let lines = kinds.map(|kind| format!("    {kind}_temp_path {folder}/{kind};\n")).concat();
    format!("    access_log off;\n{lines}")
}

/// One of the configurations that users copy.
pub(crate) fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/doctor/proxies").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// A text with something else in a place; it must be there.
fn edited(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "{from:?} is not in:\n{text}");
    text.replace(from, to)
}
