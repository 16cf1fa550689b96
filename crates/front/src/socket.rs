//! One connection's socket, TCP or Unix, plain or TLS: reads, writes and sends files, without a copy where it
//! is plain.
//!
//! Deadlines are not timers here. A socket carries the moment at which its peer was too slow, and
//! the thread's sweeper (`thread`) looks at all of them a few times a second. When it is passed, the
//! sweeper shuts the socket down, and the read or write that waits wakes up by that. So a deadline
//! costs a store, and ten thousand idle connections cost no timer.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::io::{Interest, ReadBuf};
use tokio::sync::Notify;

use crate::limits::Limits;
use crate::sys;
use crate::tls::Protocol;
use crate::tls::session::{AHEAD, Nothing, Session, Sink};

/// Most bytes of one `sendfile`, so that one fast reader does not hold the thread.
const FILE_CHUNK: u64 = 1024 * 1024;
/// Of a file over TLS, to a peer that had to be waited for: a record. Thousands of slow readers shall not
/// hold more each.
const SLOW_CHUNK: u64 = 16 * 1024;
/// Who takes longer for one chunk is slow.
const SLOW: Duration = Duration::from_millis(20);
/// Bytes of a handshake that are read at once.
const HANDSHAKE_READ: usize = 4096;
/// Reads in a row that bring no plain text before others have their turn.
const FRUITLESS: usize = 16;

/// What the connection is doing, as far as drains and deadlines care.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No request has come yet.
    Fresh,
    /// Between two requests.
    Idle,
    /// A request is being read or answered.
    Busy,
    /// Any number of requests at once (HTTP/2): it says itself when it can end.
    Shared,
}

/// The reactor's word that the socket can be read, until it is taken back.
type Guard<'s> = AsyncFdReadyGuard<'s, OwnedFd>;

#[derive(Debug)]
pub(crate) struct Socket {
    fd: AsyncFd<OwnedFd>,
    /// Never borrowed across a wait.
    tls: Option<Box<RefCell<Session>>>,
    deadline: Cell<Option<Instant>>,
    expired: Cell<bool>,
    phase: Cell<Phase>,
    dismissed: Notify,
}

