//! One front thread's end of a generation: puts requests into the queue, remembers who waits for
//! what, and hands each answer to the call that asked.
//!
//! Only a few messages are in the kernel's queue at a time (`Limits::depth`); the rest wait here, where a
//! request whose client left costs nothing. The order is first come, first served.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hotclub_wire::{MAX_MESSAGE, RequestHeader, RequestKind};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::sync::{Notify, Semaphore, SemaphorePermit, mpsc};

use crate::again::Again;
use crate::answer::{AnswerBody, Exchange, Head, Holder};
use crate::board::{Board, monotonic_now};
use crate::buffers::Buffers;
use crate::call::{Answer, Call, CallBody, CallError, Times};
use crate::counts::Counts;
use crate::deadline;
use crate::describe;
use crate::lost;
use crate::queue;
use crate::reply::{self, ReplyStream};
use crate::thread_state::Eyes;

/// Bounds of a lane.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// Messages that may be in the kernel's queue or in workers' hands at once.
    pub depth: usize,
    /// Requests that may wait for a place; beyond it a call fails at once.
    pub max_waiting: usize,
    /// How long a request may wait before a worker takes it.
    pub queue_timeout: Duration,
    /// How long a worker may take for a request, from its claim to the end of the answer; `None` for no limit.
    pub timeout: Option<Duration>,
}

/// What a lane tells the generation's owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LaneEvent {
    /// The request in this slot ran past its deadline; its client has been answered.
    Overdue {
        slot: usize,
        id: u64,
        /// As a log names it.
        request: String,
    },
    /// The worker in this slot broke the protocol.
    Broken { slot: usize },
    /// The reply stream of this slot has ended and everything in it was delivered.
    Ended {
        slot: usize,
        lane: u16,
        /// The requests that ended with it, as a log names them.
        lost: Vec<String>,
    },
}

/// One front thread's access to a generation. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Lane(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    number: u16,
    runtime: Handle,
    limits: Limits,
    board: Arc<Board>,
    buffers: Arc<Buffers>,
    counts: Arc<Counts>,
    queue: Mutex<Option<Arc<AsyncFd<OwnedFd>>>>,
    places: Semaphore,
    waiting: AtomicUsize,
    closing: AtomicBool,
    /// Told when the last request of a closing lane is done.
    idle: Notify,
    /// Told when there is something for the deadline's watch to look at.
    work: Arc<Notify>,
    next_id: AtomicU64,
    pending: Mutex<HashMap<u64, Entry>>,
    streams: Mutex<HashMap<usize, Stream>>,
    events: mpsc::UnboundedSender<LaneEvent>,
    eyes: Eyes,
}

/// A reply stream that is being read.
#[derive(Debug)]
struct Stream {
    socket: Arc<AsyncFd<OwnedFd>>,
    /// Told when its worker is gone.
    end: Arc<Notify>,
}

/// What the lanes of a generation have in common.
#[derive(Clone, Debug)]
pub struct Common {
    pub board: Arc<Board>,
    pub buffers: Arc<Buffers>,
    pub counts: Arc<Counts>,
    pub limits: Limits,
    pub events: mpsc::UnboundedSender<LaneEvent>,
    /// Who looks at the workers' threads.
    pub eyes: Eyes,
}

#[derive(Debug)]
struct Entry {
    exchange: Arc<Exchange>,
    /// The message as it was queued, from which a log can name the request; `None` for a marker.
    message: Option<Arc<Vec<u8>>>,
    queued_at: u64,
    /// Whether it counts among the messages in flight; a marker does not.
    holds_place: bool,
}

impl Lane {
    /// A lane that writes into `queue`, living on `runtime` (a front thread's).
    ///
    /// # Errors
    /// When the queue cannot be registered with the runtime's poller.
    pub fn new(
        number: u16,
        runtime: Handle,
        queue: OwnedFd,
        common: Common,
    ) -> std::io::Result<Self> {
        let Common {
            board,
            buffers,
            counts,
            limits,
            events,
            eyes,
        } = common;
        let queue = {
            let _entered = runtime.enter();
            crate::sys::pollable(queue, Interest::WRITABLE)?
        };
        let inner = Arc::new(Inner {
            number,
            runtime,
            limits,
            board,
            buffers,
            counts,
            queue: Mutex::new(Some(Arc::new(queue))),
            places: Semaphore::new(limits.depth),
            waiting: AtomicUsize::new(0),
            closing: AtomicBool::new(false),
            idle: Notify::new(),
            work: Arc::new(Notify::new()),
            next_id: AtomicU64::new((u64::from(number) + 1) << 48),
            pending: Mutex::default(),
            streams: Mutex::default(),
            events,
            eyes,
        });
        inner.runtime.spawn(deadline::watch(
            Arc::downgrade(&inner),
            Arc::clone(&inner.work),
        ));
        Ok(Self(inner))
    }

