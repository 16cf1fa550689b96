//! Takes a body over while it is passed on. It is read as fast as its maker gives it, whatever the speed
//! of the client that asked first, so that nobody who waits for the page waits for that client.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use hotclub_app::{Cut, Part};

use super::stored::Kept;
use crate::flow::Flow;

/// A longer body is kept in a file.
pub(super) const IN_MEMORY: u64 = 256 * 1024;
/// Bytes of a file that are read at a time.
const STEP: u64 = 64 * 1024;

/// The body as whoever asked first reads it.
#[derive(Debug)]
pub struct Filling(Rc<RefCell<State>>);

#[derive(Debug, Default)]
struct State {
    parts: VecDeque<Part>,
    end: Option<End>,
    reader: Option<Waker>,
}

#[derive(Debug)]
enum End {
    Complete,
    Cut,
    /// It is too long to be kept: the rest comes from where it came from.
    Rest(Box<Flow>),
}

/// What is being read.
#[derive(Debug)]
pub(super) struct Pump {
    state: Rc<RefCell<State>>,
    flow: Flow,
    store: Store,
    /// Bytes that the head announced.
    declared: Option<u64>,
    most: u64,
}

/// What was read so far.
#[derive(Debug)]
struct Store {
    parts: Vec<Bytes>,
    file: Option<(std::fs::File, Arc<OwnedFd>)>,
    len: u64,
}

/// Begins to read a body of at most `most` bytes.
pub(super) fn begin(flow: Flow, declared: Option<u64>, most: u64) -> (Pump, Filling) {
    let state = Rc::new(RefCell::new(State::default()));
    let store = Store {
        parts: Vec::new(),
        file: None,
        len: 0,
    };
    let filling = Filling(Rc::clone(&state));
    (
        Pump {
            state,
            flow,
            store,
            declared,
            most,
        },
        filling,
    )
}

/// The whole of a body that has come already; `None`: it broke off.
pub(super) async fn gather(flow: &mut Flow) -> Option<Bytes> {
    let mut parts = Vec::new();
    while let Some(part) = flow.next().await {
        match part.ok()? {
            Part::Bytes(bytes) => parts.push(bytes),
            Part::File { file, offset, len } => parts.push(read(&file, offset, len).ok()?),
        }
    }
    Some(joined(parts))
}

fn joined(mut parts: Vec<Bytes>) -> Bytes {
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let mut whole = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
    parts.iter().for_each(|part| whole.extend_from_slice(part));
    whole.freeze()
}

/// Blocks for a copy from the page cache, seldom for more.
fn read(file: &Arc<OwnedFd>, offset: u64, len: u64) -> io::Result<Bytes> {
    let len = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut bytes = vec![0; len];
    let file = std::fs::File::from(file.try_clone()?);
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes.into())
}

impl Pump {
    /// Reads to the end; the body, when it is whole and not too long. Files are made in `folder`.
    pub(super) async fn run(mut self, folder: &Path) -> Option<Kept> {
        let end = loop {
            match self.flow.next().await {
                Some(Ok(part)) => match self.take(part, folder).await {
                    Ok(()) => {}
                    Err(_) => break End::Cut,
                },
                Some(Err(Cut)) => break End::Cut,
                None => break End::Complete,
            }
            if self.store.len > self.most {
                break End::Rest(Box::new(std::mem::replace(&mut self.flow, Flow::Broken)));
            }
        };
        let is_whole = matches!(end, End::Complete)
            && self
                .declared
                .is_none_or(|declared| declared == self.store.len);
        self.tell(|state| state.end = Some(end));
        is_whole.then(|| self.store.finish())
    }

    async fn take(&mut self, part: Part, folder: &Path) -> io::Result<()> {
        match part {
            Part::Bytes(bytes) => self.add(bytes, folder),
            Part::File { file, offset, len } => {
                let mut at = 0;
                while at < len {
                    let step = STEP.min(len - at);
                    self.add(read(&file, offset + at, step)?, folder)?;
                    at += step;
                    // One long file does not hold the thread.
                    tokio::task::yield_now().await;
                }
                Ok(())
            }
        }
    }

    fn add(&mut self, bytes: Bytes, folder: &Path) -> io::Result<()> {
        let part = self.store.add(bytes, folder)?;
        self.tell(|state| state.parts.push_back(part));
        Ok(())
    }

    fn tell(&self, news: impl FnOnce(&mut State)) {
        let mut state = self.state.borrow_mut();
        news(&mut state);
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.tell(|state| {
            state.end.get_or_insert(End::Cut);
        });
    }
}

impl Store {
    /// Keeps a part and returns it as the client gets it.
    fn add(&mut self, bytes: Bytes, folder: &Path) -> io::Result<Part> {
        let at = self.len;
        self.len += bytes.len() as u64;
        if self.file.is_none() && self.len <= IN_MEMORY {
            self.parts.push(bytes.clone());
            return Ok(Part::Bytes(bytes));
        }
        let (file, shared) = match &mut self.file {
            Some(file) => file,
            none => {
                let file = tempfile::tempfile_in(folder)?;
                let shared = Arc::new(OwnedFd::from(file.try_clone()?));
                let mut end = 0;
                for part in self.parts.drain(..) {
                    file.write_all_at(&part, end)?;
                    end += part.len() as u64;
                }
                none.insert((file, shared))
            }
        };
        file.write_all_at(&bytes, at)?;
        let (file, len) = (Arc::clone(shared), bytes.len() as u64);
        Ok(Part::File {
            file,
            offset: at,
            len,
        })
    }

    fn finish(&mut self) -> Kept {
        match self.file.take() {
            Some((_, file)) => Kept::File {
                file,
                len: self.len,
            },
            None => Kept::Memory(joined(std::mem::take(&mut self.parts))),
        }
    }
}

impl Filling {
    /// Waits for the next part; `None` after the last. Safe to drop.
    pub(crate) async fn next(&mut self) -> Option<Result<Part, Cut>> {
        let ready = std::future::poll_fn(|context| self.poll_ready(context)).await;
        if let Some(next) = ready {
            return next;
        }
        let rest = self.0.borrow_mut().end.take();
        let Some(End::Rest(flow)) = rest else {
            return None;
        };
        // It is put back also when this is dropped while it waits.
        let mut held = Held {
            state: &self.0,
            flow: Some(*flow),
        };
        Box::pin(held.flow.as_mut()?.next()).await
    }

    /// `Ready(None)`: the rest has to be asked for.
    fn poll_ready(&self, context: &Context<'_>) -> Poll<Option<Option<Result<Part, Cut>>>> {
        let mut state = self.0.borrow_mut();
        if let Some(part) = state.parts.pop_front() {
            return Poll::Ready(Some(Some(Ok(part))));
        }
        match &state.end {
            Some(End::Complete) => Poll::Ready(Some(None)),
            Some(End::Cut) => Poll::Ready(Some(Some(Err(Cut)))),
            Some(End::Rest(_)) => Poll::Ready(None),
            None => {
                state.reader = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

/// A flow that goes back to where it was taken from.
struct Held<'a> {
    state: &'a Rc<RefCell<State>>,
    flow: Option<Flow>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if let Some(flow) = self.flow.take() {
            self.state.borrow_mut().end = Some(End::Rest(Box::new(flow)));
        }
    }
}

#[cfg(test)]
#[path = "fill/tests.rs"]
mod tests;
