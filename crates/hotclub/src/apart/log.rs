//! The access logs of a front that may not write files: it writes lines into pipes, and they are written here.
//! Before each it says whose it is.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;

use hotclub_front::AccessLog;

use crate::console::Failure;
use crate::own_log::OwnLog;
use crate::visits::Visits;

/// Bytes read at once: what a pipe holds.
const CHUNK: usize = 64 * 1024;

/// The logs that sites have for themselves.
#[derive(Debug, Default)]
pub(super) struct SiteLogs {
    open: Mutex<Vec<Weak<SiteLog>>>,
    /// Also of sites that are gone: what they wrote last may be on its way.
    scribes: Mutex<Vec<JoinHandle<()>>>,
    next: AtomicU64,
}

/// One of these, for as long as any state of its site is shown.
#[derive(Debug)]
pub(super) struct SiteLog {
    /// What the front knows it by.
    pub(super) number: u64,
    wanted: OwnLog,
    log: AccessLog,
    /// Fronts have copies of it.
    pipe: Mutex<Option<OwnedFd>>,
}

impl SiteLogs {
    /// The one that is open if it is still what is wanted: lines of two states of a site do not get in each other's way.
    pub(super) fn open(
        &self,
        wanted: &OwnLog,
        visits: &Arc<Visits>,
    ) -> Result<Arc<SiteLog>, Failure> {
        let mut known = self.all().into_iter();
        if let Some(known) = known.find(|log| log.wanted == *wanted) {
            return Ok(known);
        }
        // The list is not held meanwhile: a file may lie where opening takes long.
        let log = wanted.open()?;
        let (pipe, scribe) = receive(&log, visits, Then::Finish)?;
        let opened = Arc::new(SiteLog {
            number: self.next.fetch_add(1, Ordering::Relaxed),
            wanted: wanted.clone(),
            log,
            pipe: Mutex::new(Some(pipe)),
        });
        let mut scribes = self.scribes();
        scribes.retain(|scribe| !scribe.is_finished());
        scribes.push(scribe);
        drop(scribes);
        let mut open = self.lock();
        open.retain(|log| log.strong_count() > 0);
        open.push(Arc::downgrade(&opened));
        Ok(opened)
    }

    /// Opens all files anew, after they were moved away.
    pub(super) fn reopen(&self) {
        for log in self.all() {
            log.log.reopen();
        }
    }

    /// Returns when all that there is to write is written. Fronts are gone by then.
    pub(super) fn finish(&self) {
        for log in self.all() {
            drop(log.end().take());
        }
        for scribe in std::mem::take(&mut *self.scribes()) {
            // It may have panicked; what it had is lost.
            let _ = scribe.join();
        }
    }

    fn all(&self) -> Vec<Arc<SiteLog>> {
        self.lock().iter().filter_map(Weak::upgrade).collect()
    }

    fn scribes(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.scribes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<SiteLog>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SiteLog {
    pub(super) fn format(&self) -> hotclub_front::Format {
        self.wanted.format()
    }

    /// For a front, to write lines into.
    pub(super) fn pipe(&self) -> io::Result<Option<OwnedFd>> {
        let end = self.end();
        let pipe = end.as_ref().map(|pipe| pipe.as_fd());
        pipe.map(|pipe| pipe.try_clone_to_owned()).transpose()
    }

    fn end(&self) -> MutexGuard<'_, Option<OwnedFd>> {
        self.pipe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of a log whose pipe has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    Finish,
    /// Another front writes on.
    Keep,
}

/// A pipe whose lines go to `log` until all who can write there have closed it, and the thread that sees to that.
pub(super) fn receive(
    log: &AccessLog,
    visits: &Arc<Visits>,
    then: Then,
) -> io::Result<(OwnedFd, JoinHandle<()>)> {
    let (reader, writer) = io::pipe()?;
    let (log, visits) = (log.clone(), Arc::clone(visits));
    let scribe = std::thread::Builder::new()
        .name("front-log".to_owned())
        .spawn(move || {
            pass_on(OwnedFd::from(reader).into(), &log, &visits);
            if then == Then::Finish {
                log.finish();
            }
        })?;
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
