//! Our socket as the h2 crate reads and writes it, and what we learn while it does.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use crate::h2::census::{Census, Excess};
use crate::limits::Limits;
use crate::socket::{Pace, Socket};

/// Bytes of bodies that are handed to the h2 crate in one step, of all streams of a connection.
const STEP: usize = 256 * 1024;
/// The most and the least of that for one stream. The least is a whole frame of the usual size.
const STREAM_STEP: std::ops::RangeInclusive<usize> = 16 * 1024..=64 * 1024;

/// The longest record of TLS (RFC 8446, 5.1), and the head of a frame (RFC 9113, 4.1).
const RECORD: usize = 16 * 1024;
const FRAME_HEAD: usize = 9;

/// Given to the h2 crate.
#[derive(Debug)]
pub(crate) struct Wire {
    gauge: Rc<Gauge>,
    /// What was read before it was known to be HTTP/2.
    before: Vec<u8>,
}

/// What the connection and its streams know of the wire.
#[derive(Debug)]
pub(crate) struct Gauge {
    socket: Rc<Socket>,
    census: RefCell<Census>,
    excess: Cell<Option<Excess>>,
    head_time: std::time::Duration,
    head_due: Cell<Option<Instant>>,
    /// Since when the kernel takes no more, and until when it must.
    blocked: Cell<Option<(Instant, Instant)>>,
    unblocked: Notify,
    pace: RefCell<Pace>,
    streams: Cell<usize>,
    /// What is written waits for [`Gauge::poll_send`], whatever the h2 crate says, which flushes after each frame.
    gathers: Cell<bool>,
}

impl Wire {
    pub(crate) fn new(socket: &Rc<Socket>, before: Vec<u8>, limits: &Limits) -> Self {
        let gauge = Gauge {
            socket: Rc::clone(socket),
            census: RefCell::new(Census::new(&limits.http2, Instant::now())),
            excess: Cell::new(None),
            head_time: limits.head_time,
            head_due: Cell::new(None),
            blocked: Cell::new(None),
            unblocked: Notify::new(),
            pace: RefCell::new(Pace::new(limits)),
            streams: Cell::new(0),
            gathers: Cell::new(false),
        };
        Self {
            gauge: Rc::new(gauge),
            before,
        }
    }

    pub(crate) fn gauge(&self) -> Rc<Gauge> {
        Rc::clone(&self.gauge)
    }

    /// First what was read before, then what comes.
    fn read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.before.is_empty() {
            return self.gauge.socket.poll_read(context, buffer);
        }
        let count = self.before.len().min(buffer.remaining());
        buffer.put_slice(&self.before[..count]);
        self.before.drain(..count);
        if self.before.is_empty() {
            self.before = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl Gauge {
    /// What the client has sent too much of. Nothing more is read then.
    pub(crate) fn excess(&self) -> Option<Excess> {
        self.excess.get()
    }

    /// Bytes of body that one stream may hand over at once, so that all of them together hold little.
    pub(crate) fn step(&self) -> usize {
        let share = STEP / self.streams.get().max(1);
        share.clamp(*STREAM_STEP.start(), *STREAM_STEP.end())
    }

    pub(crate) fn set_streams(&self, count: usize) {
        self.streams.set(count);
    }

    /// Frames of a body were sent.
    pub(crate) fn earn(&self, frames: u32) {
        self.census.borrow_mut().earn(frames);
    }

    /// Whether the kernel takes no more.
    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.get().is_some()
    }

    /// Waits until the kernel takes bytes again.
    pub(crate) async fn unblocked(&self) {
        while self.is_blocked() {
            self.unblocked.notified().await;
        }
    }

    /// Whether whoever polls the connection sends what it has written, in few calls.
    pub(crate) fn gather(&self, gathers: bool) {
        self.gathers.set(gathers);
    }

    /// Sends what was gathered.
    pub(crate) fn poll_send(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = self.socket.poll_flush(context, |count| self.went(count));
        if outcome.is_pending() {
            self.stuck();
        }
        outcome
    }

    /// Whole frames of this length fill a record of TLS with their heads.
    pub(crate) fn frame(&self) -> usize {
        match self.socket.holds_writes() {
            true => RECORD - FRAME_HEAD,
            false => usize::MAX,
        }
    }

    fn came(&self, bytes: &[u8]) {
        let mut census = self.census.borrow_mut();
        if let Err(excess) = census.count(bytes) {
            self.excess.set(Some(excess));
        }
        match (census.awaits_head(), self.head_due.get()) {
            (true, None) => self.head_due.set(Some(Instant::now() + self.head_time)),
            (false, Some(_)) => self.head_due.set(None),
            _ => return,
        }
        self.arm();
    }

    fn stuck(&self) {
        if self.blocked.get().is_none() {
            let now = Instant::now();
            self.blocked
                .set(Some((now, self.pace.borrow().deadline(now))));
            self.arm();
        }
    }

    fn went(&self, count: usize) {
        let mut pace = self.pace.borrow_mut();
        pace.moved += count as u64;
        if let Some((since, _)) = self.blocked.take() {
            pace.waited += since.elapsed();
            self.unblocked.notify_waiters();
            self.arm();
        }
    }

    /// The sooner of the two deadlines is the socket's.
    fn arm(&self) {
        let write = self.blocked.get().map(|(_, until)| until);
        let deadline = [self.head_due.get(), write].into_iter().flatten().min();
        self.socket.set_deadline(deadline);
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.gauge.excess().is_some() {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(self.read(context, buffer))?;
        self.gauge.came(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.gauge.socket.has_room() {
            ready!(self.gauge.poll_send(context))?;
        }
        let outcome = self.gauge.socket.poll_write(context, slices);
        match &outcome {
            Poll::Pending => self.gauge.stuck(),
            Poll::Ready(Ok(count)) if !self.gauge.socket.holds_writes() => self.gauge.went(*count),
            Poll::Ready(_) => {}
        }
        outcome
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.gauge.gathers.get() {
            return Poll::Ready(Ok(()));
        }
        self.gauge.poll_send(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.gauge.poll_send(context))?;
        self.gauge.socket.stop_writing();
        Poll::Ready(Ok(()))
    }
}
