//! The server's log: a file that we open and PostgreSQL writes to. A file and not a pipe, because a pipe
//! that nobody empties would stop the database, and after a kill of ours nobody would.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::command::last_lines;
use crate::error::Error;

/// Beyond this a log is put aside, once: twice this is the most that logs may take.
const LONGEST: u64 = 10 << 20;

/// How much of the end is read to quote from.
const TAIL: u64 = 16 << 10;

/// The log of the cluster in a folder.
pub(super) fn file(dir: &Path) -> PathBuf {
    dir.join("log").join("postgresql.log")
}

/// Opens the log to append, with its present length: where this run begins.
pub(super) fn open(path: &Path) -> Result<(File, u64), Error> {
    shorten(path).map_err(Error::io("rotate", path))?;
    let file = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path);
    let file = file.map_err(Error::io("open", path))?;
    let length = file.metadata().map_err(Error::io("read", path))?.len();
    Ok((file, length))
}

/// Puts a long log aside and empties it in place. The server writes by appending, so it goes on at the
/// beginning; a line written between copy and cut is lost, which a log can bear.
pub(super) fn shorten(path: &Path) -> io::Result<()> {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.len() > LONGEST => {
            std::fs::copy(path, path.with_extension("log.1"))?;
            OpenOptions::new().write(true).open(path)?.set_len(0)
        }
        _ => Ok(()),
    }
}

/// The last lines written since `from`.
pub(super) fn tail(path: &Path, from: u64) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(
            from.max(length.saturating_sub(TAIL)).min(length),
        ))?;
        let mut bytes = Vec::new();
        file.take(TAIL).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    last_lines(&read().unwrap_or_default(), 8)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_long_log_is_put_aside_while_it_is_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("postgresql.log");
        let (mut file, from) = open(&path).unwrap();
        assert_eq!(from, 0);
        file.write_all(&vec![b'x'; LONGEST as usize + 1]).unwrap();
        shorten(&path).unwrap();
        file.write_all(b"after\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "after\n");
        assert!(
            std::fs::metadata(path.with_extension("log.1"))
                .unwrap()
                .len()
                > LONGEST
        );
        assert_eq!(tail(&path, 0), "after");
        assert_eq!(tail(&path, 6), "");
    }
}
