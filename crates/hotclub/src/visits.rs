//! The last requests of each site, as the front logged them: what `hotclub logs` shows of it. Kept in memory only; the
//! access log is what lasts.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use tokio::sync::broadcast;

use crate::journal::stamp;

/// Lines that are kept of a site, and that wait for somebody who follows.
const KEPT: usize = 1000;
/// Of a line, in bytes: addresses may be long.
const LONGEST: usize = 2048;
/// The front names the sites, and is not believed everything.
const SITES: usize = 1024;

#[derive(Debug, Default)]
pub(crate) struct Visits(Mutex<HashMap<String, Site>>);

#[derive(Debug)]
struct Site {
    last: VecDeque<String>,
    told: broadcast::Sender<String>,
}

impl Default for Site {
    fn default() -> Self {
        Self {
            last: VecDeque::new(),
            told: broadcast::Sender::new(KEPT),
        }
    }
}

impl Visits {
    /// A line of the access log, without its end; `millis` since 1970.
    pub(crate) fn add(&self, site: &str, millis: u64, line: &str) {
        let mut sites = self.lock();
        if !sites.contains_key(site) {
            if sites.len() >= SITES {
                return;
            }
            sites.insert(site.to_owned(), Site::default());
        }
        let Some(site) = sites.get_mut(site) else {
            return;
        };
        let mut end = line.len().min(LONGEST);
        while !line.is_char_boundary(end) {
            end -= 1;
        }
        let at = UNIX_EPOCH + Duration::from_millis(millis.min(u64::from(u32::MAX) * 1000));
        let line = format!("{} front {}", stamp(at.into()), &line[..end]);
        if site.last.len() == KEPT {
            site.last.pop_front();
        }
        if site.told.receiver_count() > 0 {
            // Whoever followed may have left.
            let _ = site.told.send(line.clone());
        }
        site.last.push_back(line);
    }

    /// The last lines, and those that come after them.
    pub(crate) fn follow(
        &self,
        site: &str,
        lines: usize,
    ) -> (Vec<String>, broadcast::Receiver<String>) {
        let mut sites = self.lock();
        let site = sites.entry(site.to_owned()).or_default();
        let skipped = site.last.len().saturating_sub(lines);
        let last = site.last.iter().skip(skipped).cloned().collect();
        (last, site.told.subscribe())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Site>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_site_has_its_own_lines_and_only_the_last_of_them() {
        let visits = Visits::default();
        for number in 0..=KEPT {
            visits.add("a", 1_764_324_000_123, &number.to_string());
        }
        let (last, mut coming) = visits.follow("a", 1);
        assert_eq!(last, ["2025-11-28T10:00:00.123Z front 1000"]);
        visits.add("b", 0, "b");
        visits.add("a", 0, &"é".repeat(LONGEST));
        assert!(coming.try_recv().unwrap().ends_with('é'));
        assert!(coming.try_recv().is_err());
        assert_eq!(visits.follow("a", 2 * KEPT).0.len(), KEPT);
    }
}
