//! One answer on its way: what a reply reader has put in and the front has not yet taken out.
//!
//! The worker must be rid of its answer as fast as it makes it, however slow the client: what does
//! not fit into memory (its own share, or that of all bodies: `buffers`) goes to an unlinked temporary
//! file, and only when that is full too does the reply reader, and so the app, wait.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::board::Board;
use crate::buffers::{Buffers, MemoryShare};
use crate::call::{CallError, Cut};
use crate::spool::Spool;

/// Bytes of an answer that are not counted: the usual page costs no accounting, and an answer that may
/// neither be counted nor spooled goes on by steps of this size.
const UNCOUNTED: usize = 16 * 1024;

/// A stretch of an answer's body.
#[derive(Clone, Debug)]
pub enum Part {
    Bytes(Bytes),
    /// `len` bytes of `file` from `offset`; the file is the app's own (`wsgi.file_wrapper`) or a
    /// spool that holds what the app made faster than the client reads.
    File {
        file: Arc<OwnedFd>,
        offset: u64,
        len: u64,
    },
}

impl Part {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }
}

/// The head of an answer as it came off the reply stream.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) fields: Bytes,
    pub(crate) started_at: u64,
    pub(crate) slot: usize,
}

/// How an answer ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Complete,
    Failed(CallError),
}

/// A worker that had a request in hand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) slot: usize,
    pub(crate) pid: u64,
}

/// Shared by the call that waits and the reply reader that delivers.
#[derive(Debug)]
pub(crate) struct Exchange(Mutex<State>);

#[derive(Debug)]
struct State {
    head: Option<Head>,
    head_taken: bool,
    parts: VecDeque<Part>,
    /// Bytes of parts in memory, the one that is being sent included.
    in_memory: usize,
    /// Bytes of the part that the front took last and is sending.
    taken: usize,
    share: MemoryShare,
    spool: Spool,
    end: Option<End>,
    abandoned: bool,
    /// In whose hands it was lost.
    died: Option<Holder>,
    front: Option<Waker>,
    reader: Option<Waker>,
}

