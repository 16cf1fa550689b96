//! One line a request, combined (Apache's, with ours behind it) or JSON.
//!
//! A request only appends to its thread's buffer, or to its site's where that has a log of its own. The buffer goes to a
//! writer thread when it is large or a tenth of a second old; when the writer cannot keep up, lines are dropped and
//! counted.

mod line;
mod writer;

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

pub(crate) use line::Entry;
pub use writer::{AccessLog, Format, Rotation, Sink};

use crate::clock::Clock;

const FLUSH_BYTES: usize = 32 * 1024;
const FLUSH_AGE: Duration = Duration::from_millis(100);

/// The lines of one thread that are not with the writer yet.
#[derive(Debug)]
pub(crate) struct LogBuffer {
    log: AccessLog,
    pending: RefCell<Pending>,
    due: Notify,
}

/// A site's own log, with the lines of all threads that are not with the writer yet. They are when it is dropped.
#[derive(Debug)]
pub(crate) struct SiteLog {
    log: AccessLog,
    pending: Mutex<Pending>,
}

#[derive(Debug, Default)]
struct Pending {
    text: Vec<u8>,
    lines: u64,
}

/// When lines go to the writer.
enum Due {
    Now,
    /// These are the first.
    Soon,
    /// Somebody sees to it.
    Later,
}

impl Pending {
    fn add(&mut self, log: &AccessLog, entry: &Entry<'_>, clock: &Clock) -> Due {
        let first = self.text.is_empty();
        let (stamp, millis) = clock.now();
        if log.is_labelled() {
            line::label(&mut self.text, entry, millis);
        }
        match log.format() {
            Format::Combined => line::combined(&mut self.text, entry, &stamp),
            Format::Json => line::json(&mut self.text, entry, &stamp, millis),
        }
        self.lines += 1;
        match (self.text.len() >= FLUSH_BYTES, first) {
            (true, _) => Due::Now,
            (false, true) => Due::Soon,
            (false, false) => Due::Later,
        }
    }

    fn hand_to(self, log: &AccessLog) {
        if !self.text.is_empty() {
            log.send(self.text, self.lines);
        }
    }
}

impl LogBuffer {
    pub(crate) fn new(log: &AccessLog) -> Self {
        Self {
            log: log.clone(),
            pending: RefCell::default(),
            due: Notify::new(),
        }
    }

    /// Adds the line of a request.
    pub(crate) fn add(&self, entry: &Entry<'_>, clock: &Clock) {
        let due = self.pending.borrow_mut().add(&self.log, entry, clock);
        match due {
            Due::Now => self.flush(),
            Due::Soon => self.due.notify_one(),
            Due::Later => {}
        }
    }

    /// Hands everything to the writer.
    pub(crate) fn flush(&self) {
        self.pending.take().hand_to(&self.log);
    }

    /// Flushes a little after there is something to flush; sleeps while there is nothing.
    pub(crate) async fn flush_when_due(&self) {
        loop {
            self.due.notified().await;
            tokio::time::sleep(FLUSH_AGE).await;
            self.flush();
        }
    }
}

impl SiteLog {
    pub(crate) fn new(log: AccessLog) -> Self {
        Self {
            log,
            pending: Mutex::default(),
        }
    }

    /// Adds the line of a request. To be called on a thread of the front.
    pub(crate) fn add(self: &Arc<Self>, entry: &Entry<'_>, clock: &Clock) {
        let due = self.lock().add(&self.log, entry, clock);
        match due {
            Due::Now => self.flush(),
            Due::Soon => {
                let log = Arc::clone(self);
                tokio::task::spawn_local(async move {
                    tokio::time::sleep(FLUSH_AGE).await;
                    log.flush();
                });
            }
            Due::Later => {}
        }
    }

    /// Returns when everything is written. Nothing is from here on.
    pub(crate) fn finish(&self) {
        self.flush();
        self.log.finish();
    }

    fn flush(&self) {
        let pending = std::mem::take(&mut *self.lock());
        pending.hand_to(&self.log);
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for SiteLog {
    fn drop(&mut self) {
        self.flush();
    }
}
