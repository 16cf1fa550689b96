//! Counts the frames of a client as they pass. The h2 crate bounds what it must remember; this bounds
//! what a client may have us do for nothing: pings, settings, priorities, windows opened by a byte,
//! empty data, requests taken back.

use std::time::Instant;

use crate::h2::PREFACE;
use crate::limits::{Allowance, Http2};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// Idle frames that each frame with something in it earns: the windows of stream and connection are
/// opened for it, and some clients ask for an echo each time.
const EARNED: u32 = 4;

/// What there is too much of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Excess {
    #[error("the client took back too many requests")]
    Resets,
    #[error("the client sent too many frames with nothing in them")]
    IdleFrames,
}

/// The frames of one connection.
#[derive(Debug)]
pub(crate) struct Census {
    /// Of the next frame's head.
    head: [u8; 9],
    have: usize,
    /// Bytes that belong to the preface or to the frame whose head was read last.
    skip: usize,
    /// A header block has begun and its last frame has not.
    block_open: bool,
    /// The frame whose bytes are skipped is part of a header block.
    in_block: bool,
    resets: Bucket,
    idle: Bucket,
}

impl Census {
    /// `at`: the beginning of the connection, before its preface.
    pub(crate) fn new(limits: &Http2, now: Instant) -> Self {
        Self {
            head: [0; 9],
            have: 0,
            skip: PREFACE.len(),
            block_open: false,
            in_block: false,
            resets: Bucket::new(limits.resets, now),
            idle: Bucket::new(limits.idle_frames, now),
        }
    }

    /// The next bytes of the client.
    ///
    /// # Errors
    /// When there is too much of something.
    pub(crate) fn count(&mut self, mut bytes: &[u8]) -> Result<(), Excess> {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = bytes.len().min(self.head.len() - self.have);
            self.head[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == self.head.len() {
                self.have = 0;
                self.frame()?;
            }
        }
        Ok(())
    }

    fn frame(&mut self) -> Result<(), Excess> {
        let [a, b, c, kind, flags, ..] = self.head;
        self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
        self.in_block = matches!(kind, HEADERS | CONTINUATION);
        match kind {
            HEADERS | CONTINUATION => {
                self.block_open = flags & END_HEADERS == 0;
                self.earn(1);
            }
            DATA if self.skip > 0 || flags & END_STREAM != 0 => self.earn(1),
            RST_STREAM => self.resets.take().ok_or(Excess::Resets)?,
            _ => self.idle.take().ok_or(Excess::IdleFrames)?,
        }
        Ok(())
    }

    /// So many frames had something in them, in either direction.
    pub(crate) fn earn(&mut self, frames: u32) {
        self.idle.give(frames.saturating_mul(EARNED));
    }

    /// Whether a header block has begun to come and is not complete.
    pub(crate) fn awaits_head(&self) -> bool {
        self.block_open || (self.in_block && self.skip > 0)
    }
}

/// What is left of an allowance.
#[derive(Debug)]
struct Bucket {
    allowance: Allowance,
    left: u32,
    filled: Instant,
}

impl Bucket {
    fn new(allowance: Allowance, now: Instant) -> Self {
        Self {
            allowance,
            left: allowance.at_once,
            filled: now,
        }
    }

    fn take(&mut self) -> Option<()> {
        if self.left == 0 {
            // The clock is read only by those who have used up all they had.
            self.fill(Instant::now());
        }
        self.left = self.left.checked_sub(1)?;
        Some(())
    }

    fn fill(&mut self, now: Instant) {
        let millis = now.saturating_duration_since(self.filled).as_millis();
        let grown = millis * u128::from(self.allowance.per_second) / 1000;
        if grown > 0 {
            self.filled = now;
            self.give(u32::try_from(grown).unwrap_or(u32::MAX));
        }
    }

    fn give(&mut self, more: u32) {
        self.left = self.left.saturating_add(more).min(self.allowance.at_once);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const LIMITS: Http2 = Http2 {
        resets: Allowance {
            at_once: 3,
            per_second: 1,
        },
        idle_frames: Allowance {
            at_once: 5,
            per_second: 1,
        },
        ..Http2::DEFAULT
    };

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let mut frame = vec![
            0,
            (payload >> 8) as u8,
            payload as u8,
            kind,
            flags,
            0,
            0,
            0,
            1,
        ];
        frame.resize(9 + payload, 0);
        frame
    }

    fn census() -> Census {
        let mut census = Census::new(&LIMITS, Instant::now() + Duration::from_secs(60));
        census.count(PREFACE).unwrap();
        census
    }

    #[test]
    fn frames_are_counted_however_they_were_split() {
        let ping = frame(6, 0, 8).repeat(6);
        for size in [1, 2, 8, 9, 10, 17, 1000] {
            let mut census = census();
            let outcome: Result<Vec<()>, _> =
                ping.chunks(size).map(|piece| census.count(piece)).collect();
            assert_eq!(outcome, Err(Excess::IdleFrames), "{size}");
            assert_eq!(census.left(), 0);
        }
    }

    #[test]
    fn resets_and_frames_with_nothing_in_them_run_out() {
        for (kind, flags, payload, most, excess) in [
            (RST_STREAM, 0, 4, 3, Excess::Resets),
            (4, 0, 0, 5, Excess::IdleFrames),
            (2, 0, 5, 5, Excess::IdleFrames),
            (8, 0, 4, 5, Excess::IdleFrames),
            (DATA, 0, 0, 5, Excess::IdleFrames),
            (0x77, 0, 100, 5, Excess::IdleFrames),
        ] {
            let mut census = census();
            let frame = frame(kind, flags, payload);
            for _ in 0..most {
                census.count(&frame).unwrap();
            }
            assert_eq!(census.count(&frame), Err(excess), "{kind}");
        }
    }

    #[test]
    fn what_has_something_in_it_earns_frames_and_so_does_time() {
        let mut census = census();
        for _ in 0..100 {
            census.count(&frame(8, 0, 4).repeat(4)).unwrap();
            census.count(&frame(DATA, 0, 1)).unwrap();
        }
        let mut bucket = Bucket::new(LIMITS.resets, Instant::now());
        bucket.left = 0;
        bucket.fill(bucket.filled + Duration::from_millis(2500));
        assert_eq!(bucket.left, 2);
    }

    #[test]
    fn a_header_block_is_awaited_until_its_last_byte() {
        let mut census = census();
        let block = frame(HEADERS, 0, 10);
        census.count(&block[..12]).unwrap();
        assert!(census.awaits_head());
        census.count(&block[12..]).unwrap();
        assert!(census.awaits_head());
        census.count(&frame(CONTINUATION, END_HEADERS, 3)).unwrap();
        assert!(!census.awaits_head());
        census.count(&frame(DATA, 0, 10)[..12]).unwrap();
        assert!(!census.awaits_head());
    }

    impl Census {
        fn left(&self) -> u32 {
            self.idle.left
        }
    }
}
