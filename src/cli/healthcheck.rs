//! `frontdesk healthcheck`: asks the server on this machine whether it is well, for containers without a shell.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Less than the 3 s after which the Dockerfile's check gives up, so that our own words are in its log.
const PATIENCE: Duration = Duration::from_secs(2);

/// More than a status line needs: bytes.
const STATUS_LINE: u64 = 128;

/// Asks `/health` on `port`, over IPv4 and, where that is refused, over IPv6. Fails when nobody answers within 2 s, or
/// with anything but 200.
pub(super) async fn run(port: u16) -> anyhow::Result<()> {
    tokio::time::timeout(PATIENCE, ask(port))
        .await
        .with_context(|| format!("no answer from port {port} within {} s", PATIENCE.as_secs()))?
}

async fn ask(port: u16) -> anyhow::Result<()> {
    let addresses: [IpAddr; 2] = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
    let mut stream = TcpStream::connect(addresses.map(|ip| (ip, port).into()).as_slice())
        .await
        .with_context(|| format!("cannot connect to port {port} of this machine; is the server up?"))?;
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await?;
    let mut answer = Vec::new();
    stream.take(STATUS_LINE).read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.lines().next().unwrap_or_default();
    if status.split_ascii_whitespace().nth(1) != Some("200") {
        bail!("port {port} answered {status:?} instead of 200");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn only_a_200_is_well() {
        for (answer, verdict) in [
            ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}", Ok(())),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n200", Err("503 Service Unavailable")),
            ("SSH-2.0-OpenSSH_9.2\r\n", Err("answered \"SSH-2.0")),
            ("", Err("answered \"\"")),
        ] {
            for host in ["127.0.0.1:0", "[::1]:0"] {
                // A machine without IPv6 has nothing to show here.
                let Ok(listener) = TcpListener::bind(host).await else { continue };
                let port = listener.local_addr().unwrap().port();
                let (asked, ()) = tokio::join!(run(port), answer_once(&listener, answer));
                let asked = asked.map_err(|error| format!("{error:#}"));
                match (&asked, verdict) {
                    (Ok(()), Ok(())) => {}
                    (Err(error), Err(expected)) if error.contains(expected) => {}
                    _ => panic!("{host} {answer:?}: {asked:?}"),
                }
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_and_somebody_silent_are_not_well() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(run(port).await.unwrap_err().to_string().contains("within 2 s"));
        drop(listener);
        assert!(run(port).await.unwrap_err().to_string().contains("is the server up?"));
    }

    async fn answer_once(listener: &TcpListener, answer: &str) {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let read = stream.read(&mut request).await.unwrap();
        assert!(request[..read].starts_with(b"GET /health HTTP/1.1\r\n"));
        stream.write_all(answer.as_bytes()).await.unwrap();
    }
}
