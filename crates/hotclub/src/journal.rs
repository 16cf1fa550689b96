//! A site's log under `host`: what its app and its processes print, and what the host does to it, in one file, a line
//! each with its time and who said it. `hotclub logs` shows it.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::pipe::{PipeFlags, pipe_with};
use time::OffsetDateTime;
use tokio::io::AsyncBufReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::broadcast;

/// A file this long is put aside; the one that was put aside before goes.
const LONGEST: u64 = 16 << 20;
/// Lines that wait for somebody who follows; who is slower misses some.
const WAITING: usize = 1024;

/// One site's log.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    open: Mutex<Open>,
    told: broadcast::Sender<String>,
}

#[derive(Debug, Default)]
struct Open {
    file: Option<File>,
    length: u64,
}

impl Journal {
    /// The file is made with its first line.
    pub(crate) fn new(path: &Path) -> Arc<Self> {
        Arc::new(Self {
            path: path.to_owned(),
            open: Mutex::default(),
            told: broadcast::Sender::new(WAITING),
        })
    }

    /// What is written into the descriptor comes here, line by line, and to our own stderr as it is.
    pub(crate) fn take(self: &Arc<Self>, who: &str) -> io::Result<OwnedFd> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(&ours, true)?;
        let reader = Receiver::from_owned_fd(ours)?;
        let (journal, who) = (Arc::clone(self), who.to_owned());
        tokio::spawn(async move {
            let mut reader = tokio::io::BufReader::new(reader);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line).await, Ok(read) if read > 0) {
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end_matches(['\n', '\r']);
                // Nobody is left to tell.
                let _ = writeln!(io::stderr(), "{text}");
                journal.say(&who, text);
                line.clear();
            }
        });
        Ok(theirs)
    }

    /// Writes a text, each of its lines as one.
    pub(crate) fn say(&self, who: &str, text: &str) {
        let now = stamp(OffsetDateTime::now_utc());
        for line in text.lines() {
            let line = format!("{now} {who} {line}");
            let mut open = self.lock();
            if let Err(error) = open.write(&self.path, &line) {
                tracing::debug!(%error, path = %self.path.display(), "a line is lost");
            }
            // Nobody follows.
            let _ = self.told.send(line);
        }
    }

    /// The last lines, and those that come after them.
    pub(crate) fn follow(
        &self,
        lines: usize,
    ) -> io::Result<(Vec<String>, broadcast::Receiver<String>)> {
        // Nobody writes meanwhile: no line is missing between the two, and none comes twice.
        let _open = self.lock();
        Ok((last(&self.path, lines)?, self.told.subscribe()))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn write(&mut self, path: &Path, line: &str) -> io::Result<()> {
        if self.length > LONGEST {
            fs::rename(path, aside(path))?;
            *self = Self::default();
        }
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                fs::create_dir_all(path.parent().unwrap_or(Path::new(".")))?;
                let mut options = File::options();
                let file = options.append(true).create(true).mode(0o640).open(path)?;
                self.length = file.metadata()?.len();
                self.file.insert(file)
            }
        };
        self.length += line.len() as u64 + 1;
        file.write_all(format!("{line}\n").as_bytes())
    }
}

/// `2026-11-28T09:57:21.123Z`
pub(crate) fn stamp(now: OffsetDateTime) -> String {
    let (year, month, day) = (now.year(), u8::from(now.month()), now.day());
    let (hour, minute, second) = (now.hour(), now.minute(), now.second());
    let millisecond = now.millisecond();
    format!("{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z")
}

fn aside(path: &Path) -> PathBuf {
    path.with_extension("log.1")
}

/// The last lines of both files.
fn last(path: &Path, lines: usize) -> io::Result<Vec<String>> {
    let mut kept = VecDeque::with_capacity(lines.min(WAITING));
    for path in [aside(path), path.to_owned()] {
        let file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            file => file?,
        };
        for line in BufReader::new(file).split(b'\n') {
            if kept.len() == lines {
                kept.pop_front();
            }
            kept.push_back(String::from_utf8_lossy(&line?).into_owned());
        }
    }
    kept.truncate(lines);
    Ok(kept.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_across_a_file_that_was_put_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log/site.log");
        let journal = Journal::new(&path);
        journal.say("app", "one\ntwo");
        journal.lock().length = LONGEST + 1;
        journal.say("beat", "three");
        let (lines, mut coming) = journal.follow(2).unwrap();
        assert!(lines[0].ends_with(" app two") && lines[1].ends_with(" beat three"));
        journal.say("app", "four");
        assert!(coming.try_recv().unwrap().ends_with(" app four"));
    }
}
