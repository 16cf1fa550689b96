//! Where the sites of a server are seen, and all that the household asks of it: to start a site's generation and ask
//! it the first request, to show what stands, to let visitors in and out, and to tell what it counted.
//!
//! The household starts everything else and knows no lane, no table and no thread of the front. Whether the front is
//! a part of this process (`here`) or one of its own (`crate::apart`) is decided once, when it is opened.

mod here;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use hotclub_app::{BufferUsage, Buffers, Generation, Place, Spec};
use hotclub_front::{
    CacheStats, Connections, Keyring, Observer, Options, Purge, Site as FrontSite, SiteTotals,
};
use serde::{Deserialize, Serialize};

use crate::apart::{Apart, Told};
use crate::cache::{Answer, Question};
use crate::console::{Console, Failure};
use crate::face::Face;
use crate::house::Beginning;
use crate::listeners::Listeners;
use crate::probe::Probe;
use crate::tuning;

use here::Here;
pub(crate) use here::{Billing, Wings};

/// The front of a household. Clones are the same.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    Here(Arc<Here>),
    Away(Arc<Apart>),
}

/// A generation before it is started.
#[derive(Clone, Copy)]
pub(crate) struct Part<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) probe: Option<&'a Probe>,
    /// Takes the whole traceback of an app that cannot be imported.
    pub(crate) traceback: Option<&'a Path>,
}

/// A site that can be shown: everything that it needs was opened.
#[derive(Clone, Debug)]
pub(crate) enum Ready {
    Here(Arc<FrontSite>),
    Away(Arc<Told>),
    /// Nothing of it can be shown now.
    Closed {
        name: String,
        hosts: Vec<String>,
    },
}

/// Everything that is shown at once.
#[derive(Debug, Default)]
pub(crate) struct Bill {
    pub(crate) sites: Vec<Ready>,
    /// The name of the site for hosts that are nobody's.
    pub(crate) default: Option<String>,
    /// There is but one site, and it answers for this machine's own names, too.
    pub(crate) is_alone: bool,
}

/// What was counted since the start.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Observed {
    /// By site; under an empty name what belongs to none.
    pub(crate) sites: Vec<(String, SiteTotals)>,
    /// Of the sites that have one.
    pub(crate) caches: Vec<(String, CacheStats)>,
    pub(crate) connections: Connections,
    pub(crate) refused_by_address: u64,
    pub(crate) turned_away: u64,
    pub(crate) buffers: BufferUsage,
}

impl Observed {
    pub(crate) async fn of(observer: &Observer, buffers: &Buffers) -> Self {
        Self {
            connections: observer.connections().await,
            sites: observer.sites(),
            caches: observer.caches(),
            refused_by_address: observer.refused_by_address(),
            turned_away: observer.turned_away(),
            buffers: buffers.usage(),
        }
    }
}

impl Stage {
    /// A front in this process that shows nothing and lets nobody in yet.
    pub(super) fn here(options: Options) -> Result<Self, Failure> {
        Ok(Self::Here(Arc::new(Here::start(options)?)))
    }

    /// The account of bodies, for a [`Spec`].
    pub(crate) fn buffers(&self) -> &Arc<Buffers> {
        match self {
            Self::Here(here) => here.buffers(),
            Self::Away(apart) => apart.buffers(),
        }
    }

    /// A look at a front in this process.
    pub(super) fn observer(&self) -> Option<Observer> {
        match self {
            Self::Here(here) => Some(here.front().observer()),
            Self::Away(_) => None,
        }
    }

    /// Where certificates are put.
    pub(super) fn keyring(&self) -> Arc<Keyring> {
        match self {
            Self::Here(here) => here.front().keyring(),
            Self::Away(apart) => apart.keyring(),
        }
    }

    /// Starts a generation and asks it its first request. It serves once it is shown.
    pub(crate) async fn start(
        &self,
        part: Part<'_>,
        console: &Console,
    ) -> Result<Generation, Failure> {
        let place = match self {
            Self::Here(here) => Place::Here(here.front().runtimes().to_vec()),
            Self::Away(apart) => Place::Away(apart.link().clone()),
        };
        let beginning = Beginning {
            spec: part.spec,
            probe: part.probe,
            traceback: part.traceback,
            place: &place,
            stage: Some(self),
        };
        tuning::start(beginning, console).await
    }

