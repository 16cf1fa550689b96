//! Writes a response: head, framing and body, in as few system calls as its shape allows.

use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};

use hotclub_app::Part;

use crate::environ::Decimal;
use crate::extent::{Extent, extent, is_bodiless, own_fields};
use crate::flow::Flow;
use crate::h1::input::Input;
use crate::message::{Body, Piece, Response};
use crate::request::Version;
use crate::respond;
use crate::socket::{Pace, Socket};
use crate::thread::Thread;

/// A body up to this size is copied behind its head: one slice is cheaper to send than two.
const COPIED: usize = 4096;
/// Pipelined bytes that are kept while an app streams.
const AHEAD: usize = 16 * 1024;

/// What the request lays down for its response.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) version: Version,
    pub(crate) is_head: bool,
    pub(crate) keep_alive: bool,
}

/// How the body is delimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transfer {
    /// Neither a body nor a length of it.
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

/// How a response ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// All was sent; the connection may be kept.
    Complete,
    /// All was sent, and the connection's end is part of the message.
    Close,
    /// The rest is missing: the client must see that.
    Cut,
    /// The client is gone or too slow.
    Lost,
}

/// What was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    /// Of the body.
    pub(crate) bytes: u64,
    pub(crate) end: End,
}

/// The connection, as far as writing a response goes.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    thread: &'a Thread,
    socket: &'a Socket,
    input: &'a mut Input,
    pace: Pace,
    /// What is to be written before anything else.
    out: Vec<u8>,
    bytes: u64,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(thread: &'a Thread, socket: &'a Socket, input: &'a mut Input) -> Self {
        Self {
            thread,
            socket,
            input,
            pace: Pace::new(thread.limits()),
            out: thread.take_buffer(),
            bytes: 0,
        }
    }

    /// Writes all of `response`.
    pub(crate) async fn send(mut self, response: Response, terms: Terms) -> Sent {
        let transfer = transfer(&response, terms);
        let keep_alive = terms.keep_alive && transfer != Transfer::UntilClose;
        if let Body::Tunnel(_) = response.body {
            return self.tunnel(response, terms).await;
        }
        self.head(&response, transfer, terms, keep_alive);
        let outcome = if terms.is_head || is_bodiless(response.status) {
            self.flush().await.map(|()| true)
        } else {
            self.body(response.body, transfer).await
        };
        let end = match outcome {
            Ok(true) if keep_alive => End::Complete,
            Ok(true) => End::Close,
            Ok(false) => End::Cut,
            // A file that became shorter: our fault, and the client must see it.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => End::Cut,
            Err(_) => End::Lost,
        };
        self.thread.give_buffer(self.out);
        Sent {
            bytes: self.bytes,
            end,
        }
    }

    /// The connection is another protocol's from here on.
    async fn tunnel(mut self, response: Response, terms: Terms) -> Sent {
        self.head(&response, Transfer::None, terms, true);
        let flushed = self.flush().await;
        self.thread.give_buffer(std::mem::take(&mut self.out));
        let (Ok(()), Body::Tunnel(tunnel)) = (flushed, response.body) else {
            let end = End::Lost;
            return Sent { bytes: 0, end };
        };
        let bytes = tunnel.run(self.thread, self.socket, self.input).await;
        let end = End::Lost;
        Sent { bytes, end }
    }

    fn head(&mut self, response: &Response, transfer: Transfer, terms: Terms, keep_alive: bool) {
        let (date, _) = self.thread.clock.now();
        write_head(
            &mut self.out,
            response,
            transfer,
            terms,
            keep_alive,
            &date.http,
        );
    }

    /// `false`: the answer broke off.
    async fn body(&mut self, body: Body, transfer: Transfer) -> io::Result<bool> {
        match body {
            Body::Empty | Body::Bodiless | Body::Tunnel(_) => self.flush().await?,
            Body::Bytes(bytes) => {
                self.slice(&bytes).await?;
                self.flush().await?;
            }
            Body::File { file, offset, len } => self.file(file.as_fd(), offset, len).await?,
            Body::Parts(pieces) => {
                for piece in pieces {
                    match piece {
                        Piece::Bytes(bytes) => self.slice(&bytes).await?,
                        Piece::File { file, offset, len } => {
                            self.file(file.as_fd(), offset, len).await?;
                        }
                    }
                }
                self.flush().await?;
            }
            Body::Flow(flow) => return self.flow(flow, transfer).await,
        }
        Ok(true)
    }

    async fn flow(&mut self, mut flow: Flow, transfer: Transfer) -> io::Result<bool> {
        let mut left = match transfer {
            Transfer::Length(length) => length,
            _ => u64::MAX,
        };
        while left > 0 {
            let part = tokio::select! {
                biased;
                part = flow.next() => part,
                // Nothing more is here yet: what is written so far need not wait for it.
                () = std::future::ready(()), if !self.out.is_empty() => {
                    self.flush().await?;
                    continue;
                }
                () = self.input.until_left(self.thread, self.socket, AHEAD) => {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
            };
            match part {
                Some(Ok(part)) => self.part(part, transfer, &mut left).await?,
                Some(Err(_)) => return Ok(false),
                None => break,
            }
        }
        if transfer == Transfer::Chunked {
            self.out.extend_from_slice(b"0\r\n\r\n");
        }
        self.flush().await?;
        if left == 0 {
            flow.finish();
        }
        Ok(left == 0 || !matches!(transfer, Transfer::Length(_)))
    }

    /// One part, cut to what was announced.
    async fn part(&mut self, part: Part, transfer: Transfer, left: &mut u64) -> io::Result<()> {
        let len = match &part {
            Part::Bytes(bytes) => bytes.len() as u64,
            Part::File { len, .. } => *len,
        }
        .min(*left);
        if len == 0 {
            return Ok(());
        }
        *left -= len;
        if transfer == Transfer::Chunked {
            // Writing to a Vec does not fail.
            let _ = write!(self.out, "{len:x}\r\n");
        }
        match part {
            Part::Bytes(bytes) => self.slice(&bytes[..len as usize]).await?,
            Part::File { file, offset, .. } => self.file(file.as_fd(), offset, len).await?,
        }
        if transfer == Transfer::Chunked {
            self.out.extend_from_slice(b"\r\n");
        }
        Ok(())
    }

    /// Writes bytes, or keeps them in `out` when they are few.
    async fn slice(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.out.len() + bytes.len() <= self.out.capacity() && bytes.len() <= COPIED {
            self.out.extend_from_slice(bytes);
        } else {
            self.socket
                .write_all(&self.out, bytes, &mut self.pace)
                .await?;
            self.out.clear();
        }
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    async fn file(&mut self, file: BorrowedFd<'_>, offset: u64, len: u64) -> io::Result<()> {
        if len == 0 {
            return self.flush().await;
        }
        let before = self.pace.moved;
        self.socket
            .write_before_file(&self.out, &mut self.pace)
            .await?;
        let head = self.out.len() as u64;
        self.out.clear();
        let sent = self
            .socket
            .send_file(file, offset, len, &mut self.pace)
            .await;
        self.bytes += self.pace.moved - before - head;
        sent
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.socket
            .write_all(&self.out, b"", &mut self.pace)
            .await?;
        self.out.clear();
        Ok(())
    }
}

fn transfer(response: &Response, terms: Terms) -> Transfer {
    match extent(response, terms.is_head) {
        Extent::None => Transfer::None,
        Extent::Length(length) => Transfer::Length(length),
        Extent::Open if terms.version == Version::Http10 => Transfer::UntilClose,
        Extent::Open => Transfer::Chunked,
    }
}

fn write_head(
    out: &mut Vec<u8>,
    response: &Response,
    transfer: Transfer,
    terms: Terms,
    keep_alive: bool,
    date: &str,
) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(Decimal::new(response.status.into()).as_bytes());
    out.push(b' ');
    match &response.reason {
        Some(reason) => out.extend_from_slice(reason),
        None => out.extend_from_slice(respond::reason(response.status).as_bytes()),
    }
    out.extend_from_slice(b"\r\n");
    let mut dated = false;
    for (name, value) in own_fields(response) {
        dated |= name.eq_ignore_ascii_case(b"date");
        write_field(out, name, value);
    }
    if !dated {
        write_field(out, b"Date", date.as_bytes());
    }
    match transfer {
        Transfer::Length(length) => {
            write_field(out, b"Content-Length", Decimal::new(length).as_bytes());
        }
        Transfer::Chunked => write_field(out, b"Transfer-Encoding", b"chunked"),
        Transfer::None | Transfer::UntilClose => {}
    }
    if !keep_alive {
        write_field(out, b"Connection", b"close");
    } else if terms.version == Version::Http10 {
        write_field(out, b"Connection", b"keep-alive");
    }
    out.extend_from_slice(b"\r\n");
}

fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
#[path = "write/tests.rs"]
mod tests;
