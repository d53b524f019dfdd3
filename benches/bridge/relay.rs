//! The minimal relay: what everybody writes first, written well. Two sockets and one task a call, small buffers, audio
//! spliced from one message into the other; no signature, no pacing, no marks, no meter, no log, no second try.

use std::borrow::Cow;
use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{accept_async_with_config, client_async_with_config};

const SETUP: &str = r#"{"type":"session.update","session":{"type":"realtime","output_modalities":["audio"],"audio":{"input":{"format":{"type":"audio/pcmu"}},"output":{"format":{"type":"audio/pcmu"}}}}}"#;

#[derive(Deserialize)]
struct FromTwilio<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    media: Option<Media<'a>>,
    #[serde(rename = "streamSid")]
    stream_sid: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct Media<'a> {
    #[serde(borrow)]
    payload: Cow<'a, str>,
}

#[derive(Deserialize)]
struct FromModel<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    delta: Option<Cow<'a, str>>,
}

/// Relays until the process is ended. One thread: the best a process on one core can have.
pub(crate) fn run(listen: SocketAddr, model: SocketAddr) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(listen).await?;
        loop {
            let (caller, _) = listener.accept().await?;
            tokio::spawn(async move {
                if let Err(error) = carry(caller, model).await {
                    eprintln!("relay: {error:#}");
                }
            });
        }
    })
}

fn buffers() -> WebSocketConfig {
    WebSocketConfig::default().read_buffer_size(4 * 1_024).write_buffer_size(4 * 1_024)
}

async fn carry(caller: TcpStream, model: SocketAddr) -> anyhow::Result<()> {
    caller.set_nodelay(true)?;
    let mut caller = accept_async_with_config(caller, Some(buffers())).await?;
    let stream = loop {
        let Some(message) = caller.next().await else { bail!("a caller left before `start`") };
        let Message::Text(text) = message? else { continue };
        let words: FromTwilio<'_> = serde_json::from_str(&text)?;
        if words.event == "start" {
            break words.stream_sid.context("`start` without a stream")?.into_owned();
        }
    };
    let tcp = TcpStream::connect(model).await?;
    tcp.set_nodelay(true)?;
    let url = format!("ws://{model}/v1/realtime");
    let (mut model, _) = client_async_with_config(url, tcp, Some(buffers())).await?;
    model.send(Message::text(SETUP)).await?;
    loop {
        tokio::select! {
            message = caller.next() => {
                let Some(message) = message else { return Ok(()) };
                let Message::Text(text) = message? else { continue };
                let words: FromTwilio<'_> = serde_json::from_str(&text)?;
                if let Some(media) = words.media {
                    let event = format!(r#"{{"type":"input_audio_buffer.append","audio":"{}"}}"#, media.payload);
                    model.send(Message::text(event)).await?;
                }
            }
            message = model.next() => {
                let Some(message) = message else { return Ok(()) };
                let Message::Text(text) = message? else { continue };
                let event: FromModel<'_> = serde_json::from_str(&text)?;
                match (event.kind.as_ref(), event.delta) {
                    ("response.output_audio.delta", Some(audio)) => {
                        let media = format!(r#"{{"event":"media","streamSid":"{stream}","media":{{"payload":"{audio}"}}}}"#);
                        caller.send(Message::text(media)).await?;
                    }
                    ("session.updated", _) => model.send(Message::text(r#"{"type":"response.create"}"#)).await?,
                    _ => {}
                }
            }
        }
    }
}
