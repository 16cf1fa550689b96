//! The scoreboard of a generation: who has which request since when.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::AtomicI32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use hotclub_wire::board::{End, Field, HEADER_LEN, MAGIC, SLOT_LEN, size};
use rustix::fs::{MemfdFlags, SealFlags};

use crate::sys::SharedWords;

/// One slot at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SlotView {
    pub pid: u64,
    /// 0 when idle.
    pub request: u64,
    /// `CLOCK_MONOTONIC` nanoseconds.
    pub started: u64,
    pub done: u64,
    /// Kernel thread id.
    pub thread: u64,
}

/// Shared memory, written by the workers and read here.
#[derive(Debug)]
pub struct Board {
    file: OwnedFd,
    memory: SharedWords,
    slots: usize,
    /// The workers' process ids here, when they are of another namespace; 0: not known. Not shared.
    outside: Option<Vec<AtomicI32>>,
}

impl Board {
    /// A scoreboard of `slots` free slots.
    ///
    /// # Errors
    /// When the system has no memory or descriptor for it.
    pub fn new(slots: usize) -> rustix::io::Result<Self> {
        Self::make(slots, None)
    }

    /// A scoreboard for workers in a container, whose process ids say nothing here.
    ///
    /// # Errors
    /// When the system has no memory or descriptor for it.
    pub(crate) fn contained(slots: usize) -> rustix::io::Result<Self> {
        let unknown = std::iter::repeat_with(|| AtomicI32::new(0));
        Self::make(slots, Some(unknown.take(slots).collect()))
    }

    fn make(slots: usize, outside: Option<Vec<AtomicI32>>) -> rustix::io::Result<Self> {
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        let file = rustix::fs::memfd_create("hotclub-scoreboard", flags)?;
        rustix::fs::ftruncate(&file, size(slots) as u64)?;
        // A worker that could shrink it would end the supervisor by SIGBUS.
        rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        let memory = SharedWords::map(file.as_fd(), size(slots) / 8)?;
        memory.words()[0].store(u64::from_le_bytes(MAGIC), Relaxed);
        memory.words()[1].store(slots as u64, Release);
        Ok(Self {
            file,
            memory,
            slots,
            outside,
        })
    }

    /// One that another process has made.
    ///
    /// # Errors
    /// When it is shorter than so many slots need, or cannot be mapped.
    pub fn of(file: OwnedFd, slots: usize) -> std::io::Result<Self> {
        let length = rustix::fs::fstat(&file)?.st_size;
        if length < i64::try_from(size(slots)).unwrap_or(i64::MAX) {
            return Err(std::io::Error::other("the scoreboard is too short"));
        }
        let memory = SharedWords::map(file.as_fd(), size(slots) / 8)?;
        Ok(Self {
            file,
            memory,
            slots,
            outside: None,
        })
    }

    /// The descriptor that workers map.
    #[must_use]
    pub fn file(&self) -> &OwnedFd {
        &self.file
    }

    /// Number of slots.
    #[must_use]
    pub fn slots(&self) -> usize {
        self.slots
    }

    /// The request in hand, 0 when idle or when there is no such slot.
    #[must_use]
    pub fn request(&self, slot: usize) -> u64 {
        self.load(slot, Field::Request)
    }

    /// Whether the worker in `slot` pulls from the queue.
    #[must_use]
    pub fn is_serving(&self, slot: usize) -> bool {
        /// `SERVING` of docs/worker-protocol.md.
        const SERVING: u64 = 2;
        self.load(slot, Field::State) == SERVING
    }

    /// A slot's words, each read once. `request` is read first: workers write it last.
    #[must_use]
    pub fn view(&self, slot: usize) -> SlotView {
        let request = self.load(slot, Field::Request);
        SlotView {
            request,
            started: self.load(slot, Field::Started),
            pid: self.load(slot, Field::Pid),
            done: self.load(slot, Field::Done),
            thread: self.load(slot, Field::Thread),
        }
    }

    /// The process id that the worker in `slot` has here; `None` for nobody, or one that is not known.
    #[must_use]
    pub fn pid(&self, slot: usize) -> Option<u64> {
        let pid = match &self.outside {
            None => self.load(slot, Field::Pid),
            Some(outside) => u64::try_from(outside.get(slot)?.load(Acquire)).unwrap_or(0),
        };
        (pid != 0).then_some(pid)
    }

    /// Whether the numbers of processes and threads in it are those of another namespace.
    pub(crate) fn is_contained(&self) -> bool {
        self.outside.is_some()
    }

    pub(crate) fn set_outside(&self, slot: usize, pid: i32) {
        if let Some(word) = self.outside.as_ref().and_then(|words| words.get(slot)) {
            word.store(pid, Release);
        }
    }

    /// The slot that has claimed `id`.
    #[must_use]
    pub fn find(&self, id: u64) -> Option<usize> {
        (0..self.slots).find(|&slot| self.request(slot) == id)
    }

    /// Asks the worker in `slot` to stop iterating its answer to `id`.
    pub fn cancel(&self, slot: usize, id: u64) {
        self.store(slot, Field::Cancel, id);
    }

    /// Makes known how the last worker in `slot` ended.
    pub(crate) fn tell_end(&self, slot: usize, end: End) {
        self.store(slot, Field::End, end.pack());
    }

    /// How the last worker in `slot` ended; of an earlier one, as long as the owner does not know.
    pub(crate) fn end(&self, slot: usize) -> End {
        End::unpack(self.load(slot, Field::End))
    }

    /// Makes a slot free after its worker died.
    pub fn clear(&self, slot: usize) {
        self.set_outside(slot, 0);
        for field in [
            Field::Request,
            Field::Started,
            Field::State,
            Field::Pid,
            Field::Done,
        ] {
            self.store(slot, field, 0);
        }
    }

    fn load(&self, slot: usize, field: Field) -> u64 {
        self.memory
            .words()
            .get(index(slot, field))
            .map_or(0, |word| word.load(Acquire))
    }

    fn store(&self, slot: usize, field: Field, value: u64) {
        if let Some(word) = self.memory.words().get(index(slot, field)) {
            word.store(value, Release);
        }
    }
}

fn index(slot: usize, field: Field) -> usize {
    (HEADER_LEN + slot * SLOT_LEN) / 8 + field as usize
}

/// `CLOCK_MONOTONIC` in nanoseconds, the clock of the protocol.
#[must_use]
pub fn monotonic_now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(now.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap_or(0)
}
