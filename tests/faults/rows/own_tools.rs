//! A tool of the business's own is slow, out of its mind, or leads elsewhere.

use std::net::Ipv4Addr;

use frontdesk::domain::BusinessImport;
use frontdesk::sim::model::{Reply, Script};
use frontdesk::store::Directory as _;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::fault::{Fault, Guard, Scene, fault};
use crate::house::LUNA;
use crate::scenes::asks;
use crate::voices::{GREETS, NOTED, answering, goodbye, hangs_up_at};

/// A piece of an endless answer.
const BABBLE: &[u8] = &[b'x'; 16 * 1024];

fn asks_it() -> Vec<Script> {
    let mut script = answering(vec![Reply::default().and_tool("find_slot", r#"{"day":"mon"}"#), goodbye()]);
    script.after_tool = vec![NOTED.says("So it is.")];
    vec![script]
}

/// Gives Luna Dental a tool that answers so, and then goes on for so many bytes; without an answer it hangs.
async fn tool(scene: &Scene, answer: Option<&'static str>, more: usize) -> Guard {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut held = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            match answer {
                Some(answer) => answers(&mut socket, answer, more).await,
                None => held.push(socket),
            }
        }
    });
    let mut businesses: Value = serde_json::from_str(LUNA).unwrap();
    businesses["businesses"][0]["httpTools"] = json!([{"name": "find_slot", "description": "Finds a free time.",
        "url": url, "secret": "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", "deadlineMs": 5_000,
        "parameters": {"type": "object", "properties": {"day": {"type": "string"}}}}]);
    let businesses: BusinessImport = serde_json::from_value(businesses).unwrap();
    scene.house.store.import(&businesses).await.unwrap();
    Box::new(serving)
}

async fn answers(socket: &mut TcpStream, answer: &str, more: usize) {
    // Whoever asks may leave in the middle, which is what is wanted.
    let mut request = [0; 4_096];
    let _heard = socket.read(&mut request).await;
    let mut left = socket.write_all(answer.as_bytes()).await.is_err();
    for _ in 0..more / BABBLE.len() {
        left = left || socket.write_all(BABBLE).await.is_err();
    }
    let _left = socket.shutdown().await;
}

pub(super) fn rows() -> Vec<Fault> {
    let row = |name| Fault { scripts: asks_it(), since: Some(GREETS), ..fault(name) };
    vec![
        Fault {
            before: Some(|scene| Box::pin(tool(scene, None, 0))),
            call: |plan| plan.caller = vec![asks(), hangs_up_at(14_000)],
            ..row("a business's own tool hangs")
        },
        Fault {
            before: Some(|scene| {
                Box::pin(tool(scene, Some("HTTP/1.1 200 X\r\ncontent-type: image/png\r\n\r\n"), 64 * 1024))
            }),
            ..row("a business's own tool answers garbage")
        },
        Fault {
            before: Some(|scene| {
                let answer =
                    "HTTP/1.1 302 X\r\nlocation: http://169.254.169.254/latest\r\ncontent-length: 0\r\n\r\n";
                Box::pin(tool(scene, Some(answer), 0))
            }),
            ..row("a business's own tool redirects to the platform's metadata")
        },
        Fault {
            before: Some(|scene| {
                let answer = "HTTP/1.1 200 X\r\ncontent-type: text/plain\r\n\r\n";
                Box::pin(tool(scene, Some(answer), 10_000_000))
            }),
            ..row("a business's own tool answers ten megabytes")
        },
    ]
}
