//! A front that is a part of this process; and what every front remembers from one table to the next.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hotclub_app::{Buffers, Generation};
use hotclub_front::{Front, Options, Proxy, Site as FrontSite, Table};

use super::{Bill, Ready};
use crate::console::Failure;
use crate::face::Face;

#[derive(Debug)]
pub(crate) struct Here {
    front: Front,
    buffers: Arc<Buffers>,
    wings: Wings,
}

/// The proxies of the sites as they are shown, by the sites' names: an upstream's health and connections are kept in
/// them, and outlive a reload.
#[derive(Debug, Default)]
pub(crate) struct Wings(Mutex<HashMap<String, Vec<Arc<Proxy>>>>);

/// Everything that is shown at once, opened.
pub(crate) struct Billing<'a> {
    pub(crate) sites: Vec<Arc<FrontSite>>,
    pub(crate) default: Option<&'a str>,
    pub(crate) is_alone: bool,
}

impl Here {
    pub(super) fn start(options: Options) -> io::Result<Self> {
        Ok(Self {
            buffers: Arc::clone(&options.buffers),
            front: Front::start(options)?,
            wings: Wings::default(),
        })
    }

    pub(super) fn front(&self) -> &Front {
        &self.front
    }

    pub(super) fn buffers(&self) -> &Arc<Buffers> {
        &self.buffers
    }

    pub(super) fn ready(
        &self,
        face: &Face,
        generation: Option<&Generation>,
    ) -> Result<Arc<FrontSite>, Failure> {
        let lanes = generation.map(Generation::lanes);
        let site = face.open(lanes, &self.wings.known(face.name()))?;
        Ok(Arc::new(site))
    }

    pub(super) fn show(&self, bill: &Bill) {
        let site = |ready: &Ready| match ready {
            Ready::Here(site) => Some(Arc::clone(site)),
            Ready::Away(_) => None,
            Ready::Closed { name, hosts } => {
                Some(Arc::new(FrontSite::closed(&**name, hosts.clone())))
            }
        };
        let billing = Billing {
            sites: bill.sites.iter().filter_map(site).collect(),
            default: bill.default.as_deref(),
            is_alone: bill.is_alone,
        };
        self.wings.show(&self.front, billing);
    }
}

impl Wings {
    /// Those of a site.
    pub(crate) fn known(&self, site: &str) -> Vec<Arc<Proxy>> {
        self.lock().get(site).cloned().unwrap_or_default()
    }

    /// Lets the front see this.
    pub(crate) fn show(&self, front: &Front, billing: Billing<'_>) {
        let Billing { sites, default, .. } = billing;
        self.remember(&sites);
        let default = sites.iter().find(|site| Some(&*site.name) == default);
        let table = Table::new(sites.iter().cloned(), default.cloned());
        let table = match (billing.is_alone, sites.into_iter().next()) {
            (true, Some(only)) => table.with_own(only),
            _ => table,
        };
        front.swap(Arc::new(table));
    }

    fn remember(&self, sites: &[Arc<FrontSite>]) {
        let mut known = self.lock();
        known.retain(|name, _| sites.iter().any(|site| site.name == *name));
        for site in sites {
            let proxies: Vec<_> = site.proxies().collect();
            // A site that is closed for now comes back to those that it had.
            if !proxies.is_empty() {
                known.insert(site.name.clone(), proxies);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Arc<Proxy>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
