//! The access log of a front that may not write files: it writes lines into a pipe, and they are written here.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;

use hotclub_front::AccessLog;

/// Bytes read at once: what a pipe holds.
const CHUNK: usize = 64 * 1024;

/// A pipe whose lines go to `log` until the front closes it, and the thread that sees to that.
pub(super) fn receive(log: &AccessLog) -> io::Result<(OwnedFd, JoinHandle<()>)> {
    let (reader, writer) = io::pipe()?;
    let log = log.clone();
    let scribe = std::thread::Builder::new()
        .name("front-log".to_owned())
        .spawn(move || pass_on(OwnedFd::from(reader).into(), &log))?;
    Ok((writer.into(), scribe))
}

/// Whole lines only, so that a log that is put aside ends with one.
fn pass_on(mut pipe: File, log: &AccessLog) {
    let mut pending = Vec::new();
    let mut chunk = vec![0; CHUNK];
    while let Ok(read @ 1..) = pipe.read(&mut chunk) {
        pending.extend_from_slice(&chunk[..read]);
        let whole = pending.iter().rposition(|byte| *byte == b'\n');
        if let Some(end) = whole {
            let rest = pending.split_off(end + 1);
            log.write(std::mem::replace(&mut pending, rest));
        }
        // A line is never so long: this is none.
        if pending.len() > 16 * CHUNK {
            pending.clear();
        }
    }
}
