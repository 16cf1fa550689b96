//! What bodies may take while they wait for a slow peer: memory for one of them and for all, and
//! files for all. Requests and answers share one account, for they share the machine.
//!
//! Memory that cannot be had means a file earlier; a file that cannot be had means, for a request,
//! 503 or 507, and for an answer that its app waits for the client.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

/// How much may be kept, in bytes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct BufferBounds {
    /// Of one answer in memory; more goes to a file.
    pub per_connection: u64,
    /// Of all bodies in memory.
    pub memory: u64,
    /// Of all bodies in files.
    pub spooled: u64,
}

/// What is kept now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BufferUsage {
    /// Bytes.
    pub memory: u64,
    /// Bytes.
    pub spooled: u64,
    /// Bodies that went to a file since the start.
    pub spills: u64,
}

/// The account. One for the whole program.
#[derive(Debug)]
pub struct Buffers {
    folder: PathBuf,
    bounds: BufferBounds,
    memory: AtomicU64,
    spooled: AtomicU64,
    spills: AtomicU64,
}

/// Why a body cannot be kept in a file.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    #[error("all bodies in files together have reached {bound} bytes")]
    Full { bound: u64 },
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl Buffers {
    /// Files go to `folder`, which should be on a disk and not in memory.
    #[must_use]
    pub fn new(folder: PathBuf, bounds: BufferBounds) -> Arc<Self> {
        Arc::new(Self {
            folder,
            bounds,
            memory: AtomicU64::new(0),
            spooled: AtomicU64::new(0),
            spills: AtomicU64::new(0),
        })
    }

    #[must_use]
    pub fn bounds(&self) -> &BufferBounds {
        &self.bounds
    }

    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    #[must_use]
    pub fn usage(&self) -> BufferUsage {
        BufferUsage {
            memory: self.memory.load(Relaxed),
            spooled: self.spooled.load(Relaxed),
            spills: self.spills.load(Relaxed),
        }
    }

    /// A share of the memory, of nothing yet.
    #[must_use]
    pub fn memory(self: &Arc<Self>) -> MemoryShare {
        MemoryShare {
            buffers: Arc::clone(self),
            bytes: 0,
        }
    }

    /// An empty file without a name: it is gone with its last descriptor.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn spool(self: &Arc<Self>) -> io::Result<SpoolFile> {
        let file = tempfile::tempfile_in(&self.folder)?;
        self.spills.fetch_add(1, Relaxed);
        Ok(SpoolFile {
            file,
            len: 0,
            buffers: Arc::clone(self),
        })
    }
}

/// Adds `more` unless that would exceed `bound`.
fn grow(account: &AtomicU64, more: u64, bound: u64) -> bool {
    let grown = |now: u64| now.checked_add(more).filter(|sum| *sum <= bound);
    account.fetch_update(Relaxed, Relaxed, grown).is_ok()
}

/// The memory that one body is counted with. Given back when dropped.
#[derive(Debug)]
pub struct MemoryShare {
    buffers: Arc<Buffers>,
    bytes: u64,
}

impl MemoryShare {
    /// Becomes `bytes`; `false`, and unchanged, when there is no room for that.
    pub fn cover(&mut self, bytes: u64) -> bool {
        if bytes <= self.bytes {
            self.buffers.memory.fetch_sub(self.bytes - bytes, Relaxed);
        } else if !grow(
            &self.buffers.memory,
            bytes - self.bytes,
            self.buffers.bounds.memory,
        ) {
            return false;
        }
        self.bytes = bytes;
        true
    }

    /// Becomes `bytes`, room or not: they are there already.
    pub fn admit(&mut self, bytes: u64) {
        if !self.cover(bytes) {
            self.buffers.memory.fetch_add(bytes - self.bytes, Relaxed);
            self.bytes = bytes;
        }
    }

    #[must_use]
    pub fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }
}

impl Drop for MemoryShare {
    fn drop(&mut self) {
        self.buffers.memory.fetch_sub(self.bytes, Relaxed);
    }
}

/// A file for one body, and its part of the account.
#[derive(Debug)]
pub struct SpoolFile {
    file: File,
    len: u64,
    buffers: Arc<Buffers>,
}

impl SpoolFile {
    /// Writes behind what is there and returns where. Blocks for a copy into the page cache, seldom
    /// for more.
    ///
    /// # Errors
    /// When all files together are too large, or the disk is full; what was there stays readable.
    pub fn append(&mut self, bytes: &[u8]) -> Result<u64, SpoolError> {
        let bound = self.buffers.bounds.spooled;
        let more = bytes.len() as u64;
        if !grow(&self.buffers.spooled, more, bound) {
            return Err(SpoolError::Full { bound });
        }
        if let Err(error) = self.file.write_all_at(bytes, self.len) {
            self.buffers.spooled.fetch_sub(more, Relaxed);
            return Err(error.into());
        }
        let at = self.len;
        self.len += more;
        Ok(at)
    }

    /// Gives the disk back and starts anew.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn empty(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.buffers.spooled.fetch_sub(self.len, Relaxed);
        self.len = 0;
        Ok(())
    }

    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Bytes.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        self.buffers.spooled.fetch_sub(self.len, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffers(memory: u64, spooled: u64) -> Arc<Buffers> {
        let bounds = BufferBounds {
            per_connection: 100,
            memory,
            spooled,
        };
        Buffers::new(std::env::temp_dir(), bounds)
    }

    #[test]
    fn memory_is_counted_to_its_bound_and_given_back() {
        let buffers = buffers(10, 0);
        let (mut one, mut other) = (buffers.memory(), buffers.memory());
        assert!(one.cover(6));
        assert!(!other.cover(5));
        assert!(other.cover(4));
        other.admit(7);
        assert_eq!(buffers.usage().memory, 13);
        assert!(!one.cover(7));
        assert!(one.cover(2));
        drop(other);
        assert_eq!(buffers.usage().memory, 2);
        drop(one);
        assert_eq!(buffers.usage(), BufferUsage::default());
    }

    #[test]
    fn files_are_counted_to_their_bound_and_given_back() {
        let buffers = buffers(0, 10);
        let mut file = buffers.spool().unwrap();
        assert_eq!(file.append(b"123456").unwrap(), 0);
        assert_eq!(file.append(b"789").unwrap(), 6);
        assert!(matches!(
            file.append(b"ab"),
            Err(SpoolError::Full { bound: 10 })
        ));
        assert_eq!((file.len(), buffers.usage().spooled), (9, 9));
        file.empty().unwrap();
        assert_eq!(buffers.usage().spooled, 0);
        assert_eq!(file.append(b"ab").unwrap(), 0);
        drop(file);
        assert_eq!((buffers.usage().spooled, buffers.usage().spills), (0, 1));
    }
}
