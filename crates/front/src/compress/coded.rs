//! A body that is encoded while it passes. When its maker pauses, what it has made goes out: an event of
//! a stream of events is not held back.

use std::future::poll_fn;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::pin::pin;
use std::task::Poll;

use bytes::{Buf as _, Bytes};
use hotclub_app::{Cut, Part};

use super::Place;
use super::encoder::Encoder;
use crate::flow::Flow;

/// Bytes that are encoded before others have their turn.
const STEP: usize = 64 * 1024;
/// Encoded bytes that are worth sending.
const ENOUGH: usize = 16 * 1024;

/// The encoded body.
#[derive(Debug)]
pub struct Coded {
    plain: Flow,
    /// `None` behind the end.
    encoder: Option<Encoder>,
    /// What is still to be encoded.
    part: Option<Part>,
    /// Something was encoded since the last flush.
    dirty: bool,
    _place: Place,
}

impl Coded {
    pub(super) fn new(plain: Flow, encoder: Encoder, place: Place) -> Self {
        Self {
            plain,
            encoder: Some(encoder),
            part: None,
            dirty: false,
            _place: place,
        }
    }

    /// Waits for the next part; `None` after the last. Safe to drop.
    pub(crate) async fn next(&mut self) -> Option<Result<Part, Cut>> {
        loop {
            while let Some(part) = self.part.take() {
                if self.encode(part).is_err() {
                    return Some(Err(self.cut()));
                }
                if self.encoder.as_ref()?.held() >= ENOUGH {
                    return self.give();
                }
                if self.part.is_some() {
                    tokio::task::yield_now().await;
                }
            }
            let encoder = self.encoder.as_mut()?;
            let now = poll_fn(|context| Poll::Ready(pin!(self.plain.next()).poll(context))).await;
            let next = match now {
                Poll::Ready(next) => next,
                Poll::Pending if self.dirty => {
                    self.dirty = false;
                    encoder.flush();
                    if encoder.held() > 0 {
                        return self.give();
                    }
                    continue;
                }
                Poll::Pending => self.plain.next().await,
            };
            match next {
                Some(Ok(part)) => self.part = Some(part),
                Some(Err(cut)) => {
                    self.cut();
                    return Some(Err(cut));
                }
                None => return self.finish(),
            }
        }
    }

    /// Encodes the beginning of a part and keeps the rest of it.
    fn encode(&mut self, part: Part) -> io::Result<()> {
        let Some(encoder) = &mut self.encoder else {
            return Ok(());
        };
        self.dirty = true;
        match part {
            Part::Bytes(mut bytes) => {
                let len = bytes.len().min(STEP);
                encoder.write(&bytes[..len]);
                bytes.advance(len);
                if !bytes.is_empty() {
                    self.part = Some(Part::Bytes(bytes));
                }
            }
            Part::File { file, offset, len } => {
                let step = len.min(STEP as u64);
                let step_part = Part::File {
                    file: file.clone(),
                    offset,
                    len: step,
                };
                encoder.write(&read_all(step_part)?);
                if step < len {
                    let (offset, len) = (offset + step, len - step);
                    self.part = Some(Part::File { file, offset, len });
                }
            }
        }
        match encoder.is_broken() {
            true => Err(io::ErrorKind::OutOfMemory.into()),
            false => Ok(()),
        }
    }

    fn give(&mut self) -> Option<Result<Part, Cut>> {
        Some(Ok(Part::Bytes(self.encoder.as_mut()?.take())))
    }

    fn finish(&mut self) -> Option<Result<Part, Cut>> {
        let last = self.encoder.take()?.finish();
        Some(match last.is_empty() {
            true => Err(Cut),
            false => Ok(Part::Bytes(last)),
        })
    }

    fn cut(&mut self) -> Cut {
        self.encoder = None;
        Cut
    }
}

/// The bytes of a part. Blocks for a copy from the page cache, seldom for more.
pub(super) fn read_all(part: Part) -> io::Result<Bytes> {
    match part {
        Part::Bytes(bytes) => Ok(bytes),
        Part::File { file, offset, len } => {
            let len = usize::try_from(len).map_err(|_| io::ErrorKind::OutOfMemory)?;
            let mut bytes = vec![0; len];
            // A second descriptor of the same file: reading by offset disturbs nobody.
            let file = std::fs::File::from(file.try_clone()?);
            file.read_exact_at(&mut bytes, offset)?;
            Ok(bytes.into())
        }
    }
}