    /// Queues the request and waits for the head of the answer. Dropping the future gives the
    /// request up: it leaves the queue, or its answer is thrown away.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn call(&self, call: Call) -> Result<Answer, CallError> {
        let lane = &self.0;
        let Call {
            environ,
            body,
            retry,
        } = call;
        let mut message = Message::new(environ, body)?;
        let mut again = Again::new(retry);
        loop {
            let mut holder = None;
            let outcome = lane.exchange(&mut message, &mut holder).await;
            match outcome {
                Err(CallError::WorkerDied) if again.may_run(&lane.board, holder).await => {
                    lane.counts.request_run_again();
                    let request = describe::request(&message.bytes);
                    tracing::info!(
                        request,
                        "a request is run again: the worker that had it died"
                    );
                }
                Err(CallError::NeverStarted) => lane.counts.request_queued_again(),
                other => return other,
            }
        }
    }

    /// Reads the answers of the worker thread in `slot` from now on.
    ///
    /// # Errors
    /// When the socket cannot be registered with the runtime's poller.
    pub fn attach(&self, slot: usize, socket: OwnedFd) -> std::io::Result<()> {
        let lane = &self.0;
        let stream = {
            let _entered = lane.runtime.enter();
            ReplyStream::new(socket, slot)?
        };
        let end = Arc::new(Notify::new());
        let entry = Stream {
            socket: stream.socket(),
            end: Arc::clone(&end),
        };
        lock(&lane.streams).insert(slot, entry);
        lane.runtime
            .spawn(reply::read(Arc::clone(lane), stream, end));
        Ok(())
    }

    /// The worker in `slot` is gone: what it has sent is delivered, then its stream is closed, even if
    /// some child of it still holds the other end.
    pub fn detach(&self, slot: usize) {
        match lock(&self.0.streams).get(&slot) {
            Some(stream) => stream.end.notify_one(),
            // It ended before; its owner had no use for that then.
            None => self.0.tell(LaneEvent::Ended {
                slot,
                lane: self.0.number,
                lost: Vec::new(),
            }),
        }
    }

    /// Takes no new requests, waits for those it has, then closes its end of the queue.
    pub async fn close(&self) {
        let lane = &self.0;
        lane.closing.store(true, Relaxed);
        loop {
            let idle = lane.idle.notified();
            if lane.is_idle() {
                break;
            }
            idle.await;
        }
        lane.shut();
    }

    /// Closes the queue at once; everything pending fails.
    pub fn abort(&self) {
        self.0.closing.store(true, Relaxed);
        self.0.shut();
        let pending = std::mem::take(&mut *lock(&self.0.pending));
        for entry in pending.into_values() {
            entry.exchange.fail(CallError::WorkerDied);
            self.0.places.add_permits(usize::from(entry.holds_place));
        }
        self.0.idle.notify_waiters();
    }

    /// Requests that wait for a place, and requests with the workers.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        (self.0.waiting.load(Relaxed), lock(&self.0.pending).len())
    }
}

/// A request as it is put into the queue, perhaps twice.
struct Message {
    /// Shared with the lane's table of pending requests while a worker has it.
    bytes: Arc<Vec<u8>>,
    header: RequestHeader,
    file: Option<OwnedFd>,
}