    /// Asks a generation its first request.
    pub(crate) async fn probe(
        &self,
        generation: &Generation,
        probe: &Probe,
    ) -> Result<(), Failure> {
        match (self, generation.away()) {
            (Self::Away(apart), Some(number)) => apart.probe(number, probe).await,
            _ => match generation.lanes().first() {
                Some(lane) => Ok(probe.ask(lane).await.map(drop)?),
                None => Ok(()),
            },
        }
    }

    /// Opens what a site needs to be shown: folders, pages, users, its generation's lanes.
    pub(crate) async fn ready(
        &self,
        face: &Face,
        generation: Option<&Generation>,
    ) -> Result<Ready, Failure> {
        match self {
            Self::Here(here) => here.ready(face, generation).map(Ready::Here),
            Self::Away(apart) => {
                let generation = generation.and_then(Generation::away);
                let told = apart.ready(face, generation).await?;
                Ok(Ready::Away(Arc::new(told)))
            }
        }
    }

    /// A site of which nothing can be shown now.
    pub(crate) fn closed(site: &hotclub_config::Site) -> Ready {
        Ready::Closed {
            name: site.name.clone(),
            hosts: site.all_hosts().map(str::to_owned).collect(),
        }
    }

    /// Requests that come from now on find this and nothing else. Those under way keep what they have.
    pub(crate) fn show(&self, bill: &Bill) {
        match self {
            Self::Here(here) => here.show(bill),
            Self::Away(apart) => apart.show(bill),
        }
    }

    /// Returns once visitors find what was shown last.
    pub(crate) async fn caught_up(&self) {
        match self {
            Self::Here(_) => {}
            Self::Away(apart) => apart.caught_up().await,
        }
    }

    /// Lets visitors in.
    pub(super) fn accept(&self, listeners: &Listeners) {
        match self {
            Self::Here(here) => {
                let listeners = listeners.iter();
                listeners.for_each(|listener| here.front().accept(listener));
            }
            Self::Away(apart) => apart.accept(listeners),
        }
    }

    /// Lets nobody else in.
    pub(super) fn stop_accepting(&self) {
        match self {
            Self::Here(here) => here.front().stop_accepting(),
            Self::Away(apart) => apart.stop_accepting(),
        }
    }

    /// Opens the access log's file anew, after it was moved away.
    pub(super) fn reopen_log(&self) {
        match self {
            Self::Here(here) => here.front().reopen_log(),
            Self::Away(apart) => apart.reopen_log(),
        }
    }

    /// Finishes requests under way, and cuts what is left at `deadline`.
    pub(super) async fn drain(&self, deadline: Instant) {
        match self {
            Self::Here(here) => here.front().drain(deadline).await,
            Self::Away(apart) => apart.drain(deadline).await,
        }
    }

    /// What was counted since the start, of a front in a process of its own since that was started.
    pub(crate) async fn observe(&self) -> Observed {
        match self {
            Self::Here(here) => Observed::of(&here.front().observer(), here.buffers()).await,
            Self::Away(apart) => apart.observe().await,
        }
    }

    /// What is said of a site's cache.
    pub(super) async fn cache(&self, site: &str, question: Question) -> Result<Answer, Failure> {
        match (self, question) {
            (Self::Here(here), question) => {
                Ok(Answer::of(&here.front().observer(), site, &question))
            }
            (Self::Away(_), Question::Stats) => {
                let observed = self.observe().await;
                Ok(Answer::stats(&observed.caches, site).unwrap_or(Answer::Off))
            }
            (Self::Away(apart), Question::Purge(what)) => {
                let meant = Purge::read(what.as_deref());
                let gone = apart.purge(site, meant).await?;
                Ok(gone.map_or(Answer::Off, Answer::Purged))
            }
        }
    }

    /// Returns when a front in a process of its own is gone, and with it the lanes of all generations and whatever
    /// was ready; after a while if that happens again and again. Cancel safe.
    pub(super) async fn fell(&self) {
        match self {
            Self::Here(_) => std::future::pending().await,
            Self::Away(apart) => apart.fell().await,
        }
    }

    /// Starts another one in its place. It shows nothing and lets nobody in yet.
    pub(super) fn revive(&self) -> Result<(), Failure> {
        match self {
            Self::Here(_) => Ok(()),
            Self::Away(apart) => apart.revive(),
        }
    }

    /// Ends the front at once; the access log is flushed.
    pub(super) async fn end(self) {
        match self {
            // Its threads are waited for.
            Self::Here(here) => drop(tokio::task::spawn_blocking(move || drop(here)).await),
            Self::Away(apart) => apart.end().await,
        }
    }
}
