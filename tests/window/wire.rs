//! The way between browser and server, which a test can cut: sockets that live are dropped, and new ones die with their
//! first answer, while everything else goes through.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// A way to a server.
pub(crate) struct Wire {
    /// Where it begins: `http://127.0.0.1:PORT`.
    pub(crate) base: String,
    cut: watch::Sender<bool>,
    _carrying: JoinSet<()>,
}

impl Wire {
    /// A way to the server at `to`, `http://127.0.0.1:PORT`.
    pub(crate) async fn to(to: &str) -> Self {
        let to: Arc<str> = to.trim_start_matches("http://").into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let cut = watch::Sender::new(false);
        let mut carrying = JoinSet::new();
        let is_cut = cut.subscribe();
        carrying.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (near, _) = listener.accept().await.unwrap();
                let (to, is_cut) = (Arc::clone(&to), is_cut.clone());
                connections.spawn(async move {
                    let Ok(far) = TcpStream::connect(&*to).await else { return };
                    carry(near, far, is_cut).await;
                });
            }
        });
        Self { base, cut, _carrying: carrying }
    }

    /// Cuts the sockets, or lets them be.
    pub(crate) fn cut(&self, cut: bool) {
        self.cut.send_replace(cut);
    }
}

async fn carry(mut near: TcpStream, mut far: TcpStream, mut is_cut: watch::Receiver<bool>) {
    let mut first = vec![0; 16 * 1024];
    let Ok(length) = near.read(&mut first).await else { return };
    first.truncate(length);
    let is_socket = String::from_utf8_lossy(&first).to_lowercase().contains("upgrade: websocket");
    if far.write_all(&first).await.is_err() {
        return;
    }
    if is_socket && *is_cut.borrow() {
        // The handshake is answered, and nothing is said after it: a browser complains of less in its console.
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = far.read_u8().await else { return };
            head.push(byte);
        }
        let _gone = near.write_all(&head).await;
        return;
    }
    let (mut near_reads, mut near_writes) = near.split();
    let (mut far_reads, mut far_writes) = far.split();
    let both = async {
        tokio::select! {
            _ = copy(&mut near_reads, &mut far_writes) => {}
            _ = copy(&mut far_reads, &mut near_writes) => {}
        }
    };
    if is_socket {
        tokio::select! { () = both => {}, _ = is_cut.wait_for(|cut| *cut) => {} }
    } else {
        both.await;
    }
}
