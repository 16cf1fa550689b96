//! What was seen of each site in the last minutes, and which one is looked at more closely.

use std::collections::{BTreeMap, VecDeque};

use crate::host::{SiteStatus, Status};

/// Looks that are kept of a site: as many as the widest terminals have columns.
const KEPT: usize = 400;

#[derive(Debug, Default)]
pub(super) struct Course {
    pub(super) now: Option<Status>,
    pub(super) chosen: usize,
    past: BTreeMap<String, Past>,
}

/// The oldest first.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Requests a second.
    pub(super) rate: VecDeque<u64>,
    /// Milliseconds in which 95 of 100 answers of the app came.
    pub(super) latency: VecDeque<u64>,
    /// Requests that waited for a worker.
    pub(super) queue: VecDeque<u64>,
    /// Of all workers, in MiB.
    pub(super) memory: VecDeque<u64>,
}

impl Course {
    pub(super) fn take(&mut self, now: Status) {
        for site in &now.sites {
            self.past.entry(site.name.clone()).or_default().take(site);
        }
        self.past
            .retain(|name, _| now.sites.iter().any(|site| site.name == *name));
        self.chosen = self.chosen.min(now.sites.len().saturating_sub(1));
        self.now = Some(now);
    }

    /// Another site, so many lines below.
    pub(super) fn choose(&mut self, lines: isize) {
        let last = self.now.as_ref().map_or(0, |now| now.sites.len());
        let at = self.chosen.saturating_add_signed(lines);
        self.chosen = at.min(last.saturating_sub(1));
    }

    /// The site that is looked at more closely.
    pub(super) fn closely(&self) -> Option<(&SiteStatus, &Past)> {
        let site = self.now.as_ref()?.sites.get(self.chosen)?;
        Some((site, self.past.get(&site.name)?))
    }
}

impl Past {
    fn take(&mut self, site: &SiteStatus) {
        let latency = site.latency.map_or(0.0, |latency| latency.p95 * 1000.0);
        for (values, value) in [
            (&mut self.rate, site.requests_per_second.round() as u64),
            (&mut self.latency, latency.ceil() as u64),
            (&mut self.queue, site.queued as u64),
            (&mut self.memory, site.memory >> 20),
        ] {
            if values.len() == KEPT {
                values.pop_front();
            }
            values.push_back(value);
        }
    }
}