impl Message {
    fn new(environ: hotclub_wire::EnvironWriter, body: CallBody) -> Result<Self, CallError> {
        let (body_len, inline, file) = match body {
            CallBody::None => (0, None, None),
            CallBody::Inline(bytes) => (bytes.len() as u64, Some(bytes), None),
            CallBody::File { file, len } => (len, None, Some(file)),
        };
        let header = RequestHeader {
            kind: RequestKind::Request,
            body_by_descriptor: file.is_some(),
            lane: 0,
            environ_len: u32::try_from(environ.len()).map_err(|_| CallError::TooLarge)?,
            id: 1,
            body_len,
            queued_at: 0,
        };
        let mut bytes = environ.finish(header);
        if let Some(inline) = inline {
            bytes.extend_from_slice(&inline);
        }
        if bytes.len() > MAX_MESSAGE {
            return Err(CallError::TooLarge);
        }
        Ok(Self {
            bytes: Arc::new(bytes),
            header,
            file,
        })
    }

    fn stamp(&mut self, lane: u16, id: u64, queued_at: u64) {
        self.header = RequestHeader {
            lane,
            id,
            queued_at,
            ..self.header
        };
        // The table has let go of it before a second try, so nothing is copied.
        let bytes = Arc::make_mut(&mut self.bytes);
        bytes[..hotclub_wire::HEADER_LEN].copy_from_slice(&self.header.encode());
    }
}

impl Inner {
    pub(crate) fn board(&self) -> &Arc<Board> {
        &self.board
    }

