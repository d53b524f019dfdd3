//! Chromium, driven over its DevTools protocol: as little of it as these tests need.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long anything in a browser may take on a machine that builds at the same time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where browsers are called what.
const NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

#[expect(clippy::disallowed_methods, reason = "whoever runs the tests says where the browser is")]
fn setting(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The browser of this machine. Without one a test says so and is skipped, unless `FRONTDESK_TEST_ALL` is `1`.
pub(crate) fn chromium() -> Option<PathBuf> {
    let told = setting("FRONTDESK_CHROMIUM").map(PathBuf::from);
    let folders = setting("PATH").unwrap_or_default();
    let found = told.or_else(|| {
        let paths = folders.split(':').flat_map(|folder| NAMES.map(|name| Path::new(folder).join(name)));
        paths.into_iter().find(|path| path.is_file())
    });
    if found.is_none() {
        let why = "there is no Chromium here; set FRONTDESK_CHROMIUM to it";
        assert!(setting("FRONTDESK_TEST_ALL").is_none_or(|all| all != "1"), "{why}");
        println!("skipped: {why}");
    }
    found
}

/// The judge of pages: the axe rules, as one script. Without them the pages are not judged, and a test says so.
fn axe() -> Option<String> {
    let Some(path) = setting("FRONTDESK_AXE") else {
        let why = "the pages are not judged: set FRONTDESK_AXE to axe.min.js of axe-core";
        assert!(setting("FRONTDESK_TEST_ALL").is_none_or(|all| all != "1"), "{why}");
        println!("skipped: {why}");
        return None;
    };
    Some(std::fs::read_to_string(path).unwrap())
}

/// What of a verdict counts, a line each.
const SERIOUS: &str = "axe.run().then(verdict => verdict.violations \
                       .filter(one => one.impact === 'serious' || one.impact === 'critical') \
                       .map(one => `${one.id}: ${one.nodes.map(node => node.target + ' ' + node.failureSummary).join('; ')}`))";

/// A browser with one page.
pub(crate) struct Browser {
    process: Child,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    page: String,
    last: u64,
    /// What the page complained of: exceptions, and whatever the console calls an error.
    pub(crate) complaints: Vec<String>,
    _folder: TempDir,
}

/// What the page's thread has done, in milliseconds of its own processor time: how much else the machine does is not in it.
pub(crate) struct Work {
    /// In scripts.
    pub(crate) script_ms: f64,
    /// To find styles and places.
    pub(crate) layout_ms: f64,
    /// In all.
    pub(crate) thread_ms: f64,
}

impl Work {
    /// What was done since then.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            script_ms: self.script_ms - before.script_ms,
            layout_ms: self.layout_ms - before.layout_ms,
            thread_ms: self.thread_ms - before.thread_ms,
        }
    }
}

impl Browser {
    /// Starts one, as wide as a page on a desk.
    pub(crate) async fn start(chromium: &Path) -> Self {
        Self::start_with(chromium, Vec::new()).await
    }

