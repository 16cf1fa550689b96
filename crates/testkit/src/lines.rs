//! The lines that a process writes, kept as they come.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A stream being read by a thread of its own.
#[derive(Clone, Debug)]
pub struct Lines(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    ended: bool,
}

impl Lines {
    pub(crate) fn read(stream: impl Read + Send + 'static) -> Self {
        let lines = Self(Arc::default());
        let writer = lines.clone();
        std::thread::spawn(move || {
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while stream.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line);
                writer
                    .lock()
                    .lines
                    .push(text.trim_end_matches('\n').to_owned());
                writer.0.1.notify_all();
                line.clear();
            }
            writer.lock().ended = true;
            writer.0.1.notify_all();
        });
        lines
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All lines so far.
    pub fn all(&self) -> Vec<String> {
        self.lock().lines.clone()
    }

    /// All lines so far, as they were written.
    pub fn text(&self) -> String {
        self.lock().lines.join("\n")
    }

    /// How many there are: a place from which to look on.
    pub fn count(&self) -> usize {
        self.lock().lines.len()
    }

    /// The first line from `start` on for which `look` has an answer. `None` at the end of the stream
    /// or at the deadline.
    pub fn find<T>(
        &self,
        start: usize,
        deadline: Duration,
        mut look: impl FnMut(&str) -> Option<T>,
    ) -> Option<T> {
        let until = Instant::now() + deadline;
        let mut next = start;
        let mut state = self.lock();
        loop {
            while let Some(line) = state.lines.get(next) {
                next += 1;
                if let Some(found) = look(line) {
                    return Some(found);
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if state.ended || left.is_zero() {
                return None;
            }
            state = self
                .0
                .1
                .wait_timeout(state, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits until nobody has the stream's other end any more.
    pub(crate) fn ended(&self, deadline: Duration) -> bool {
        self.find(usize::MAX, deadline, |_| Some(()));
        self.lock().ended
    }
}