    pub(crate) fn eyes(&self) -> &Eyes {
        &self.eyes
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(crate) fn number(&self) -> u16 {
        self.number
    }

    pub(crate) fn tell(&self, event: LaneEvent) {
        // The owner is gone only when the generation is.
        let _ = self.events.send(event);
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.load(Acquire) == 0 && lock(&self.pending).is_empty()
    }

    fn shut(&self) {
        lock(&self.queue).take();
    }

    /// `holder`: where the worker is named that died with the request.
    async fn exchange(
        self: &Arc<Self>,
        message: &mut Message,
        holder: &mut Option<Holder>,
    ) -> Result<Answer, CallError> {
        let queued_at = monotonic_now();
        let place = self.place().await?;
        let id = self.next_id.fetch_add(1, Relaxed);
        message.stamp(self.number, id, queued_at);
        let exchange = self.expect(id, queued_at, Some(Arc::clone(&message.bytes)));
        place.forget();
        let given_up = GiveUp {
            lane: self,
            id,
            exchange: &exchange,
        };
        if let Err(error) = self.send(&message.bytes, message.file.as_ref()).await {
            std::mem::forget(given_up);
            self.finish(id);
            return Err(error);
        }
        let outcome = std::future::poll_fn(|context| exchange.poll_head(context)).await;
        std::mem::forget(given_up);
        let Head {
            status,
            fields,
            started_at,
            slot,
        } = outcome.inspect_err(|_| {
            *holder = exchange.died();
            exchange.abandon();
        })?;
        let now = monotonic_now();
        let times = Times {
            queued: Duration::from_nanos(started_at.saturating_sub(queued_at)),
            app: Duration::from_nanos(now.saturating_sub(started_at.max(queued_at))),
        };
        let body = AnswerBody::new(exchange, Arc::clone(&self.board), slot, id);
        Ok(Answer {
            status,
            head: fields,
            body,
            times,
        })
    }

    /// A place among the messages in flight, in order of arrival.
    async fn place(&self) -> Result<SemaphorePermit<'_>, CallError> {
        let _waiting = Waiting::enter(self);
        if self.closing.load(Acquire) {
            return Err(CallError::Closed);
        }
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        if self.waiting.load(Relaxed) > self.limits.max_waiting {
            return Err(CallError::QueueFull);
        }
        match tokio::time::timeout(self.limits.queue_timeout, self.places.acquire()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_closed)) => Err(CallError::Closed),
            Err(_elapsed) => Err(CallError::QueueTimeout(Times {
                queued: self.limits.queue_timeout,
                app: Duration::ZERO,
            })),
        }
    }

    /// `message`: `None` for a marker, which takes no place among the requests.
    fn expect(&self, id: u64, queued_at: u64, message: Option<Arc<Vec<u8>>>) -> Arc<Exchange> {
        let exchange = Arc::new(Exchange::new(&self.buffers));
        let mut pending = lock(&self.pending);
        if pending.is_empty() {
            self.work.notify_one();
        }
        pending.insert(
            id,
            Entry {
                exchange: Arc::clone(&exchange),
                holds_place: message.is_some(),
                message,
                queued_at,
            },
        );
        exchange
    }

    /// An exchange for a marker; it takes no place among the requests.
    pub(crate) fn expect_marker(&self) -> (u64, Arc<Exchange>) {
        let id = self.next_id.fetch_add(1, Relaxed);
        (id, self.expect(id, monotonic_now(), None))
    }

    pub(crate) async fn send(&self, bytes: &[u8], file: Option<&OwnedFd>) -> Result<(), CallError> {
        let queue = lock(&self.queue).clone().ok_or(CallError::Closed)?;
        if let Some(file) = file {
            // Whoever wrote the body, or a worker that died with it, has left the offset elsewhere.
            rustix::fs::seek(file, rustix::fs::SeekFrom::Start(0)).map_err(CallError::Io)?;
        }
        queue::send(&queue, bytes, file)
            .await
            .map_err(CallError::Io)
    }

    /// The exchange that waits for `id`.
    pub(crate) fn find(&self, id: u64) -> Option<Arc<Exchange>> {
        lock(&self.pending)
            .get(&id)
            .map(|entry| Arc::clone(&entry.exchange))
    }

    /// How a log names the request: method, target and ids.
    pub(crate) fn describe(&self, id: u64) -> Option<String> {
        let pending = lock(&self.pending);
        let message = pending.get(&id)?.message.clone()?;
        drop(pending);
        Some(describe::request(&message))
    }

    /// The request is done with, one way or another: its place is free again.
    pub(crate) fn finish(&self, id: u64) {
        let mut pending = lock(&self.pending);
        let Some(entry) = pending.remove(&id) else {
            return;
        };
        let last = pending.is_empty();
        drop(pending);
        self.places.add_permits(usize::from(entry.holds_place));
        if last && self.closing.load(Relaxed) {
            self.idle.notify_waiters();
        }
    }

    /// The stream of `slot` is at its end: whatever its worker had in hand is lost.
    pub(crate) fn ended(self: &Arc<Self>, slot: usize, open: Option<u64>) {
        let view = self.board.view(slot);
        let (in_hand, pid) = (view.request, view.pid);
        let holder = Holder { slot, pid };
        if in_hand == 0 && !lock(&self.pending).is_empty() {
            self.runtime.spawn(lost::sweep(Arc::clone(self)));
        }
        let mut lost = Vec::new();
        for id in [Some(in_hand), open].into_iter().flatten() {
            if let Some(exchange) = self.find(id) {
                lost.extend(self.describe(id));
                exchange.lose(holder);
                self.finish(id);
            }
        }
        lock(&self.streams).remove(&slot);
        let lane = self.number;
        self.tell(LaneEvent::Ended { slot, lane, lost });
    }

    /// Whether no reply stream holds a byte that its reader has not yet taken and delivered. Readers run on this
    /// lane's thread and deliver what they take before they wait again.
    pub(crate) fn has_read_everything(&self) -> bool {
        let streams = lock(&self.streams);
        let unread = |stream: &Stream| rustix::io::ioctl_fionread(stream.socket.get_ref());
        streams
            .values()
            .all(|stream| unread(stream).unwrap_or(0) == 0)
    }

    /// Every pending request with the time it was queued, for the deadline's watch.
    pub(crate) fn pending(&self) -> Vec<(u64, u64)> {
        lock(&self.pending)
            .iter()
            .map(|(id, entry)| (*id, entry.queued_at))
            .collect()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.work.notify_one();
    }
}

/// Counts a call among those that wait for a place.
struct Waiting<'a>(&'a Inner);

impl<'a> Waiting<'a> {
    fn enter(lane: &'a Inner) -> Self {
        lane.waiting.fetch_add(1, Acquire);
        Self(lane)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let before = self.0.waiting.fetch_sub(1, Acquire);
        if before == 1 && self.0.closing.load(Relaxed) {
            self.0.idle.notify_waiters();
        }
    }
}

/// Marks a request as given up when its call is dropped before the head came.
struct GiveUp<'a> {
    lane: &'a Inner,
    id: u64,
    exchange: &'a Exchange,
}

impl Drop for GiveUp<'_> {
    fn drop(&mut self) {
        self.exchange.abandon();
        if let Some(slot) = self.lane.board.find(self.id) {
            self.lane.board.cancel(slot, self.id);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
