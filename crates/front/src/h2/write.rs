//! Writes a response to a stream: its head, then its body as the client's windows open. A file is read
//! piece by piece, and nothing is read before there is room to send it.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::rc::Rc;

use ::h2::server::SendResponse;
use ::h2::{Reason, SendStream};
use bytes::Bytes;
use hotclub_app::Part;
use http::header::{CONTENT_LENGTH, DATE};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::extent::{Extent, extent, is_bodiless, own_fields};
use crate::flow::Flow;
use crate::h2::wire::Gauge;
use crate::message::{Body, Piece, Response};
use crate::socket::Pace;
use crate::thread::Thread;

/// One stream, as far as writing a response goes.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    pub(crate) thread: &'a Thread,
    pub(crate) gauge: &'a Rc<Gauge>,
    pub(crate) respond: SendResponse<Bytes>,
}

/// How a body ended.
enum End {
    /// The client has it all.
    Complete,
    /// The rest is missing: the client must see that.
    Cut,
}

impl Writer<'_> {
    /// Writes all of `response`; returns the bytes of the body that were sent.
    pub(crate) async fn send(mut self, response: Response, is_head: bool) -> u64 {
        let extent = extent(&response, is_head);
        let Some(head) = self.head(&response, extent) else {
            self.respond.send_reset(Reason::INTERNAL_ERROR);
            return 0;
        };
        let is_empty = is_head
            || is_bodiless(response.status)
            || matches!(response.body, Body::Empty | Body::Bodiless)
            || extent == Extent::Length(0);
        let Ok(stream) = self.respond.send_response(head, is_empty) else {
            return 0;
        };
        if is_empty {
            return 0;
        }
        let mut sink = Sink {
            stream,
            gauge: self.gauge,
            pace: Pace::new(self.thread.limits()),
            left: match extent {
                Extent::Length(length) => length,
                Extent::None | Extent::Open => u64::MAX,
            },
            bytes: 0,
        };
        match sink.body(response.body).await {
            Ok(End::Complete) => {}
            Ok(End::Cut) => sink.stream.send_reset(Reason::INTERNAL_ERROR),
            // A file that became shorter: our fault, and the client must see it.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                sink.stream.send_reset(Reason::INTERNAL_ERROR);
            }
            Err(_) => sink.stream.send_reset(Reason::CANCEL),
        }
        sink.bytes
    }

    /// `None`: a field that HTTP/2 has no way to say, which the checks before this leave no way for.
    fn head(&self, response: &Response, extent: Extent) -> Option<http::Response<()>> {
        let mut head = http::Response::new(());
        *head.status_mut() = StatusCode::from_u16(response.status).ok()?;
        let fields = head.headers_mut();
        fields.reserve(response.fields.len() + 2);
        for (name, value) in own_fields(response) {
            let name = HeaderName::from_bytes(name).ok()?;
            fields.append(name, HeaderValue::from_bytes(value).ok()?);
        }
        if !fields.contains_key(DATE) {
            let (date, _) = self.thread.clock.now();
            fields.insert(DATE, HeaderValue::from_str(&date.http).ok()?);
        }
        if let Extent::Length(length) = extent {
            fields.insert(CONTENT_LENGTH, length.into());
        }
        Some(head)
    }
}

/// The body's way out.
struct Sink<'a> {
    stream: SendStream<Bytes>,
    gauge: &'a Gauge,
    pace: Pace,
    /// Bytes that were announced and not sent.
    left: u64,
    bytes: u64,
}

