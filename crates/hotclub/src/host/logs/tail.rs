//! The end of PostgreSQL's log, and what is written to it: whole lines, in the words of a site's log.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Of what there is at the beginning, in bytes.
const LAST: u64 = 256 << 10;
/// Read at once; what is more comes with the next look.
const PIECE: u64 = 1 << 20;

#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    read_to: u64,
    /// A line whose end was not there yet.
    begun: Vec<u8>,
    /// Of the line before: one that goes on has none of its own.
    time: String,
    /// Of the first look.
    most: usize,
}

impl Tail {
    /// At most `lines` come first. `None`: there is no such log.
    pub(super) fn open(path: PathBuf, lines: usize) -> Option<Self> {
        let length = std::fs::metadata(&path).ok()?.len();
        Some(Self {
            path,
            read_to: length.saturating_sub(LAST),
            begun: Vec::new(),
            time: String::new(),
            most: lines,
        })
    }

    /// What was written since the last look.
    pub(super) fn lines(&mut self) -> Vec<String> {
        // It is there again later.
        let Ok(read) = self.read() else {
            return Vec::new();
        };
        self.begun.extend(read);
        let Some(end) = self.begun.iter().rposition(|byte| *byte == b'\n') else {
            return Vec::new();
        };
        let rest = self.begun.split_off(end + 1);
        let whole = std::mem::replace(&mut self.begun, rest);
        let text = String::from_utf8_lossy(&whole);
        let mut lines: Vec<String> = text.lines().map(|line| self.said(line)).collect();
        lines.drain(..lines.len().saturating_sub(self.most));
        self.most = usize::MAX;
        lines
    }

    fn read(&mut self) -> std::io::Result<Vec<u8>> {
        let mut file = File::open(&self.path)?;
        // It was put aside, and begun anew.
        if file.metadata()?.len() < self.read_to {
            self.read_to = 0;
        }
        file.seek(SeekFrom::Start(self.read_to))?;
        let mut read = Vec::new();
        file.take(PIECE).read_to_end(&mut read)?;
        self.read_to += read.len() as u64;
        Ok(read)
    }

    /// `2026-11-28 09:57:21.123 UTC [7] …` becomes `2026-11-28T09:57:21.123Z postgres [7] …`.
    fn said(&mut self, line: &str) -> String {
        let mut words = line.splitn(4, ' ');
        let all = (words.next(), words.next(), words.next(), words.next());
        let rest = match all {
            (Some(day), Some(time), Some("UTC"), Some(rest)) if day.len() == 10 => {
                self.time = format!("{day}T{time}Z");
                rest
            }
            _ => line,
        };
        format!("{} postgres {rest}", self.time)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn lines_come_whole_with_their_times_and_from_a_log_that_was_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("postgresql.log");
        assert!(Tail::open(path.clone(), 9).is_none());
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .unwrap();
        let line = "2026-11-28 09:57:21.123 UTC [7] ";
        write!(file, "old\n{line}LOG:  ready\n\tgoes on\n{line}LOG:  ha").unwrap();
        let mut tail = Tail::open(path, 2).unwrap();
        let said = "2026-11-28T09:57:21.123Z postgres";
        let first = [
            format!("{said} [7] LOG:  ready"),
            format!("{said} \tgoes on"),
        ];
        assert_eq!(tail.lines(), first);
        writeln!(file, "lf").unwrap();
        assert_eq!(tail.lines(), [format!("{said} [7] LOG:  half")]);
        file.set_len(0).unwrap();
        writeln!(file, "{line}x").unwrap();
        assert_eq!(tail.lines(), [format!("{said} [7] x")]);
    }
}
