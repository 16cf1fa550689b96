//! Looks at a running front from elsewhere. Looking keeps nothing running and costs the requests nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use crate::cache::{CacheStats, Purge};
use crate::counts::SiteTotals;
use crate::front::Shared;
use crate::thread::Command;

/// A look at a front.
#[derive(Clone, Debug)]
pub struct Observer(Arc<Shared>);

/// Open connections, by what they are doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connections {
    /// No request has come yet.
    pub fresh: usize,
    /// Between two requests.
    pub idle: usize,
    /// A request is being read or answered.
    pub busy: usize,
    /// Of HTTP/2, which may have any number of requests under way.
    pub http2: usize,
}

impl Observer {
    pub(crate) fn new(shared: &Arc<Shared>) -> Self {
        Self(Arc::clone(shared))
    }

    /// Asks every thread; one that has ended has none.
    pub async fn connections(&self) -> Connections {
        let mut asked = Vec::new();
        for commands in self.0.commands() {
            let (tell, told) = oneshot::channel();
            if commands.send(Command::Count(tell)).is_ok() {
                asked.push(told);
            }
        }
        let mut all = Connections::default();
        for told in asked {
            let of_one = told.await.unwrap_or_default();
            all.fresh += of_one.fresh;
            all.idle += of_one.idle;
            all.busy += of_one.busy;
            all.http2 += of_one.http2;
        }
        all
    }

    /// Every site that there has been, by name, and before them what belongs to no site, under an empty name.
    #[must_use]
    pub fn sites(&self) -> Vec<(String, SiteTotals)> {
        self.0.counts.totals()
    }

    /// What the caches of all sites that have one hold and did, by name.
    #[must_use]
    pub fn caches(&self) -> Vec<(String, CacheStats)> {
        self.0.caches.stats()
    }

    /// Forgets what is kept of a site's answers; how many there were, or `None` when the site has no cache.
    #[must_use]
    pub fn purge(&self, site: &str, meant: &Purge) -> Option<u64> {
        self.0.caches.purge(site, meant)
    }

    /// Connections that were closed at once because their address had too many.
    #[must_use]
    pub fn refused_by_address(&self) -> u64 {
        self.0.addresses.refused()
    }

    /// Requests that were answered 503 because their queue was full or they had waited in it for too long.
    #[must_use]
    pub fn turned_away(&self) -> u64 {
        self.0.turned_away.total()
    }
}
