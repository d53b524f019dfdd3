//! The floor: bytes from one socket to the other and back, with one buffer for all. It knows nothing of WebSockets.

use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

const LISTENER: Token = Token(usize::MAX);

struct Side {
    socket: TcpStream,
    unsent: Vec<u8>,
}

/// Relays until the process is ended.
pub(crate) fn run(listen: SocketAddr, model: SocketAddr) -> anyhow::Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind(listen)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut sides: Vec<Option<Side>> = Vec::new();
    let mut events = Events::with_capacity(1_024);
    let mut buffer = vec![0; 64 * 1_024];
    loop {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        for event in &events {
            if event.token() == LISTENER {
                while let Ok((caller, _)) = listener.accept() {
                    let to_model = std::net::TcpStream::connect(model)?;
                    to_model.set_nonblocking(true)?;
                    for mut socket in [caller, TcpStream::from_std(to_model)] {
                        socket.set_nodelay(true)?;
                        let both = Interest::READABLE | Interest::WRITABLE;
                        poll.registry().register(&mut socket, Token(sides.len()), both)?;
                        sides.push(Some(Side { socket, unsent: Vec::new() }));
                    }
                }
                continue;
            }
            let Token(one) = event.token();
            // Who is even called, and the next was dialled for them.
            let other = one ^ 1;
            let carried = flush(&mut sides, one).and_then(|()| carry(&mut sides, one, other, &mut buffer));
            if carried.is_err() {
                sides[one] = None;
                sides[other] = None;
            }
        }
    }
}

fn carry(sides: &mut [Option<Side>], from: usize, to: usize, buffer: &mut [u8]) -> io::Result<()> {
    loop {
        let Some(side) = &mut sides[from] else { return Ok(()) };
        let read = match side.socket.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        if let Some(side) = &mut sides[to] {
            side.unsent.extend_from_slice(&buffer[..read]);
        }
        flush(sides, to)?;
        if read < buffer.len() {
            return Ok(());
        }
    }
}

fn flush(sides: &mut [Option<Side>], to: usize) -> io::Result<()> {
    let Some(side) = &mut sides[to] else { return Ok(()) };
    while !side.unsent.is_empty() {
        match side.socket.write(&side.unsent) {
            Ok(written) => drop(side.unsent.drain(..written)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    // Nothing is kept for a call that keeps up: the floor should be one.
    side.unsent = Vec::new();
    Ok(())
}
