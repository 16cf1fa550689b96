//! Reads the reply stream of one worker thread and delivers its frames.
//!
//! A worker is not trusted: whatever breaks the protocol ends the stream and names the worker as broken.

use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use bytes::Bytes;
use hotclub_wire::{FrameError, FrameHeader, FrameKind, HEADER_LEN};
use rustix::fs::FileType;
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, recvmsg};
use tokio::io::unix::AsyncFd;
use tokio::io::{Interest, Ready};
use tokio::sync::Notify;

use crate::answer::{Exchange, Head};
use crate::lane::{Inner, LaneEvent};

/// Bytes asked of the kernel at once: most pages in one call.
const BUFFER: usize = 64 * 1024;

/// Descriptors that may wait for their frames; each comes with the first byte of its own.
const FILES_MAX: usize = 8;

/// Why a reply stream is given up.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Frame(#[from] FrameError),
    #[error("a frame out of order for request {0}")]
    OutOfOrder(u64),
    #[error("a FILE frame without a descriptor")]
    NoDescriptor,
    #[error("a descriptor that is no regular file")]
    NotAFile,
    #[error("more descriptors than FILE frames")]
    Descriptors,
    #[error("its stream cannot be read: {0}")]
    Read(Errno),
}

/// The bytes and descriptors that have arrived and the frame they are in the middle of.
#[derive(Debug)]
pub(crate) struct ReplyStream {
    /// Shared with the lane, which may ask whether there is anything left to read.
    socket: Arc<AsyncFd<OwnedFd>>,
    slot: usize,
    buffer: Vec<u8>,
    start: usize,
    filled: usize,
    files: VecDeque<OwnedFd>,
    open: Option<Open>,
}

/// The answer whose head has come and whose end has not.
#[derive(Debug)]
struct Open {
    id: u64,
    exchange: Arc<Exchange>,
    /// Bytes of the current frame's body that are still to come.
    remaining: u64,
    /// The answer ends with the current frame.
    last: bool,
}

/// What one read brought.
struct Received {
    /// 0 at the end of the stream.
    bytes: usize,
    /// The kernel had no more: fewer than asked for, and not because descriptors, which may be lost, end a read early.
    all: bool,
}

impl ReplyStream {
    pub(crate) fn new(socket: OwnedFd, slot: usize) -> std::io::Result<Self> {
        rustix::io::ioctl_fionbio(&socket, true)?;
        let socket = crate::sys::pollable(socket, Interest::READABLE)?;
        Ok(Self {
            socket: Arc::new(socket),
            slot,
            buffer: vec![0; BUFFER],
            start: 0,
            filled: 0,
            files: VecDeque::new(),
            open: None,
        })
    }

    pub(crate) fn socket(&self) -> Arc<AsyncFd<OwnedFd>> {
        Arc::clone(&self.socket)
    }

    fn available(&self) -> &[u8] {
        &self.buffer[self.start..self.filled]
    }

    fn consume(&mut self, bytes: usize) {
        self.start += bytes;
        if self.start == self.filled {
            self.start = 0;
            self.filled = 0;
        }
    }

