//! What is kept at hand between requests: small hot files in memory, others as open descriptors.
//!
//! A file comes to memory with its second request, so that a crawler walking through all uploads
//! does not drive out what pages need. What is kept is compared with the disk once it is older
//! than `recheck`; between those times a hit asks neither the disk nor, but for a shard's read lock,
//! another thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use quick_cache::Weighter;

use super::options::CacheOptions;
use super::resource::{Content, Resource};
use crate::bounded::{Bounded, bounded};

/// About what an entry takes beside its content: lists of fields, validators, the cache's own part.
const ENTRY_BYTES: u64 = 2048;
/// About how many bytes a file has: only sizes the cache's shards.
const USUAL_BYTES: u64 = 16 << 10;

/// A resource and when it was last compared with the disk.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) resource: Resource,
    checked: AtomicU64,
}

/// Milliseconds since the shelf was made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment(u64);

pub(super) struct Shelf {
    options: CacheOptions,
    started: Instant,
    memory: Bounded<Arc<Entry>, Bytes>,
    open: Bounded<Arc<Entry>, Descriptors>,
}

#[derive(Clone)]
struct Bytes;

impl Weighter<Box<[u8]>, Arc<Entry>> for Bytes {
    fn weight(&self, path: &Box<[u8]>, entry: &Arc<Entry>) -> u64 {
        weight(path, entry)
    }
}

#[derive(Clone)]
struct Descriptors;

impl Weighter<Box<[u8]>, Arc<Entry>> for Descriptors {
    fn weight(&self, _: &Box<[u8]>, entry: &Arc<Entry>) -> u64 {
        entry.resource.all().count() as u64
    }
}

impl Shelf {
    pub(super) fn new(options: CacheOptions) -> Self {
        let (bytes, open) = (options.max_total_bytes, options.max_open_files);
        // A shard refuses what is heavier than itself: few enough that each holds many files.
        let shards = bytes / options.max_file_bytes.saturating_mul(16).max(1);
        Self {
            options,
            started: Instant::now(),
            memory: bounded(bytes / USUAL_BYTES, bytes, shards.clamp(1, 16), Bytes),
            open: bounded(open, open, 4, Descriptors),
        }
    }

    /// The time on the shelf's clock.
    pub(super) fn now(&self) -> Moment {
        Moment(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// The entry for `path`, and whether it is young enough to be used unasked.
    pub(super) fn get(&self, path: &[u8]) -> Option<(Arc<Entry>, bool)> {
        if let Some(entry) = self.memory.get(path) {
            let fresh = self.is_fresh(&entry);
            return Some((entry, fresh));
        }
        let entry = self.open.get(path)?;
        let fresh = self.is_fresh(&entry);
        if fresh {
            return Some((self.promoted(path, entry), true));
        }
        Some((entry, false))
    }

    /// Notes that at `when` the disk still held what `entry` says; moves it to memory if it
    /// belongs there.
    pub(super) fn confirm(&self, path: &[u8], entry: Arc<Entry>, when: Moment) -> Arc<Entry> {
        entry.checked.store(when.0, Ordering::Relaxed);
        self.promoted(path, entry)
    }

    /// Keeps what was opened at `when`.
    pub(super) fn put(&self, path: &[u8], resource: Resource, when: Moment) -> Arc<Entry> {
        let entry = Arc::new(Entry {
            resource,
            checked: AtomicU64::new(when.0),
        });
        self.memory.remove(path);
        if self.options.max_open_files == 0 {
            return self.promoted(path, entry);
        }
        self.open.insert(path.into(), Arc::clone(&entry));
        entry
    }

    pub(super) fn remove(&self, path: &[u8]) {
        self.memory.remove(path);
        self.open.remove(path);
    }

    /// Gives all descriptors back that no response is using.
    pub(super) fn close_files(&self) {
        self.open.clear();
    }

    /// Bytes in memory, and descriptors kept open.
    #[cfg(test)]
    pub(super) fn weights(&self) -> (u64, u64) {
        (self.memory.weight(), self.open.weight())
    }

    fn promoted(&self, path: &[u8], entry: Arc<Entry>) -> Arc<Entry> {
        let room = self.memory.shard_capacity();
        if entry.is_in_memory() || weight(path, &entry) > room {
            return entry;
        }
        let Some(resource) = entry.resource.in_memory(self.options.max_file_bytes) else {
            return entry;
        };
        let checked = AtomicU64::new(entry.checked.load(Ordering::Relaxed));
        let entry = Arc::new(Entry { resource, checked });
        self.memory.insert(path.into(), Arc::clone(&entry));
        self.open.remove(path);
        entry
    }

    fn is_fresh(&self, entry: &Entry) -> bool {
        let age = self
            .now()
            .0
            .saturating_sub(entry.checked.load(Ordering::Relaxed));
        u128::from(age) < self.options.recheck.as_millis()
    }
}

impl Entry {
    pub(super) fn is_in_memory(&self) -> bool {
        self.resource
            .all()
            .all(|one| matches!(one.content, Content::Memory(_)))
    }
}

/// What an entry takes in memory, once its content is there.
fn weight(path: &[u8], entry: &Entry) -> u64 {
    let content: u64 = entry
        .resource
        .all()
        .map(|one| one.stamp.size + ENTRY_BYTES)
        .sum();
    content + path.len() as u64
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf")
            .field("memory", &self.memory.weight())
            .field("open", &self.open.weight())
            .finish_non_exhaustive()
    }
}
