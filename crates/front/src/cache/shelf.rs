//! Where answers are kept: bounded by bytes, in memory and in files.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use quick_cache::Weighter;

use super::stored::{Kept, Stored};
use crate::bounded::{Bounded, bounded};

/// A key, a slot and its place among the others.
const SLOT: u64 = 160;
/// About how large a page is with what is known of it: only sizes the shelf.
const USUAL: u64 = 16 * 1024;

/// What lies at a key.
#[derive(Clone, Debug)]
pub(super) enum Slot {
    Stored(Arc<Stored>),
    /// Several answers, told apart by what requests say of these names.
    Varied(Arc<Varied>),
    /// None is kept here: nobody waits for another's before this moment.
    NotKept {
        until: Instant,
    },
}

#[derive(Debug)]
pub(super) struct Varied {
    /// Part of the keys of its variants, so that they are lost with it.
    pub(super) id: u64,
    pub(super) names: Vec<Box<[u8]>>,
}

#[derive(Clone)]
struct InMemory;

impl Weighter<Box<[u8]>, Slot> for InMemory {
    fn weight(&self, key: &Box<[u8]>, slot: &Slot) -> u64 {
        let held = match slot {
            Slot::Stored(stored) => stored.memory(),
            Slot::Varied(varied) => varied.names.iter().map(|name| name.len() as u64 + 16).sum(),
            Slot::NotKept { .. } => 0,
        };
        SLOT + key.len() as u64 + held
    }
}

#[derive(Clone)]
struct InFiles;

impl Weighter<Box<[u8]>, Slot> for InFiles {
    fn weight(&self, _: &Box<[u8]>, slot: &Slot) -> u64 {
        match slot {
            Slot::Stored(stored) => stored.body.len(),
            Slot::Varied(_) | Slot::NotKept { .. } => 0,
        }
    }
}

pub(super) struct Shelf {
    memory: Bounded<Slot, InMemory>,
    files: Bounded<Slot, InFiles>,
    ids: AtomicU64,
}

impl Shelf {
    pub(super) fn new(memory: u64, files: u64, longest: u64) -> Self {
        // A shard refuses what is heavier than itself.
        let shards =
            |bytes: u64, longest: u64| (bytes / longest.saturating_mul(4).max(1)).clamp(1, 16);
        let items = |number: u64| number.clamp(16, 1 << 20);
        Self {
            memory: bounded(
                items(memory / USUAL),
                memory,
                shards(memory, 2 * super::fill::IN_MEMORY),
                InMemory,
            ),
            files: bounded(
                items(files / longest.max(1)),
                files.max(1),
                shards(files, longest),
                InFiles,
            ),
            ids: AtomicU64::new(1),
        }
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<Slot> {
        self.memory.get(key).or_else(|| self.files.get(key))
    }

    pub(super) fn put(&self, key: &[u8], stored: Arc<Stored>) {
        let is_file = matches!(stored.body, Kept::File { .. });
        let slot = Slot::Stored(stored);
        if is_file {
            self.memory.remove(key);
            self.files.insert(key.into(), slot);
        } else {
            self.files.remove(key);
            self.memory.insert(key.into(), slot);
        }
    }

    /// The record of what answers at `key` vary by; a new one where others were known.
    pub(super) fn vary(&self, key: &[u8], names: Vec<Box<[u8]>>) -> Arc<Varied> {
        if let Some(Slot::Varied(known)) = self.memory.get(key)
            && known.names == names
        {
            return known;
        }
        let id = self.ids.fetch_add(1, Relaxed);
        let varied = Arc::new(Varied { id, names });
        self.files.remove(key);
        self.memory
            .insert(key.into(), Slot::Varied(Arc::clone(&varied)));
        varied
    }

    /// What is asked for here is not kept.
    pub(super) fn skip(&self, key: &[u8], time: Duration) {
        let until = Instant::now() + time;
        self.files.remove(key);
        self.memory.insert(key.into(), Slot::NotKept { until });
    }

    pub(super) fn remove(&self, key: &[u8]) -> bool {
        let memory = self.memory.remove(key).is_some();
        self.files.remove(key).is_some() || memory
    }

    /// Removes the answers of which this is true; returns how many there were.
    pub(super) fn purge(&self, is_meant: impl Fn(&Stored) -> bool) -> u64 {
        let gone = AtomicU64::new(0);
        let stays = |_: &_, slot: &Slot| {
            let goes = matches!(slot, Slot::Stored(stored) if is_meant(stored));
            gone.fetch_add(u64::from(goes), Relaxed);
            !goes
        };
        self.memory.retain(stays);
        self.files.retain(stays);
        gone.into_inner()
    }

    pub(super) fn clear(&self) {
        self.memory.clear();
        self.files.clear();
    }

    /// Answers, bytes in memory and bytes in files.
    pub(super) fn usage(&self) -> (u64, u64, u64) {
        let is_stored = |slot: &Slot| matches!(slot, Slot::Stored(_));
        let memory = self
            .memory
            .iter()
            .filter(|(_, slot)| is_stored(slot))
            .count();
        let files = self.files.len();
        (
            (memory + files) as u64,
            self.memory.weight(),
            self.files.weight(),
        )
    }
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf")
            .field("memory", &self.memory.weight())
            .field("files", &self.files.weight())
            .finish_non_exhaustive()
    }
}
