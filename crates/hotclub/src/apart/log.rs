//! The access log of a front that may not write files: it writes lines into a pipe, and they are written here. Before
//! each it says whose it is.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use hotclub_front::AccessLog;

use crate::visits::Visits;

/// Bytes read at once: what a pipe holds.
const CHUNK: usize = 64 * 1024;

/// A pipe whose lines go to `log` until the front closes it, and the thread that sees to that.
pub(super) fn receive(
    log: &AccessLog,
    visits: &Arc<Visits>,
) -> io::Result<(OwnedFd, JoinHandle<()>)> {
    let (reader, writer) = io::pipe()?;
    let (log, visits) = (log.clone(), Arc::clone(visits));
    let scribe = std::thread::Builder::new()
        .name("front-log".to_owned())
        .spawn(move || pass_on(OwnedFd::from(reader).into(), &log, &visits))?;
    Ok((writer.into(), scribe))
}

/// Whole lines only, so that a log that is put aside ends with one.
fn pass_on(mut pipe: File, log: &AccessLog, visits: &Visits) {
    let mut pending = Vec::new();
    let mut chunk = vec![0; CHUNK];
    while let Ok(read @ 1..) = pipe.read(&mut chunk) {
        pending.extend_from_slice(&chunk[..read]);
        let whole = pending.iter().rposition(|byte| *byte == b'\n');
        if let Some(end) = whole {
            let rest = pending.split_off(end + 1);
            log.write(unlabelled(&std::mem::replace(&mut pending, rest), visits));
        }
        // A line is never so long: this is none.
        if pending.len() > 16 * CHUNK {
            pending.clear();
        }
    }
}

/// The lines as they are written, each noted among its site's.
fn unlabelled(labelled: &[u8], visits: &Visits) -> Vec<u8> {
    let mut lines = Vec::with_capacity(labelled.len());
    for line in labelled.split_inclusive(|byte| *byte == b'\n') {
        let mut parts = line.splitn(3, |byte| *byte == b'\t');
        let (Some(site), Some(millis), Some(line)) = (parts.next(), parts.next(), parts.next())
        else {
            // The front writes no such line.
            continue;
        };
        lines.extend_from_slice(line);
        let millis = std::str::from_utf8(millis)
            .ok()
            .and_then(|it| it.parse().ok());
        let texts = (std::str::from_utf8(site), std::str::from_utf8(line));
        if let (Some(millis), (Ok(site), Ok(line))) = (millis, texts)
            && !site.is_empty()
        {
            visits.add(site, millis, line.trim_end());
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_loses_its_label_and_is_noted_among_its_sites() {
        let visits = Visits::default();
        let lines = unlabelled(
            b"a\t0\tone\n\t0\tnobody's\nno label\nb\t1\ttwo\ttabs\n",
            &visits,
        );
        assert_eq!(lines, b"one\nnobody's\ntwo\ttabs\n");
        assert_eq!(
            visits.follow("a", 9).0,
            ["1970-01-01T00:00:00.000Z front one"]
        );
        assert!(visits.follow("", 9).0.is_empty());
    }
}