    /// Room behind what is there for the frame under way.
    fn make_room(&mut self) {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.filled, 0);
            self.filled -= self.start;
            self.start = 0;
        }
        if self.filled == self.buffer.len() {
            // Only a head larger than the buffer gets here; the protocol bounds it to 256 KiB.
            self.buffer.resize(self.buffer.len() * 2, 0);
        } else if self.filled < BUFFER && self.buffer.len() > BUFFER {
            self.buffer.truncate(BUFFER);
            self.buffer.shrink_to_fit();
        }
    }

    /// Reads once without waiting.
    fn receive(&mut self) -> Result<Received, Errno> {
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let mut room = [IoSliceMut::new(&mut self.buffer[self.filled..])];
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let asked = room[0].len();
        let read = recvmsg(self.socket.get_ref(), &mut room, &mut ancillary, flags)?;
        let bytes = read.bytes;
        let mut alone = !read.flags.contains(ReturnFlags::CTRUNC);
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                self.files.extend(files);
                alone = false;
            }
        }
        self.filled += bytes;
        Ok(Received {
            bytes,
            all: alone && bytes < asked,
        })
    }

    /// Waits for bytes; `Ok(false)` at the end of the stream.
    async fn fill(&mut self) -> Result<bool, Errno> {
        self.make_room();
        let socket = Arc::clone(&self.socket);
        loop {
            let mut ready = socket.readable().await.map_err(|_| Errno::BADF)?;
            match self.receive() {
                Ok(received) => {
                    if received.all {
                        ready.clear_ready_matching(Ready::READABLE);
                    }
                    return Ok(received.bytes > 0);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => ready.clear_ready_matching(Ready::READABLE),
                Err(error) => return Err(error),
            }
        }
    }

    /// Delivers every frame that is complete and what has come of the next.
    fn deliver(&mut self, lane: &Inner) -> Result<(), Broken> {
        if self.files.len() > FILES_MAX {
            return Err(Broken::Descriptors);
        }
        loop {
            if self.body_under_way(lane) {
                return Ok(());
            }
            let Some(header) = FrameHeader::decode(self.available())? else {
                return Ok(());
            };
            let head_end = HEADER_LEN + header.head_len as usize;
            if self.available().len() < head_end {
                return Ok(());
            }
            match header.kind {
                FrameKind::Head => self.begin(lane, &header, head_end)?,
                FrameKind::Body => self.continue_with(&header)?,
                FrameKind::File => self.pass_file(&header)?,
                FrameKind::Abort => self.abort(lane, &header)?,
            }
        }
    }

    /// Takes body bytes of the frame under way; whether more of them must come first.
    fn body_under_way(&mut self, lane: &Inner) -> bool {
        let Some(open) = &mut self.open else {
            return false;
        };
        if open.remaining > 0 {
            let bytes = &self.buffer[self.start..self.filled];
            let take = bytes
                .len()
                .min(usize::try_from(open.remaining).unwrap_or(usize::MAX));
            if take > 0 {
                open.exchange.push(Bytes::copy_from_slice(&bytes[..take]));
                open.remaining -= take as u64;
                self.consume(take);
            }
        }
        let Some(open) = &self.open else { return false };
        if open.remaining > 0 {
            return true;
        }
        if open.last {
            open.exchange.complete();
            lane.finish(open.id);
            self.open = None;
        }
        false
    }

    fn begin(&mut self, lane: &Inner, header: &FrameHeader, head_end: usize) -> Result<(), Broken> {
        let id = header.id;
        let exchange = lane.find(id).filter(|exchange| !exchange.has_begun());
        let (Some(exchange), None) = (exchange, &self.open) else {
            return Err(Broken::OutOfOrder(id));
        };
        let available = self.available();
        let body_len = usize::try_from(header.body_len).unwrap_or(usize::MAX);
        let body_here = body_len.min(available.len() - head_end);
        let whole = header.end && body_here == body_len;
        // One allocation for head and body together.
        let bytes = Bytes::copy_from_slice(&available[HEADER_LEN..head_end + body_here]);
        let body = bytes.slice(head_end - HEADER_LEN..);
        let fields = bytes.slice(..head_end - HEADER_LEN);
        let head = Head {
            status: header.status,
            fields,
            started_at: header.started_at,
            slot: self.slot,
        };
        self.consume(head_end + body_here);
        if !whole && exchange.is_abandoned() {
            lane.board().cancel(self.slot, id);
        }
        exchange.begin(head, body, whole);
        if whole {
            lane.finish(id);
        } else {
            let remaining = (body_len - body_here) as u64;
            self.open = Some(Open {
                id,
                exchange,
                remaining,
                last: header.end,
            });
        }
        Ok(())
    }

    fn opened(&mut self, id: u64) -> Result<&mut Open, Broken> {
        self.open
            .as_mut()
            .filter(|open| open.id == id)
            .ok_or(Broken::OutOfOrder(id))
    }

    fn continue_with(&mut self, header: &FrameHeader) -> Result<(), Broken> {
        let open = self.opened(header.id)?;
        open.remaining = header.body_len;
        open.last = header.end;
        self.consume(HEADER_LEN);
        Ok(())
    }

    fn pass_file(&mut self, header: &FrameHeader) -> Result<(), Broken> {
        let offset = self.available()[HEADER_LEN..].first_chunk::<8>().copied();
        let file = self.files.pop_front().ok_or(Broken::NoDescriptor)?;
        // Reading from a pipe or a device could hold up the front.
        let kind = rustix::fs::fstat(&file).map(|stat| FileType::from_raw_mode(stat.st_mode));
        if kind != Ok(FileType::RegularFile) {
            return Err(Broken::NotAFile);
        }
        let open = self.opened(header.id)?;
        open.exchange.push_file(
            file,
            u64::from_le_bytes(offset.unwrap_or_default()),
            header.body_len,
        );
        open.last = header.end;
        self.consume(header.wire_len());
        Ok(())
    }

    fn abort(&mut self, lane: &Inner, header: &FrameHeader) -> Result<(), Broken> {
        let open = self.opened(header.id)?;
        open.exchange.fail(crate::call::CallError::WorkerDied);
        lane.finish(header.id);
        self.open = None;
        self.consume(HEADER_LEN);
        Ok(())
    }

    /// Waits until the client of the answer under way has taken enough of it.
    async fn room(&self) {
        if let Some(open) = &self.open {
            std::future::poll_fn(|context| open.exchange.poll_room(context)).await;
        }
    }

    async fn run(&mut self, lane: &Inner) -> Result<(), Broken> {
        loop {
            self.room().await;
            if !self.fill().await.map_err(Broken::Read)? {
                return Ok(());
            }
            self.deliver(lane)?;
        }
    }

    /// What the worker sent before it died.
    fn rest(&mut self, lane: &Inner) -> Result<(), Broken> {
        loop {
            self.make_room();
            match self.receive() {
                Ok(Received { bytes: 0, .. }) | Err(_) => return Ok(()),
                Ok(_) => self.deliver(lane)?,
            }
        }
    }
}

/// Reads until the stream ends or `end` is told (the worker is gone, whoever still holds the socket).
pub(crate) async fn read(lane: Arc<Inner>, mut stream: ReplyStream, end: Arc<Notify>) {
    let slot = stream.slot;
    let outcome = tokio::select! {
        outcome = stream.run(&lane) => outcome,
        () = end.notified() => stream.rest(&lane),
    };
    if let Err(broken) = outcome {
        tracing::error!(
            slot,
            "a worker broke the protocol and is replaced: {broken}"
        );
        lane.tell(LaneEvent::Broken { slot });
    }
    lane.ended(slot, stream.open.map(|open| open.id));
}