    /// The same, told more.
    pub(crate) async fn start_with(chromium: &Path, flags: Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = Command::new(chromium)
            .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
            .args([
                "--no-first-run",
                "--disable-extensions",
                "--remote-debugging-port=0",
                "--window-size=1280,900",
            ])
            .arg(format!("--user-data-dir={}", folder.path().display()))
            .args(flags)
            .arg("about:blank")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let address = folder.path().join("DevToolsActivePort");
        let told = async {
            loop {
                if let Ok(text) = std::fs::read_to_string(&address)
                    && let Some((port, path)) = text.trim().split_once('\n')
                {
                    return format!("ws://127.0.0.1:{port}{path}");
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let url = tokio::time::timeout(PATIENCE, told).await.expect("the browser does not start");
        let (socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        let mut browser =
            Self { process, socket, page: String::new(), last: 0, complaints: Vec::new(), _folder: folder };
        let target = browser.tell("Target.createTarget", json!({"url": "about:blank"})).await;
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let attached = browser.tell("Target.attachToTarget", attach).await;
        browser.page = attached["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.tell(domain, json!({})).await;
        }
        browser.tell("Performance.enable", json!({"timeDomain": "threadTicks"})).await;
        browser
    }

    /// Opens an address.
    pub(crate) async fn open(&mut self, url: &str) {
        self.tell("Page.navigate", json!({"url": url})).await;
        self.until("document.readyState === 'complete'").await;
    }

    /// What an expression is worth on the page.
    pub(crate) async fn ask(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.tell("Runtime.evaluate", asked).await;
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true. While a page is left for another, nothing is.
    pub(crate) async fn until(&mut self, expression: &str) {
        let wait = async {
            while self.ask(expression).await != Value::Bool(true) {
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            let text = self.ask("document.body.innerText").await;
            panic!("it never came true: {expression}\n{text}\n{:?}", self.complaints);
        }
    }

    /// Presses a key, as a person does.
    pub(crate) async fn key(&mut self, name: &str, number: u8, text: &str) {
        for kind in ["keyDown", "keyUp"] {
            let text = if kind == "keyDown" { text } else { "" };
            let key = json!({"type": kind, "key": name, "code": name, "windowsVirtualKeyCode": number, "text": text});
            self.tell("Input.dispatchKeyEvent", key).await;
        }
    }

    /// Writes where the focus is.
    pub(crate) async fn write(&mut self, text: &str) {
        self.tell("Input.insertText", json!({"text": text})).await;
    }

    /// What the page has done so far, by the browser's own account.
    pub(crate) async fn work(&mut self) -> Work {
        let told = self.tell("Performance.getMetrics", json!({})).await;
        let value = |name: &str| {
            let metric = told["metrics"].as_array().unwrap().iter().find(|metric| metric["name"] == name);
            metric.unwrap_or_else(|| panic!("no {name} in {told}"))["value"].as_f64().unwrap()
        };
        Work {
            script_ms: value("ScriptDuration") * 1_000.0,
            layout_ms: (value("LayoutDuration") + value("RecalcStyleDuration")) * 1_000.0,
            thread_ms: value("TaskDuration") * 1_000.0,
        }
    }

    /// Presses what is there with a mouse, as a person does: a browser lends sound and microphone to nobody else.
    pub(crate) async fn press(&mut self, selector: &str) {
        let find = format!(
            "(() => {{ const it = document.querySelector(`{selector}`); it.scrollIntoView({{block: 'center', behavior: 'instant'}}); \
             const box = it.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2] }})()"
        );
        let at = self.ask(&find).await;
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1});
            self.tell("Input.dispatchMouseEvent", event).await;
        }
    }

    /// As if a person had a window of this size, in the light or in the dark.
    pub(crate) async fn see(&mut self, width: u32, height: u32, scheme: &str) {
        let size = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500});
        self.tell("Emulation.setDeviceMetricsOverride", size).await;
        let features = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.tell("Emulation.setEmulatedMedia", features).await;
    }

    /// Takes a picture of what is seen, if somebody wants pictures: into the folder `FRONTDESK_PICTURES`.
    pub(crate) async fn picture(&mut self, name: &str) {
        let Some(folder) = setting("FRONTDESK_PICTURES") else { return };
        let shot = self.tell("Page.captureScreenshot", json!({"format": "png"})).await;
        let png = STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), png).unwrap();
    }

    /// Nobody is kept out by this page, as far as a machine can tell.
    pub(crate) async fn must_be_for_everybody(&mut self, name: &str) {
        let Some(axe) = axe() else { return };
        // What fades in is not judged halfway.
        self.ask("Promise.all(document.getAnimations().filter(it => it.effect.getTiming().iterations === 1).map(it => it.finished)).then(() => true)").await;
        self.ask(&format!("{axe}; true")).await;
        let found = self.ask(SERIOUS).await;
        assert_eq!(found, json!([]), "{name}");
    }

    /// Says something to the browser, and hears its answer.
    async fn tell(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let id = self.last;
        let mut message = json!({"id": id, "method": method, "params": parameters});
        if !self.page.is_empty() {
            message["sessionId"] = self.page.clone().into();
        }
        self.socket.send(Message::Text(message.to_string().into())).await.unwrap();
        let answer = async {
            loop {
                let heard = self.socket.next().await.unwrap().unwrap();
                let Message::Text(text) = heard else { continue };
                let heard: Value = serde_json::from_str(&text).unwrap();
                if heard["id"] == id {
                    assert!(heard["error"].is_null() || method == "Runtime.evaluate", "{method}: {heard}");
                    return heard["result"].clone();
                }
                self.complaints.extend(complaint(&heard));
            }
        };
        tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| panic!("no answer to {method}"))
    }
}

fn complaint(event: &Value) -> Option<String> {
    let parameters = &event["params"];
    match event["method"].as_str()? {
        "Runtime.exceptionThrown" => Some(parameters["exceptionDetails"].to_string()),
        "Runtime.consoleAPICalled" if parameters["type"] == "error" => Some(parameters["args"].to_string()),
        "Log.entryAdded" if parameters["entry"]["level"] == "error" => Some(parameters["entry"].to_string()),
        _ => None,
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may be gone already.
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}