impl Sink<'_> {
    async fn body(&mut self, body: Body) -> io::Result<End> {
        match body {
            // Nobody is offered a tunnel here: only a request of HTTP/1.1 can ask for one.
            Body::Empty | Body::Bodiless | Body::Tunnel(_) => {}
            Body::Bytes(bytes) => self.slice(bytes).await?,
            Body::File { file, offset, len } => self.file(file.as_fd(), offset, len).await?,
            Body::Parts(pieces) => {
                for piece in pieces {
                    match piece {
                        Piece::Bytes(bytes) => self.slice(bytes).await?,
                        Piece::File { file, offset, len } => {
                            self.file(file.as_fd(), offset, len).await?;
                        }
                    }
                }
            }
            Body::Flow(flow) => return self.flow(flow).await,
        }
        Ok(End::Complete)
    }

    async fn flow(&mut self, mut flow: Flow) -> io::Result<End> {
        let announced = self.left < u64::MAX;
        while self.left > 0 {
            let part = tokio::select! {
                biased;
                part = flow.next() => part,
                _ = std::future::poll_fn(|context| self.stream.poll_reset(context)) => {
                    return Err(io::ErrorKind::ConnectionAborted.into());
                }
            };
            match part {
                Some(Ok(Part::Bytes(mut bytes))) => {
                    bytes.truncate(usize::try_from(self.left).unwrap_or(usize::MAX));
                    self.slice(bytes).await?;
                }
                Some(Ok(Part::File { file, offset, len })) => {
                    self.file(file.as_fd(), offset, len.min(self.left)).await?;
                }
                Some(Err(_)) => return Ok(End::Cut),
                None => break,
            }
        }
        match (announced, self.left) {
            (true, 0) => flow.finish(),
            (true, _) => return Ok(End::Cut),
            (false, _) => self.stream.send_data(Bytes::new(), true).map_err(gone)?,
        }
        Ok(End::Complete)
    }

    async fn slice(&mut self, mut bytes: Bytes) -> io::Result<()> {
        while !bytes.is_empty() {
            let room = self.room(bytes.len()).await?;
            self.give(bytes.split_to(room))?;
        }
        Ok(())
    }

    async fn file(&mut self, file: BorrowedFd<'_>, offset: u64, len: u64) -> io::Result<()> {
        let mut sent = 0;
        while sent < len {
            let wanted = usize::try_from(len - sent).unwrap_or(usize::MAX);
            let room = self.room(wanted).await?;
            let mut piece = Vec::with_capacity(room);
            let spare = rustix::buffer::spare_capacity(&mut piece);
            if rustix::io::pread(file, spare, offset + sent)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            sent += piece.len() as u64;
            self.give(piece.into())?;
            if self.gauge.step() == room {
                // One fast reader of a large file does not hold the thread.
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Hands bytes over that there is room for, and ends the stream behind the last.
    fn give(&mut self, mut bytes: Bytes) -> io::Result<()> {
        let len = bytes.len() as u64;
        let announced = self.left < u64::MAX;
        if announced {
            self.left = self.left.saturating_sub(len);
        }
        let last = announced && self.left == 0;
        while bytes.len() > self.gauge.frame() {
            let frame = bytes.split_to(self.gauge.frame());
            self.stream.send_data(frame, false).map_err(gone)?;
            self.gauge.earn(1);
        }
        self.stream.send_data(bytes, last).map_err(gone)?;
        self.gauge.earn(1);
        self.pace.moved += len;
        self.bytes += len;
        Ok(())
    }

    /// Waits until some of `wanted` bytes can be sent: the client's windows are open and the kernel
    /// takes bytes.
    async fn room(&mut self, wanted: usize) -> io::Result<usize> {
        let wanted = wanted.min(self.gauge.step());
        self.stream.reserve_capacity(wanted);
        loop {
            let room = self.stream.capacity().min(wanted);
            if room > 0 && !self.gauge.is_blocked() {
                return Ok(room);
            }
            let (stream, gauge) = (&mut self.stream, self.gauge);
            let opened = async {
                gauge.unblocked().await;
                if room > 0 {
                    return io::Result::Ok(());
                }
                match std::future::poll_fn(|context| stream.poll_capacity(context)).await {
                    Some(Ok(_)) => Ok(()),
                    _ => Err(io::ErrorKind::ConnectionAborted.into()),
                }
            };
            self.pace
                .within(opened)
                .await
                .unwrap_or_else(|| Err(io::ErrorKind::TimedOut.into()))?;
        }
    }
}

fn gone(_: ::h2::Error) -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}
