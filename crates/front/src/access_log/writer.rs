//! The thread that writes the log, so that a full disk or a stopped pipe never holds a request.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};

/// Batches that may wait for the writer; each is some hundred lines.
const WAITING: usize = 64;

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Format {
    #[default]
    Combined,
    Json,
}

/// Where lines go.
#[derive(Debug)]
pub enum Sink {
    Stdout,
    /// To somebody who writes them.
    Pipe(File),
    /// Appended to; made if it is not there.
    File(PathBuf),
    /// The same, and put aside when it has grown: `a.log`, `a.log.1`, `a.log.2` …
    Rotated(PathBuf, Rotation),
}

/// When a file is put aside, and how many of them are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes. A batch of lines is never split, so that a file may be some 32 KiB longer.
    pub size: u64,
    /// Files beside the one that is written, at least 1.
    pub keep: u32,
}

enum Batch {
    Lines(Vec<u8>, u64),
    Reopen,
    Finish,
}

/// A log that is being written. Clones write to the same.
#[derive(Clone, Debug)]
pub struct AccessLog {
    format: Format,
    /// Each line begins with its site and its time.
    labelled: bool,
    batches: SyncSender<Batch>,
    dropped: Arc<AtomicU64>,
    writer: Arc<Mutex<Option<JoinHandle<()>>>>,
}

impl AccessLog {
    /// Opens the log and starts its writer.
    ///
    /// # Errors
    /// When the file cannot be opened or the thread not be started.
    pub fn open(sink: Sink, format: Format) -> io::Result<Self> {
        let output = Output::open(sink, append_to)?;
        Self::start(format, move || Ok(output))
    }

    /// The same for a file that somebody named who may have fewer rights than we: `enter` gives the rights of others
    /// up for the one thread that opens and writes it. What is no ordinary file is refused.
    ///
    /// # Errors
    /// When `enter` fails, the file cannot be opened or the thread not be started.
    pub fn open_for(
        sink: Sink,
        format: Format,
        enter: impl FnOnce() -> io::Result<()> + Send + 'static,
    ) -> io::Result<Self> {
        let (tell, told) = sync_channel(1);
        let log = Self::start(format, move || {
            let output = enter().and_then(|()| Output::open(sink, append_to_file));
            let (output, outcome) = match output {
                Ok(output) => (Ok(output), Ok(())),
                Err(error) => (Err(()), Err(error)),
            };
            // Whoever asked waits below.
            let _ = tell.send(outcome);
            output
        })?;
        let outcome = told.recv().map_err(io::Error::other)?;
        outcome.map(|()| log)
    }

    fn start(
        format: Format,
        output: impl FnOnce() -> Result<Output, ()> + Send + 'static,
    ) -> io::Result<Self> {
        let (batches, receiver) = sync_channel(WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&dropped);
        let writer = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || {
                if let Ok(output) = output() {
                    write(output, &receiver, &count);
                }
            })?;
        Ok(Self {
            format,
            labelled: false,
            batches,
            dropped,
            writer: Arc::new(Mutex::new(Some(writer))),
        })
    }

    /// Has each line begin with its site and the milliseconds since 1970, a tab behind each.
    #[must_use]
    pub fn labelled(self) -> Self {
        Self {
            labelled: true,
            ..self
        }
    }

    pub(crate) fn is_labelled(&self) -> bool {
        self.labelled
    }

    /// Lines that could not be written, since the start.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Opens the file anew, after it was moved away.
    pub fn reopen(&self) {
        // A writer that is so far behind opens at its next chance.
        let _ = self.batches.try_send(Batch::Reopen);
    }

    /// Writes what is waiting and ends the writer.
    pub fn finish(&self) {
        let writer = self
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            // Fails when the writer is gone, and so does the join then: nothing is left to write.
            let _ = self.batches.send(Batch::Finish);
            let _ = writer.join();
        }
    }

    /// Writes whole lines that were made elsewhere.
    pub fn write(&self, text: Vec<u8>) {
        let lines = memchr::memchr_iter(b'\n', &text).count();
        self.send(text, u64::try_from(lines).unwrap_or(u64::MAX));
    }

    /// How a line looks.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    pub(crate) fn send(&self, text: Vec<u8>, lines: u64) {
        if self.batches.try_send(Batch::Lines(text, lines)).is_err() {
            self.dropped.fetch_add(lines, Ordering::Relaxed);
        }
    }
}

enum Output {
    Stdout(io::Stdout),
    Pipe(File),
    File(LogFile),
}

struct LogFile {
    file: File,
    path: PathBuf,
    rotation: Option<Rotation>,
    /// Bytes in the file.
    size: u64,
    append_to: Opener,
}

type Opener = fn(&Path) -> io::Result<File>;

impl LogFile {
    fn open(path: PathBuf, rotation: Option<Rotation>, append_to: Opener) -> io::Result<Self> {
        let file = append_to(&path)?;
        let size = file.metadata()?.len();
        Ok(Self {
            file,
            path,
            rotation,
            size,
            append_to,
        })
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        if let Some(rotation) = self.rotation
            && self.size > 0
            && self.size + text.len() as u64 > rotation.size
        {
            self.rotate(rotation);
        }
        self.file.write_all(text)?;
        self.size += text.len() as u64;
        Ok(())
    }

