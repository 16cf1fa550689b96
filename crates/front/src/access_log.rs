//! One line a request, combined (Apache's, with ours behind it) or JSON.
//!
//! A request only appends to its thread's buffer. The buffer goes to a writer thread when it is large
//! or a tenth of a second old; when the writer cannot keep up, lines are dropped and counted.

mod line;
mod writer;

use std::cell::RefCell;
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

#[derive(Debug, Default)]
struct Pending {
    text: Vec<u8>,
    lines: u64,
}

impl LogBuffer {
    pub(crate) fn new(log: &AccessLog) -> Self {
        Self {
            log: log.clone(),
            pending: RefCell::default(),
            due: Notify::new(),
        }
    }

    /// Whether it goes there.
    pub(crate) fn is_of(&self, log: &AccessLog) -> bool {
        self.log.is_same(log)
    }

    /// Whether nothing is written there any more.
    pub(crate) fn is_over(&self) -> bool {
        self.log.is_finished()
    }

    /// Adds the line of a request.
    pub(crate) fn add(&self, entry: &Entry<'_>, clock: &Clock) {
        let mut pending = self.pending.borrow_mut();
        let first = pending.text.is_empty();
        let (stamp, millis) = clock.now();
        if self.log.is_labelled() {
            line::label(&mut pending.text, entry, millis);
        }
        match self.log.format() {
            Format::Combined => line::combined(&mut pending.text, entry, &stamp),
            Format::Json => line::json(&mut pending.text, entry, &stamp, millis),
        }
        pending.lines += 1;
        let large = pending.text.len() >= FLUSH_BYTES;
        drop(pending);
        if large {
            self.flush();
        } else if first {
            self.due.notify_one();
        }
    }

    /// Hands everything to the writer.
    pub(crate) fn flush(&self) {
        let pending = self.pending.take();
        if !pending.text.is_empty() {
            self.log.send(pending.text, pending.lines);
        }
    }

    /// Flushes a little after there is something to flush; sleeps while there is nothing.
    pub(crate) async fn flush_when_due(&self) {
        while !self.is_over() {
            self.due.notified().await;
            tokio::time::sleep(FLUSH_AGE).await;
            self.flush();
        }
    }
}
