//! What follows a 101: bytes of another protocol (WebSocket, for one), passed in both directions as they
//! come. Each direction ends by itself, so that a half-closed connection goes on half; nothing in
//! either direction for long, a slow reader, or the end of the front's drain ends both.

use std::cell::Cell;
use std::io;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf, WriteHalf};

use super::connect::{Connection, READ, Stream};
use super::upstream::Lease;
use crate::h1::Input;
use crate::socket::{Pace, Socket};
use crate::thread::Thread;

/// A connection to an upstream that has switched protocols.
#[derive(Debug)]
pub struct Tunnel {
    connection: Connection,
    _lease: Lease,
    patience: Duration,
}

/// When something last moved, and how much went to the client.
#[derive(Debug)]
struct Traffic {
    moved_at: Cell<Instant>,
    to_client: Cell<u64>,
}

impl Tunnel {
    pub(crate) fn new(connection: Connection, lease: Lease, patience: Duration) -> Self {
        Self {
            connection,
            _lease: lease,
            patience,
        }
    }

    /// Passes bytes until both directions have ended; returns how many went to the client. The client's
    /// connection is of no further use.
    pub(crate) async fn run(self, thread: &Thread, socket: &Socket, input: &mut Input) -> u64 {
        let traffic = Traffic {
            moved_at: Cell::new(Instant::now()),
            to_client: Cell::new(0),
        };
        let (mut reader, mut writer) = tokio::io::split(self.connection.stream);
        let early = self.connection.input;
        let down = to_client(&mut reader, early, thread, socket, &traffic);
        let up = to_upstream(&mut writer, thread, socket, input, &traffic);
        let moving = async { tokio::join!(down, up) };
        tokio::select! {
            _ = moving => {}
            () = traffic.stopped(self.patience) => {}
        }
        traffic.to_client.get()
    }
}

impl Traffic {
    fn moved(&self) {
        self.moved_at.set(Instant::now());
    }

    /// Returns when nothing has moved for `patience`.
    async fn stopped(&self, patience: Duration) {
        loop {
            let until = self.moved_at.get() + patience;
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until.into()).await;
        }
    }
}

async fn to_client(
    reader: &mut ReadHalf<Stream>,
    mut bytes: BytesMut,
    thread: &Thread,
    socket: &Socket,
    traffic: &Traffic,
) -> io::Result<()> {
    let mut pace = Pace::new(thread.limits());
    loop {
        if !bytes.is_empty() {
            if let Err(error) = socket.write_all(&bytes, b"", &mut pace).await {
                // Nobody reads: what the client still sends is of no use either.
                socket.cut();
                return Err(error);
            }
            traffic.to_client.set(pace.moved);
            traffic.moved();
            bytes.clear();
        }
        bytes.reserve(READ);
        match reader.read_buf(&mut bytes).await {
            Ok(1..) => {}
            Ok(0) => {
                socket.stop_writing();
                return Ok(());
            }
            Err(error) => {
                socket.cut();
                return Err(error);
            }
        }
    }
}

async fn to_upstream(
    writer: &mut WriteHalf<Stream>,
    thread: &Thread,
    socket: &Socket,
    input: &mut Input,
    traffic: &Traffic,
) -> io::Result<()> {
    loop {
        if !input.is_empty() {
            writer.write_all(input.bytes()).await?;
            writer.flush().await?;
            input.clear();
            traffic.moved();
        }
        match input.fill(thread, socket, READ).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => return writer.shutdown().await,
        }
    }
}
