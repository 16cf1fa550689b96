//! Gathers a request's body: in memory while it is small and memory is to be had, else in a file
//! that has no name.

use std::sync::Arc;

use bytes::Bytes;
use hotclub_app::{Buffers, MemoryShare, SpoolError, SpoolFile};

use crate::h1::ChunkError;
use crate::request::RequestBody;

/// Why a body is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: u64 },
    #[error(transparent)]
    Chunk(#[from] ChunkError),
    #[error("the body came too slowly")]
    Slow,
    #[error("the client left before its body was complete")]
    Left,
    #[error("the body cannot be kept in a file: {0}")]
    Spool(#[from] SpoolError),
}

/// A body that is still growing.
#[derive(Debug)]
pub(crate) struct Spool {
    most_in_memory: usize,
    memory: Vec<u8>,
    share: MemoryShare,
    file: Option<SpoolFile>,
    len: u64,
}

impl Spool {
    pub(crate) fn new(buffers: &Arc<Buffers>, most_in_memory: usize) -> Self {
        Self {
            most_in_memory,
            // Nothing before the first byte: who announces a body need not send it.
            memory: Vec::new(),
            share: buffers.memory(),
            file: None,
            len: 0,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Adds bytes. Blocks for a copy into the page cache, seldom for more.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<(), SpoolError> {
        self.len += bytes.len() as u64;
        if let Some(file) = &mut self.file {
            return file.append(bytes).map(drop);
        }
        let held = self.memory.len() + bytes.len();
        if held <= self.most_in_memory && self.share.cover(held as u64) {
            self.memory.extend_from_slice(bytes);
            return Ok(());
        }
        let mut file = self.share.buffers().spool()?;
        file.append(&self.memory)?;
        file.append(bytes)?;
        self.memory = Vec::new();
        self.share.cover(0);
        self.file = Some(file);
        Ok(())
    }

    pub(crate) fn finish(self) -> RequestBody {
        match self.file {
            Some(file) => RequestBody::File(file),
            None => RequestBody::Memory {
                bytes: Bytes::from(self.memory),
                _share: Some(self.share),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _};

    use super::*;

    fn buffers(folder: &std::path::Path, memory: u64) -> Arc<Buffers> {
        let bounds = hotclub_app::BufferBounds {
            per_connection: 0,
            memory,
            spooled: 1000,
        };
        Buffers::new(folder.to_owned(), bounds)
    }

    fn text_of(file: &SpoolFile) -> String {
        let mut text = String::new();
        let mut file = file.file();
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn a_small_body_stays_in_memory_and_a_large_one_goes_to_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let buffers = buffers(folder.path(), 1000);
        let mut spool = Spool::new(&buffers, 10);
        spool.push(b"0123456789").unwrap();
        assert_eq!(buffers.usage().memory, 10);
        assert!(
            matches!(spool.finish(), RequestBody::Memory { bytes: b, .. } if b == "0123456789")
        );

        let mut spool = Spool::new(&buffers, 10);
        for byte in b"0123456789a" {
            spool.push(&[*byte]).unwrap();
        }
        assert_eq!((buffers.usage().memory, buffers.usage().spooled), (0, 11));
        let RequestBody::File(file) = spool.finish() else {
            panic!("not in a file");
        };
        assert_eq!((text_of(&file).as_str(), file.len()), ("0123456789a", 11));
        assert_eq!(folder.path().read_dir().unwrap().count(), 0);
        drop(file);
        assert_eq!(buffers.usage().spooled, 0);
    }

    #[test]
    fn a_body_goes_to_a_file_earlier_when_the_others_have_the_memory() {
        let folder = tempfile::tempdir().unwrap();
        let buffers = buffers(folder.path(), 12);
        let mut one = Spool::new(&buffers, 10);
        one.push(b"0123456789").unwrap();
        let mut other = Spool::new(&buffers, 10);
        other.push(b"ab").unwrap();
        other.push(b"cd").unwrap();
        let RequestBody::File(file) = other.finish() else {
            panic!("not in a file");
        };
        assert_eq!(text_of(&file), "abcd");
        assert_eq!(buffers.usage().memory, 10);
    }

    #[test]
    fn files_that_are_too_large_together_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let buffers = buffers(folder.path(), 0);
        let mut spool = Spool::new(&buffers, 10);
        spool.push(&[0; 600]).unwrap();
        assert!(matches!(
            spool.push(&[0; 600]),
            Err(SpoolError::Full { bound: 1000 })
        ));
    }
}
