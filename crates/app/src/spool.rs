//! The file that takes what an app makes faster than its client reads.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::buffers::{Buffers, SpoolError, SpoolFile};

/// Bytes one answer may spool; beyond it the app waits for its client.
const SPOOL_MAX: u64 = 1 << 30;

/// Made on first use.
#[derive(Debug, Default)]
pub(crate) struct Spool {
    file: Option<(SpoolFile, Arc<OwnedFd>)>,
    full: bool,
}

impl Spool {
    /// Whether another part may still be written.
    pub(crate) fn has_room(&self) -> bool {
        !self.full && self.written() < SPOOL_MAX
    }

    fn written(&self) -> u64 {
        self.file.as_ref().map_or(0, |(file, _)| file.len())
    }

    /// Whether `file` is the spool, and no file of the app's.
    pub(crate) fn is(&self, file: &Arc<OwnedFd>) -> bool {
        let own = self.file.as_ref();
        own.is_some_and(|(_, shared)| Arc::ptr_eq(shared, file))
    }

    /// Gives the disk back once the client has read all that was spooled. Nobody else may hold it then.
    pub(crate) fn recycle(&mut self) {
        let Some((file, shared)) = &mut self.file else {
            self.full = false;
            return;
        };
        if Arc::strong_count(shared) == 1 && (self.full || !file.is_empty()) {
            self.full = file.empty().is_err();
        }
    }

    /// Writes `body` behind what is there; `None` when a limit or the disk is full.
    pub(crate) fn append(
        &mut self,
        buffers: &Arc<Buffers>,
        body: &[u8],
    ) -> Option<(Arc<OwnedFd>, u64)> {
        if !self.has_room() {
            return None;
        }
        let appended = self.try_append(buffers, body);
        if let Err(error) = &appended {
            tracing::warn!(
                folder = %buffers.folder().display(),
                "an answer cannot be spooled to disk, its app waits for the client: {error}\n\
                 hint: free space there"
            );
            self.full = true;
        }
        appended.ok()
    }

    fn try_append(
        &mut self,
        buffers: &Arc<Buffers>,
        body: &[u8],
    ) -> Result<(Arc<OwnedFd>, u64), SpoolError> {
        let (file, shared) = match &mut self.file {
            Some(pair) => pair,
            None => {
                let file = buffers.spool()?;
                let shared = Arc::new(OwnedFd::from(file.file().try_clone()?));
                self.file.insert((file, shared))
            }
        };
        let offset = file.append(body)?;
        Ok((Arc::clone(shared), offset))
    }
}