    /// What cannot be put aside is written on.
    fn rotate(&mut self, rotation: Rotation) {
        for number in (1..rotation.keep).rev() {
            // Most of them are not there at first.
            let _ = std::fs::rename(self.aside(number), self.aside(number + 1));
        }
        let moved = std::fs::rename(&self.path, self.aside(1));
        match moved.and_then(|()| (self.append_to)(&self.path)) {
            Ok(new) => self.file = new,
            Err(error) => {
                let path = self.path.display();
                tracing::error!(%error, %path, "the access log cannot be put aside");
            }
        }
        self.size = 0;
    }

    fn aside(&self, number: u32) -> PathBuf {
        let mut path = self.path.clone().into_os_string();
        path.push(format!(".{number}"));
        path.into()
    }

    fn reopen(&mut self) {
        match Self::open(self.path.clone(), self.rotation, self.append_to) {
            Ok(new) => *self = new,
            Err(error) => {
                let path = self.path.display();
                tracing::error!(%error, %path, "the access log cannot be opened");
            }
        }
    }
}

impl Output {
    fn open(sink: Sink, append_to: Opener) -> io::Result<Self> {
        Ok(match sink {
            Sink::Stdout => Self::Stdout(io::stdout()),
            Sink::Pipe(pipe) => Self::Pipe(pipe),
            Sink::File(path) => Self::File(LogFile::open(path, None, append_to)?),
            Sink::Rotated(path, rotation) => {
                Self::File(LogFile::open(path, Some(rotation), append_to)?)
            }
        })
    }

    fn write(&mut self, text: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout(stdout) => {
                let mut stdout = stdout.lock();
                stdout.write_all(text)?;
                stdout.flush()
            }
            Self::Pipe(pipe) => pipe.write_all(text),
            Self::File(file) => file.write(text),
        }
    }

    fn reopen(&mut self) {
        if let Self::File(file) = self {
            file.reopen();
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

/// A FIFO that nobody reads would hold us, a device do what we do not know.
fn append_to_file(path: &Path) -> io::Result<File> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .custom_flags(flags)
        .open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "this is no ordinary file",
        )),
    }
}

fn write(mut output: Output, batches: &Receiver<Batch>, dropped: &AtomicU64) {
    let mut failed = false;
    while let Ok(batch) = batches.recv() {
        match batch {
            Batch::Lines(text, lines) => {
                let outcome = output.write(&text);
                if outcome.is_err() {
                    dropped.fetch_add(lines, Ordering::Relaxed);
                }
                // Said once, not once a batch.
                if let (Err(error), false) = (&outcome, failed) {
                    tracing::error!(%error, "the access log cannot be written");
                }
                failed = outcome.is_err();
            }
            Batch::Reopen => output.reopen(),
            Batch::Finish => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_has_grown_is_put_aside_and_the_oldest_goes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        std::fs::write(&path, "before\n").unwrap();
        let rotation = Rotation { size: 10, keep: 2 };
        let log = AccessLog::open(Sink::Rotated(path, rotation), Format::Combined).unwrap();
        for line in ["one\n", "two\n", "three\n", "a very long line\n", "four\n"] {
            log.send(line.into(), 1);
        }
        log.finish();
        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).ok();
        assert_eq!(read("a.log").as_deref(), Some("four\n"));
        assert_eq!(read("a.log.1").as_deref(), Some("a very long line\n"));
        assert_eq!(read("a.log.2").as_deref(), Some("three\n"));
        assert_eq!(read("a.log.3"), None);
        assert_eq!(log.dropped(), 0);
    }

    #[test]
    fn what_somebody_else_names_is_opened_by_a_thread_of_its_own_and_is_an_ordinary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        let log = AccessLog::open_for(Sink::File(path.clone()), Format::Combined, || {
            assert_eq!(std::thread::current().name(), Some("access-log"));
            Ok(())
        });
        let log = log.unwrap();
        log.send(b"one\n".to_vec(), 1);
        log.finish();
        assert_eq!(std::fs::read(&path).unwrap(), b"one\n");
        for (path, wanted) in [
            (PathBuf::from("/dev/null"), "no ordinary file"),
            (folder.path().to_owned(), "irectory"),
            (folder.path().join("none/a.log"), "No such file"),
        ] {
            let sink = Sink::File(path);
            let error = AccessLog::open_for(sink, Format::Json, || Ok(())).unwrap_err();
            assert!(error.to_string().contains(wanted), "{error}");
        }
        let refused = || Err(io::Error::other("not him"));
        let error = AccessLog::open_for(Sink::File(path), Format::Json, refused).unwrap_err();
        assert_eq!(error.to_string(), "not him");
    }

    #[test]
    fn a_log_that_was_moved_away_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("a.log"), folder.path().join("b.log"));
        let log = AccessLog::open(Sink::File(path.clone()), Format::Combined).unwrap();
        log.send(b"one\n".to_vec(), 1);
        log.batches.send(Batch::Lines(Vec::new(), 0)).unwrap();
        while std::fs::read(&path).unwrap().is_empty() {
            std::thread::yield_now();
        }
        std::fs::rename(&path, &moved).unwrap();
        log.reopen();
        log.send(b"two\n".to_vec(), 1);
        log.finish();
        assert_eq!(std::fs::read(&moved).unwrap(), b"one\n");
        assert_eq!(std::fs::read(&path).unwrap(), b"two\n");
        assert_eq!(log.dropped(), 0);
        log.send(b"late\n".to_vec(), 3);
        assert_eq!(log.dropped(), 3);
    }
}