impl Socket {
    /// Takes a socket that does not block; with a session, [`Socket::handshake`] comes first.
    pub(crate) fn new(fd: OwnedFd, tls: Option<Session>) -> io::Result<Self> {
        Ok(Self {
            fd: sys::watch(fd, Interest::READABLE | Interest::WRITABLE)?,
            tls: tls.map(|session| Box::new(RefCell::new(session))),
            deadline: Cell::new(None),
            expired: Cell::new(false),
            phase: Cell::new(Phase::Fresh),
            dismissed: Notify::new(),
        })
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase.get()
    }

    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.set(phase);
    }

    /// From here on the peer has until `deadline`.
    pub(crate) fn set_deadline(&self, deadline: Option<Instant>) {
        self.deadline.set(deadline);
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline.get()
    }

    /// Whether a deadline was passed.
    pub(crate) fn expired(&self) -> bool {
        self.expired.get()
    }

    /// The sweeper's visit.
    pub(crate) fn expire_at(&self, now: Instant) {
        if self.deadline.get().is_some_and(|at| at <= now) {
            self.deadline.set(None);
            self.expired.set(true);
            self.shutdown(Shutdown::Read);
            // A writer that waits for a peer that does not read wakes up only by an error; an answer
            // to a slow head or body must still go out.
            if self.waits_to_write() {
                self.shutdown(Shutdown::Both);
            }
        }
    }

    /// Wakes a reader: it gets what has arrived, then the end.
    pub(crate) fn stop_reading(&self) {
        self.shutdown(Shutdown::Read);
    }

    /// Tells the peer that nothing more comes.
    pub(crate) fn stop_writing(&self) {
        self.close();
        self.shutdown(Shutdown::Write);
    }

    /// The last thing that is done with a connection: over TLS, an end that nobody else could have made.
    pub(crate) fn close(&self) {
        if let Some(session) = &self.tls {
            let mut session = session.borrow_mut();
            session.close();
            self.send_now(&mut session);
        }
    }

    /// Ends both directions.
    pub(crate) fn cut(&self) {
        self.shutdown(Shutdown::Both);
    }

    /// Ends the connection so that the peer sees an error and not an end.
    pub(crate) fn reset(&self) {
        if let Some(session) = &self.tls {
            session.borrow_mut().abandon();
        }
        let _ = rustix::net::sockopt::set_socket_linger(self.fd.get_ref(), Some(Duration::ZERO));
    }

    fn shutdown(&self, how: Shutdown) {
        // Fails when the peer is gone already, which is what was wanted.
        let _ = rustix::net::shutdown(self.fd.get_ref(), how);
    }

    fn waits_to_write(&self) -> bool {
        let mut polled = [rustix::event::PollFd::new(
            self.fd.get_ref(),
            rustix::event::PollFlags::OUT,
        )];
        let now = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        matches!(rustix::event::poll(&mut polled, Some(&now)), Ok(0))
    }

    /// Agrees with the peer on keys and protocol; nothing to do on a plain socket. Bounded by the deadline
    /// that is set.
    ///
    /// # Errors
    /// When the peer leaves, is too slow, or will not agree.
    pub(crate) async fn handshake(&self, pace: &mut Pace) -> io::Result<()> {
        let Some(session) = &self.tls else {
            return Ok(());
        };
        let deadline = self.deadline();
        loop {
            self.send_all(session, pace).await?;
            if !session.borrow().is_handshaking() {
                return Ok(());
            }
            self.set_deadline(deadline);
            self.fd.readable().await?.retain_ready();
            let read = self.read_tls(session, &mut Nothing, HANDSHAKE_READ, || self.ready_now());
            match read {
                Poll::Ready(Ok(Some(0))) if session.borrow().is_handshaking() => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Ready(Ok(_)) | Poll::Pending => {}
            }
        }
    }

    /// What the handshake agreed on.
    pub(crate) fn protocol(&self) -> Protocol {
        let session = self.tls.as_ref();
        session.map_or(Protocol::Http1, |session| session.borrow().protocol())
    }

    /// The name that the peer asked for in the handshake, in lower case.
    pub(crate) fn server_name(&self) -> Option<Box<str>> {
        let session = self.tls.as_ref()?.borrow();
        session.server_name().map(Box::from)
    }

    /// Reads what has arrived, at most what `buffer` takes; nothing at the end.
    pub(crate) fn poll_read(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(session) = &self.tls {
            if session.borrow_mut().take(buffer).is_some() {
                return Poll::Ready(Ok(()));
            }
            let room = buffer.remaining();
            let ready = || self.fd.poll_read_ready(context);
            let read = ready!(self.read_tls(session, buffer, room, ready))?;
            return match read {
                Some(_) => Poll::Ready(Ok(())),
                None => {
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
            };
        }
        loop {
            let mut guard = ready!(self.fd.poll_read_ready(context))?;
            let room = buffer.remaining();
            match rustix::io::read(self.fd.get_ref(), buffer.initialize_unfilled()) {
                Ok(count) => {
                    if count < room {
                        guard.clear_ready();
                    }
                    buffer.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Writes as much as the kernel takes at once. Over TLS it is encrypted and kept until a flush, so that what is
    /// written piece by piece goes in few calls. To be asked when [`Socket::has_room`].
    pub(crate) fn poll_write(
        &self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let Some(session) = &self.tls {
            return Poll::Ready(session.borrow_mut().encrypt_all(slices));
        }
        loop {
            let mut guard = ready!(self.fd.poll_write_ready(context))?;
            match rustix::io::writev(self.fd.get_ref(), slices) {
                Ok(count) => return Poll::Ready(Ok(count)),
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Whether what was taken by a write may still be here.
    pub(crate) fn holds_writes(&self) -> bool {
        self.tls.is_some()
    }

    /// Whether what was kept is still little.
    pub(crate) fn has_room(&self) -> bool {
        let session = self.tls.as_ref();
        session.is_none_or(|session| session.borrow().unsent() < AHEAD)
    }

    /// Sends what [`Socket::poll_write`] has taken and the kernel has not. `went` is told of the bytes that the kernel
    /// takes.
    pub(crate) fn poll_flush(
        &self,
        context: &mut Context<'_>,
        mut went: impl FnMut(usize),
    ) -> Poll<io::Result<()>> {
        let Some(session) = &self.tls else {
            return Poll::Ready(Ok(()));
        };
        while session.borrow().has_more_to_send() {
            let mut guard = ready!(self.fd.poll_write_ready(context))?;
            match session.borrow_mut().send(self.fd.get_ref().as_fd()) {
                Ok(count) => went(count),
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Looks at what has come without taking it, and waits until that is more than `seen` bytes.
    ///
    /// # Errors
    /// `UnexpectedEof` when no more comes.
    pub(crate) async fn peek(&self, buffer: &mut [u8], seen: usize) -> io::Result<usize> {
        loop {
            let mut guard = self.fd.readable().await?;
            match rustix::net::recv(self.fd.get_ref(), &mut *buffer, RecvFlags::PEEK) {
                Ok((count, _)) if count > seen => return Ok(count),
                Ok(_) if guard.ready().is_read_closed() => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(_) | Err(Errno::AGAIN) => guard.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes so many bytes off what has come or is to come, and forgets them.
    ///
    /// # Errors
    /// `UnexpectedEof` when no more comes.
    pub(crate) async fn skip(&self, mut count: usize) -> io::Result<()> {
        let mut buffer = [0; 256];
        while count > 0 {
            let mut guard = self.fd.readable().await?;
            let part = &mut buffer[..count.min(256)];
            match rustix::io::read(self.fd.get_ref(), part) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(taken) => count -= taken,
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits until the connection is asked to end. For those that cannot see it by themselves.
    pub(crate) async fn dismissed(&self) {
        self.dismissed.notified().await;
    }

    /// Asks the connection to end when its requests are done.
    pub(crate) fn dismiss(&self) {
        self.dismissed.notify_one();
    }

    /// Waits until there is something to read: bytes, the end, or an error.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        if self.tls.as_ref().is_some_and(|tls| tls.borrow().waiting) {
            return Ok(());
        }
        self.fd
            .readable()
            .await
            .map(|mut guard| guard.retain_ready())
    }

    /// Appends what has arrived, at most the buffer's spare capacity, which must not be 0: the count,
    /// 0 at the end. `None`: nothing has; wait until it is [`Socket::readable`].
    pub(crate) fn try_read(&self, buffer: &mut Vec<u8>) -> Option<io::Result<usize>> {
        if let Some(session) = &self.tls {
            if let Some(taken) = session.borrow_mut().take(buffer) {
                return Some(Ok(taken));
            }
            let room = buffer.room();
            return match self.read_tls(session, buffer, room, || self.ready_now()) {
                Poll::Ready(outcome) => outcome.transpose(),
                Poll::Pending => None,
            };
        }
        loop {
            let Poll::Ready(Ok(mut guard)) = self.ready_now() else {
                return None;
            };
            let room = buffer.capacity() - buffer.len();
            match rustix::io::read(self.fd.get_ref(), rustix::buffer::spare_capacity(buffer)) {
                Ok(count) => {
                    // Fewer than asked for: the kernel has no more, and saying so saves a read.
                    if count < room {
                        guard.clear_ready();
                    }
                    return Some(Ok(count));
                }
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Some(Err(error.into())),
            }
        }
    }

    /// [`Socket::try_read`] where everything that was decrypted is taken; `ready` asks the reactor.
    /// `None`: what came had nothing to read in it; others shall have their turn.
    fn read_tls<'s>(
        &'s self,
        session: &RefCell<Session>,
        sink: &mut impl Sink,
        room: usize,
        mut ready: impl FnMut() -> Poll<io::Result<Guard<'s>>>,
    ) -> Poll<io::Result<Option<usize>>> {
        let mut session = session.borrow_mut();
        let before = sink.room();
        for _ in 0..FRUITLESS {
            let mut guard = ready!(ready())?;
            match session.read(self.fd.get_ref().as_fd(), room) {
                Ok(arrived) if arrived.bytes == 0 => return Poll::Ready(Ok(Some(0))),
                Ok(arrived) => {
                    if arrived.all {
                        guard.clear_ready();
                    }
                    let decrypted = session.decrypt(arrived.bytes, sink);
                    // Mostly nothing: tickets, an alert, the answer to a change of keys.
                    self.send_now(&mut session);
                    decrypted?;
                    let count = before - sink.room();
                    if session.is_handshaking() {
                        return Poll::Ready(Ok(None));
                    }
                    if count > 0 || session.waiting {
                        return Poll::Ready(Ok(Some(count)));
                    }
                }
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
        Poll::Ready(Ok(None))
    }

    /// Sends what the socket takes at once; what is left goes with the next write.
    fn send_now(&self, session: &mut Session) {
        while session.has_more_to_send() && session.send(self.fd.get_ref().as_fd()).is_ok() {}
    }

    async fn send_all(&self, session: &RefCell<Session>, pace: &mut Pace) -> io::Result<()> {
        while session.borrow().has_more_to_send() {
            self.write_with(pace, |fd| session.borrow_mut().send(fd))
                .await?;
        }
        Ok(())
    }

    /// Sends what was encrypted from `plain` bytes, and counts those and not what became of them.
    async fn send_encrypted(
        &self,
        session: &RefCell<Session>,
        plain: usize,
        pace: &mut Pace,
    ) -> io::Result<()> {
        let before = pace.moved;
        self.send_all(session, pace).await?;
        pace.moved = before + plain as u64;
        Ok(())
    }

    async fn write_tls(
        &self,
        session: &RefCell<Session>,
        (mut first, mut second): (&[u8], &[u8]),
        pace: &mut Pace,
    ) -> io::Result<()> {
        while !first.is_empty() || !second.is_empty() {
            let count = session.borrow_mut().encrypt(first, second)?;
            let of_first = count.min(first.len());
            first = &first[of_first..];
            second = &second[count - of_first..];
            self.send_encrypted(session, count, pace).await?;
        }
        Ok(())
    }

    async fn send_file_tls(
        &self,
        session: &RefCell<Session>,
        (file, mut offset, mut len): (BorrowedFd<'_>, u64, u64),
        pace: &mut Pace,
    ) -> io::Result<()> {
        let (mut chunk, mut since_yield) = (AHEAD as u64, 0);
        while len > 0 {
            let most = len.min(chunk);
            let count = session.borrow_mut().encrypt_file(file, offset, most)?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let waited = pace.waited;
            self.send_encrypted(session, count, pace).await?;
            chunk = match pace.waited > waited + SLOW {
                true => SLOW_CHUNK,
                false => AHEAD as u64,
            };
            offset += count as u64;
            len -= count as u64;
            since_yield += count as u64;
            if since_yield >= FILE_CHUNK && len > 0 {
                since_yield = 0;
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// What the reactor says of reading, without waiting for it. (Not `poll_read_ready`: that says
    /// `Pending` of a ready socket too, when the task has run for long, and who then asks
    /// [`Socket::readable`] would turn in circles.)
    fn ready_now(&self) -> Poll<io::Result<Guard<'_>>> {
        let mut context = Context::from_waker(Waker::noop());
        pin!(self.fd.readable()).poll(&mut context)
    }

    /// Writes `first`, then `second`, in as few calls as the kernel takes.
    pub(crate) async fn write_all(
        &self,
        first: &[u8],
        second: &[u8],
        pace: &mut Pace,
    ) -> io::Result<()> {
        if let Some(session) = &self.tls {
            return self.write_tls(session, (first, second), pace).await;
        }
        let (mut first, mut second) = (first, second);
        while !first.is_empty() || !second.is_empty() {
            let slices = [IoSlice::new(first), IoSlice::new(second)];
            let count = self
                .write_with(pace, |fd| {
                    if second.is_empty() {
                        rustix::io::write(fd, first)
                    } else if first.is_empty() {
                        rustix::io::write(fd, second)
                    } else {
                        rustix::io::writev(fd, &slices)
                    }
                })
                .await?;
            let of_first = count.min(first.len());
            first = &first[of_first..];
            second = &second[count - of_first..];
        }
        Ok(())
    }

    /// Writes `bytes` that a file follows: the kernel may wait to send them in one packet with it.
    pub(crate) async fn write_before_file(
        &self,
        mut bytes: &[u8],
        pace: &mut Pace,
    ) -> io::Result<()> {
        if let Some(session) = &self.tls {
            // Sent with the file's first records.
            while !bytes.is_empty() {
                let count = session.borrow_mut().encrypt(bytes, b"")?;
                pace.moved += count as u64;
                bytes = &bytes[count..];
            }
            return Ok(());
        }
        while !bytes.is_empty() {
            let flags = SendFlags::MORE | SendFlags::NOSIGNAL;
            let count = self
                .write_with(pace, |fd| rustix::net::send(fd, bytes, flags))
                .await?;
            bytes = &bytes[count..];
        }
        Ok(())
    }

    /// Sends `len` bytes of `file` from `offset`.
    ///
    /// # Errors
    /// `UnexpectedEof` when the file has become shorter.
    pub(crate) async fn send_file(
        &self,
        file: BorrowedFd<'_>,
        mut offset: u64,
        mut len: u64,
        pace: &mut Pace,
    ) -> io::Result<()> {
        if let Some(session) = &self.tls {
            let piece = (file, offset, len);
            return self.send_file_tls(session, piece, pace).await;
        }
        while len > 0 {
            let chunk = len.min(FILE_CHUNK) as usize;
            let count = self
                .write_with(pace, |fd| {
                    rustix::fs::sendfile(fd, file, Some(&mut offset), chunk)
                })
                .await?;
            if count == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            len -= count as u64;
            if count == chunk && len > 0 {
                tokio::task::yield_now().await;
            }
        }
        Ok(())
    }

    /// Tries at once, for a socket can nearly always be written, and waits only when it cannot.
    async fn write_with(
        &self,
        pace: &mut Pace,
        mut write: impl FnMut(BorrowedFd<'_>) -> Result<usize, Errno>,
    ) -> io::Result<usize> {
        let mut since: Option<Instant> = None;
        let outcome = loop {
            match write(self.fd.get_ref().as_fd()) {
                Err(Errno::AGAIN) => {}
                Err(Errno::INTR) => continue,
                outcome => break outcome,
            }
            if since.is_none() {
                let now = Instant::now();
                since = Some(now);
                self.set_deadline(Some(pace.deadline(now)));
            }
            let mut guard = self.fd.writable().await?;
            // Asked again before the readiness is cleared, so that no edge is missed.
            match write(self.fd.get_ref().as_fd()) {
                Err(Errno::AGAIN) => guard.clear_ready(),
                Err(Errno::INTR) => {}
                outcome => break outcome,
            }
        };
        if let Some(since) = since {
            self.set_deadline(None);
            pace.waited += since.elapsed();
        }
        if let Ok(count) = outcome {
            pace.moved += count as u64;
        }
        Ok(outcome?)
    }
}

/// How fast a body must move: never stalled for long, and a minimum rate over the time that was spent
/// waiting for the peer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    stall: Duration,
    grace: Duration,
    rate: u64,
    pub(crate) waited: Duration,
    pub(crate) moved: u64,
}

impl Pace {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            stall: limits.idle_time,
            grace: limits.rate_grace,
            rate: limits.min_rate,
            waited: Duration::ZERO,
            moved: 0,
        }
    }

    /// Until when the peer may keep us waiting from `now` on.
    pub(crate) fn deadline(&self, now: Instant) -> Instant {
        let Some(earned) = self.moved.saturating_mul(1000).checked_div(self.rate) else {
            return now + self.stall;
        };
        let earned = Duration::from_millis(earned);
        let allowed = (self.grace + earned).saturating_sub(self.waited);
        now + allowed.min(self.stall)
    }

    /// Waits for something of the peer, who is no socket's only user; `None`: it was too slow.
    pub(crate) async fn within<T>(&mut self, moving: impl Future<Output = T>) -> Option<T> {
        let since = Instant::now();
        let until = self.deadline(since).into();
        let outcome = tokio::time::timeout_at(until, moving).await.ok();
        self.waited += since.elapsed();
        outcome
    }

    /// Waits for `moving` with the pace's deadline on `socket`, and counts the bytes it returns.
    pub(crate) async fn keep(
        &mut self,
        socket: &Socket,
        moving: impl Future<Output = io::Result<usize>>,
    ) -> io::Result<usize> {
        let since = Instant::now();
        socket.set_deadline(Some(self.deadline(since)));
        let count = moving.await?;
        socket.set_deadline(None);
        self.waited += since.elapsed();
        self.moved += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_moves_earns_time_and_one_that_does_not_runs_out_of_it() {
        let now = Instant::now();
        let mut pace = Pace::new(&Limits::default());
        assert_eq!(pace.deadline(now), now + Duration::from_secs(10));
        pace.moved = 2400;
        assert_eq!(pace.deadline(now), now + Duration::from_secs(20));
        pace.waited = Duration::from_secs(19);
        assert_eq!(pace.deadline(now), now + Duration::from_secs(1));
        pace.moved = 1 << 40;
        assert_eq!(pace.deadline(now), now + Duration::from_secs(75));
    }

    #[test]
    fn without_a_rate_only_a_stall_counts() {
        let now = Instant::now();
        let limits = Limits {
            min_rate: 0,
            ..Limits::default()
        };
        let mut pace = Pace::new(&limits);
        pace.waited = Duration::from_secs(3600);
        assert_eq!(pace.deadline(now), now + Duration::from_secs(75));
    }
}
