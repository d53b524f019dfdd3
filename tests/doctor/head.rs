//! Heads of HTTP/1 messages, read and written byte by byte: a front must be able to say what no library would.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Heads in these tests are some hundred bytes.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// More than a proxy adds to the dozen of a client.
const MAX_HEADERS: usize = 64;

/// A request as it came, but for its body.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    /// `GET`, say.
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    /// `HTTP/1.1`, and what a proxy makes of it.
    pub(crate) version: &'static str,
    /// In order.
    pub(crate) headers: Headers,
}

/// An answer.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    /// Its status.
    pub(crate) status: u16,
    /// In order.
    pub(crate) headers: Headers,
    /// All of it; its length is counted when it is sent.
    pub(crate) body: Vec<u8>,
}

/// Names and values, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Headers(pub(crate) Vec<(String, String)>);

impl Headers {
    /// The first of that name.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(one, _)| one.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Takes all of that name away.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(one, _)| !one.eq_ignore_ascii_case(name));
    }

    /// Lets this be the only one of that name.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.0.push((name.to_owned(), value.to_owned()));
    }

    fn length(&self) -> Option<usize> {
        self.get("content-length")?.trim().parse().ok()
    }

    fn write(&self, head: &mut String) {
        for (name, value) in &self.0 {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
    }
}

impl Request {
    /// Whether it is for that path, whatever its query.
    pub(crate) fn is(&self, path: &str) -> bool {
        self.target.split('?').next() == Some(path)
    }

    /// Whether it has a query.
    pub(crate) fn has_query(&self) -> bool {
        self.target.contains('?')
    }

    /// Reads one with its body; none when nobody asks any more.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<(Self, Vec<u8>)>> {
        let mut bytes = Vec::new();
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut parsed = httparse::Request::new(&mut headers);
            if let httparse::Status::Complete(length) = parsed.parse(&bytes).map_err(io::Error::other)? {
                let request = Self {
                    method: parsed.method.unwrap_or_default().to_owned(),
                    target: parsed.path.unwrap_or_default().to_owned(),
                    version: "HTTP/1.1",
                    headers: owned(parsed.headers),
                };
                let mut body = bytes.split_off(length);
                let wanted = request.headers.length().unwrap_or(0);
                while body.len() < wanted && from.read_buf(&mut body).await? > 0 {}
                return Ok(Some((request, body)));
            }
            if bytes.len() > MAX_HEAD_BYTES || from.read_buf(&mut bytes).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// As it goes on.
    pub(crate) fn written(&self) -> String {
        let mut head = format!("{} {} {}\r\n", self.method, self.target, self.version);
        self.headers.write(&mut head);
        head
    }
}

impl Reply {
    /// One without headers.
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: Headers::default(), body: body.into() }
    }

    /// With this header.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.set(name, value);
        self
    }

    /// Its body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Reads one; what follows a 101 is left in its body.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut bytes = Vec::new();
        loop {
            let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
            let mut parsed = httparse::Response::new(&mut headers);
            if let httparse::Status::Complete(length) = parsed.parse(&bytes).map_err(io::Error::other)? {
                let (status, headers) = (parsed.code.unwrap_or_default(), owned(parsed.headers));
                let mut body = bytes.split_off(length);
                let wanted = if status == 101 { 0 } else { headers.length().unwrap_or(usize::MAX) };
                while body.len() < wanted && from.read_buf(&mut body).await? > 0 {}
                return Ok(Some(Self { status, headers, body }));
            }
            if bytes.len() > MAX_HEAD_BYTES || from.read_buf(&mut bytes).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// As it goes on.
    pub(crate) fn written(mut self) -> Vec<u8> {
        if self.status != 101 {
            self.headers.remove("transfer-encoding");
            self.headers.set("content-length", &self.body.len().to_string());
            self.headers.set("connection", "close");
        }
        let mut head = format!("HTTP/1.1 {} So\r\n", self.status);
        self.headers.write(&mut head);
        [head.into_bytes(), self.body].concat()
    }
}

fn owned(headers: &[httparse::Header<'_>]) -> Headers {
    let owned = |header: &httparse::Header<'_>| {
        (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())
    };
    Headers(headers.iter().map(owned).collect())
}
