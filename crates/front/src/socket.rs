//! One connection's socket, TCP or Unix: reads, writes and sends files without a copy.
//!
//! Deadlines are not timers here. A socket carries the moment at which its peer was too slow, and
//! the thread's sweeper (`thread`) looks at all of them a few times a second. When it is passed, the
//! sweeper shuts the socket down, and the read or write that waits wakes up by that. So a deadline
//! costs a store, and ten thousand idle connections cost no timer.

use std::cell::Cell;
use std::future::Future;
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown};
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::io::{Interest, ReadBuf};
use tokio::sync::Notify;

use crate::limits::Limits;
use crate::sys;

/// Most bytes of one `sendfile`, so that one fast reader does not hold the thread.
const FILE_CHUNK: u64 = 1024 * 1024;

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

#[derive(Debug)]
pub(crate) struct Socket {
    fd: AsyncFd<OwnedFd>,
    deadline: Cell<Option<Instant>>,
    expired: Cell<bool>,
    phase: Cell<Phase>,
    dismissed: Notify,
}

impl Socket {
    /// Takes a socket that does not block.
    pub(crate) fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self {
            fd: sys::watch(fd, Interest::READABLE | Interest::WRITABLE)?,
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
        self.shutdown(Shutdown::Write);
    }

    /// Ends both directions.
    pub(crate) fn cut(&self) {
        self.shutdown(Shutdown::Both);
    }

    /// Ends the connection so that the peer sees an error and not an end.
    pub(crate) fn reset(&self) {
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

    /// Reads what has arrived, at most what `buffer` takes; nothing at the end.
    pub(crate) fn poll_read(
        &self,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
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

    /// Writes as much as the kernel takes at once.
    pub(crate) fn poll_write(
        &self,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
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
        self.fd
            .readable()
            .await
            .map(|mut guard| guard.retain_ready())
    }

    /// Appends what has arrived, at most the buffer's spare capacity, which must not be 0: the count,
    /// 0 at the end. `None`: nothing has; wait until it is [`Socket::readable`].
    pub(crate) fn try_read(&self, buffer: &mut Vec<u8>) -> Option<io::Result<usize>> {
        loop {
            let mut guard = self.ready_now()?;
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

    /// What the reactor says of reading, without waiting for it. (Not `poll_read_ready`: that says
    /// `Pending` of a ready socket too, when the task has run for long, and who then asks
    /// [`Socket::readable`] would turn in circles.)
    fn ready_now(&self) -> Option<AsyncFdReadyGuard<'_, OwnedFd>> {
        let mut context = Context::from_waker(Waker::noop());
        match pin!(self.fd.readable()).poll(&mut context) {
            Poll::Ready(guard) => guard.ok(),
            Poll::Pending => None,
        }
    }

    /// Writes `first`, then `second`, in as few calls as the kernel takes.
    pub(crate) async fn write_all(
        &self,
        first: &[u8],
        second: &[u8],
        pace: &mut Pace,
    ) -> io::Result<()> {
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
