//! A FIFO on which an app waits until the test opens it: "in flight" without a sleep.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, mknodat};

/// Closed until [`Gate::open`].
#[derive(Debug)]
pub struct Gate {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Gate {
    #[expect(clippy::new_without_default, reason = "makes a file")]
    pub fn new() -> Self {
        let folder = crate::folder();
        let path = folder.path().join("gate");
        let everybody = Mode::from_raw_mode(0o666);
        mknodat(CWD, &path, FileType::Fifo, everybody, 0).expect("a FIFO can be made");
        Self {
            path,
            _folder: folder,
        }
    }

    /// What the app opens for reading.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Waits until an app has come to the gate, and lets it through.
    pub fn open(&self) {
        // Opening for writing blocks until somebody has it open for reading.
        drop(
            OpenOptions::new()
                .write(true)
                .open(&self.path)
                .expect("the gate can be opened"),
        );
    }

    /// Waits until an app has come to the gate; it passes when the answer is dropped.
    pub fn wait(&self) -> std::fs::File {
        OpenOptions::new()
            .write(true)
            .open(&self.path)
            .expect("the gate can be opened")
    }
}
