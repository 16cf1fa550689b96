//! The layout of the scoreboard: offsets only; `hotclub-app` maps the memory.

/// First bytes of a scoreboard.
pub const MAGIC: [u8; 8] = *b"HOTCLUB1";
/// Bytes before the first slot.
pub const HEADER_LEN: usize = 64;
/// Bytes of one slot: one cache line, so that two workers never write the same one.
pub const SLOT_LEN: usize = 64;

/// The eight u64 of a slot, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Field {
    Pid = 0,
    State = 1,
    /// Id of the request in hand, 0 when idle.
    Request = 2,
    /// `CLOCK_MONOTONIC` nanoseconds when the request in hand was taken.
    Started = 3,
    /// Requests finished since the worker started.
    Done = 4,
    /// Written by the front: a request whose client has left.
    Cancel = 5,
    /// Kernel thread id.
    Thread = 6,
    /// Written by the owner: the last worker here that ended, and whether it was killed from outside ([`End`]).
    End = 7,
}

/// Values of [`Field::State`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum State {
    Free = 0,
    Starting = 1,
    Serving = 2,
    Leaving = 3,
}

/// What the owner makes known of a worker's end, as one u64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    pub pid: u64,
    /// By SIGKILL, which no request brings about: not the owner's, and not for want of memory.
    pub from_outside: bool,
}

impl End {
    /// Process ids have 22 bits.
    #[must_use]
    pub const fn pack(self) -> u64 {
        self.pid << 1 | self.from_outside as u64
    }

    #[must_use]
    pub const fn unpack(word: u64) -> Self {
        Self {
            pid: word >> 1,
            from_outside: word & 1 == 1,
        }
    }
}

/// Bytes of a scoreboard with `slots` slots.
#[must_use]
pub const fn size(slots: usize) -> usize {
    HEADER_LEN + slots * SLOT_LEN
}

/// Byte offset of a field of a slot.
#[must_use]
pub const fn offset(slot: usize, field: Field) -> usize {
    HEADER_LEN + slot * SLOT_LEN + field as usize * 8
}