impl Exchange {
    pub(crate) fn new(buffers: &Arc<Buffers>) -> Self {
        Self(Mutex::new(State {
            head: None,
            head_taken: false,
            parts: VecDeque::new(),
            in_memory: 0,
            taken: 0,
            share: buffers.memory(),
            spool: Spool::default(),
            end: None,
            abandoned: false,
            died: None,
            front: None,
            reader: None,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether nobody waits for this answer any more.
    pub(crate) fn is_abandoned(&self) -> bool {
        self.lock().abandoned
    }

    /// Whether the head has come: from here on the request cannot be run again.
    pub(crate) fn has_begun(&self) -> bool {
        let state = self.lock();
        state.head.is_some() || state.head_taken
    }

    /// Whether the answer is complete or has failed.
    pub(crate) fn is_over(&self) -> bool {
        self.lock().end.is_some()
    }

    /// Delivers the head, with the first part of the body and, for a short answer, its end.
    pub(crate) fn begin(&self, head: Head, body: Bytes, end: bool) {
        let mut state = self.lock();
        state.head = Some(head);
        state.add(body);
        if end {
            state.end = Some(End::Complete);
        }
        state.wake_front();
    }

    pub(crate) fn push(&self, body: Bytes) {
        let mut state = self.lock();
        state.add(body);
        state.wake_front();
    }

    pub(crate) fn push_file(&self, file: OwnedFd, offset: u64, len: u64) {
        let mut state = self.lock();
        state.parts.push_back(Part::File {
            file: Arc::new(file),
            offset,
            len,
        });
        state.wake_front();
    }

    pub(crate) fn complete(&self) {
        self.end_with(End::Complete);
    }

    pub(crate) fn fail(&self, error: CallError) {
        self.end_with(End::Failed(error));
    }

    /// Its worker is dead.
    pub(crate) fn lose(&self, holder: Holder) {
        self.lock().died = Some(holder);
        self.fail(CallError::WorkerDied);
    }

    /// The worker in whose hands it was lost.
    pub(crate) fn died(&self) -> Option<Holder> {
        self.lock().died
    }

    fn end_with(&self, end: End) {
        let mut state = self.lock();
        if state.end.is_none() {
            state.end = Some(end);
            state.wake_front();
        }
    }

    /// Ready when the reader may take more off the stream.
    pub(crate) fn poll_room(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = self.lock();
        if state.abandoned || state.in_memory <= UNCOUNTED || state.has_room() {
            return Poll::Ready(());
        }
        state.reader = Some(context.waker().clone());
        Poll::Pending
    }

    pub(crate) fn poll_head(&self, context: &mut Context<'_>) -> Poll<Result<Head, CallError>> {
        let mut state = self.lock();
        if let Some(head) = state.head.take() {
            state.head_taken = true;
            return Poll::Ready(Ok(head));
        }
        if let Some(End::Failed(error)) = state.end {
            return Poll::Ready(Err(error));
        }
        state.wait_front(context);
        Poll::Pending
    }

    pub(crate) fn abandon(&self) {
        let mut state = self.lock();
        state.abandoned = true;
        state.parts.clear();
        state.taken = 0;
        state.hold(0);
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }
}

impl State {
    fn add(&mut self, body: Bytes) {
        if body.is_empty() || self.abandoned {
            return;
        }
        let held = self.in_memory + body.len();
        if !self.may_hold(held) && self.spill(&body) {
            return;
        }
        self.hold(held);
        self.parts.push_back(Part::Bytes(body));
    }

    /// Whether so many bytes may be in memory; they are counted then.
    fn may_hold(&mut self, bytes: usize) -> bool {
        bytes <= UNCOUNTED
            || bytes as u64 <= self.share.buffers().bounds().per_connection
                && self.share.cover((bytes - UNCOUNTED) as u64)
    }

    /// So many bytes are in memory, whether they may or not.
    fn hold(&mut self, bytes: usize) {
        self.in_memory = bytes;
        self.share.admit(bytes.saturating_sub(UNCOUNTED) as u64);
    }

    /// Whether one more read of the reply stream has somewhere to go.
    fn has_room(&mut self) -> bool {
        self.spool.recycle();
        self.spool.has_room() || self.may_hold(self.in_memory + UNCOUNTED)
    }

    /// Whether the bytes are in the spool now; on a full disk they stay in memory and the app waits.
    fn spill(&mut self, body: &Bytes) -> bool {
        self.spool.recycle();
        let buffers = Arc::clone(self.share.buffers());
        let Some((file, offset)) = self.spool.append(&buffers, body) else {
            return false;
        };
        let added = body.len() as u64;
        match self.parts.back_mut() {
            Some(Part::File {
                file: last,
                offset: at,
                len,
            }) if Arc::ptr_eq(last, &file) && *at + *len == offset => {
                *len += added;
            }
            _ => self.parts.push_back(Part::File {
                file,
                offset,
                len: added,
            }),
        }
        true
    }

    fn wake_front(&mut self) {
        if let Some(front) = self.front.take() {
            front.wake();
        }
    }

    fn wait_front(&mut self, context: &Context<'_>) {
        match &mut self.front {
            Some(waker) if waker.will_wake(context.waker()) => {}
            slot => *slot = Some(context.waker().clone()),
        }
    }

    fn take_part(&mut self) -> Option<Result<Part, Cut>> {
        // Whoever asks for the next part is done with the one before.
        let done = std::mem::take(&mut self.taken);
        if done > 0 {
            self.hold(self.in_memory.saturating_sub(done));
        }
        let part = self.parts.pop_front();
        if let Some(reader) = self.reader.take() {
            // It looks for itself whether there is room for it now.
            reader.wake();
        }
        if let Some(part) = part {
            if let Part::Bytes(bytes) = &part {
                self.taken = bytes.len();
            }
            return Some(Ok(part));
        }
        matches!(self.end, Some(End::Failed(_))).then_some(Err(Cut))
    }
}

/// The body of an answer as it arrives. Dropping it before its end tells the worker to stop.
#[derive(Debug)]
pub struct AnswerBody {
    exchange: Arc<Exchange>,
    board: Arc<Board>,
    slot: usize,
    id: u64,
}

impl AnswerBody {
    pub(crate) fn new(exchange: Arc<Exchange>, board: Arc<Board>, slot: usize, id: u64) -> Self {
        Self {
            exchange,
            board,
            slot,
            id,
        }
    }

    /// The total length in bytes when the answer is already complete and nothing was taken yet.
    #[must_use]
    pub fn known_len(&self) -> Option<u64> {
        let state = self.exchange.lock();
        (state.end == Some(End::Complete)).then(|| state.parts.iter().map(Part::len).sum())
    }

    /// The length of a body that is one file of the app's own and nothing else, and that is complete.
    #[must_use]
    pub fn file_len(&self) -> Option<u64> {
        let state = self.exchange.lock();
        match (state.end, state.parts.len(), state.parts.front()) {
            (Some(End::Complete), 1, Some(Part::File { file, len, .. }))
                if !state.spool.is(file) =>
            {
                Some(*len)
            }
            _ => None,
        }
    }

    /// Leaves only this stretch of a body that has [`AnswerBody::file_len`].
    pub fn narrow(&mut self, stretch: &std::ops::Range<u64>) {
        let mut state = self.exchange.lock();
        if let Some(Part::File { offset, len, .. }) = state.parts.front_mut() {
            let start = stretch.start.min(*len);
            let end = stretch.end.clamp(start, *len);
            *offset += start;
            *len = end - start;
        }
    }

    /// The next part if it has already arrived; `None` when there is nothing now or nothing more.
    pub fn try_next(&mut self) -> Option<Result<Part, Cut>> {
        self.exchange.lock().take_part()
    }

    /// Waits for the next part; `None` after the last.
    pub async fn next(&mut self) -> Option<Result<Part, Cut>> {
        std::future::poll_fn(|context| self.poll_next(context)).await
    }

    /// Polls for the next part; `Ready(None)` after the last.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Part, Cut>>> {
        let mut state = self.exchange.lock();
        if let Some(part) = state.take_part() {
            return Poll::Ready(Some(part));
        }
        if state.end.is_some() {
            return Poll::Ready(None);
        }
        state.wait_front(context);
        Poll::Pending
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        let ended = self.exchange.lock().end.is_some();
        self.exchange.abandon();
        if !ended {
            self.board.cancel(self.slot, self.id);
        }
    }
}
