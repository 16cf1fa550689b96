//! What the household is asked for while it serves. It alone changes what stands; others ask, and wait.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use hotclub_app::View;
use hotclub_config::Site;
use hotclub_front::Distribution;
use tokio::sync::{mpsc, oneshot};

use super::stage::Observed;
use super::tenant::Raised;
use crate::cache::{Answer, Question};
use crate::console::{Console, Failure};
use crate::control::Outcome;
use crate::journal::Journal;
use crate::processes::ProcessView;

/// Where the household takes them from.
pub(super) type Asks = mpsc::UnboundedReceiver<Ask>;
pub(super) type Done<T> = oneshot::Sender<T>;

#[derive(Debug)]
pub(super) enum Ask {
    /// How everybody fares.
    Look(Done<Vec<Look>>),
    /// One site, or all, from what the files say now.
    Reload {
        site: Option<String>,
        done: Done<Result<(), Failure>>,
    },
    /// Let down, and raised again.
    Restart {
        site: String,
        /// What it is down for in between.
        hold: Option<Hold>,
        done: Done<Result<(), Failure>>,
    },
    /// Raises a site beside what stands of it. Until `Switch` or `GiveUp` nobody else raises it.
    Try {
        site: Arc<Site>,
        console: Console,
        done: Done<Result<Raised, Failure>>,
    },
    /// What was tried stands from here on; done once what stood before has gone, and then says when visitors found
    /// the new one.
    Switch {
        site: Arc<Site>,
        raised: Raised,
        done: Done<Instant>,
    },
    /// What was tried, if it was raised, is let down.
    GiveUp {
        site: String,
        raised: Option<Raised>,
    },
    /// About a site's cache.
    Cache {
        site: String,
        question: Question,
        done: Done<Result<Answer, Failure>>,
    },
    /// It is served no longer; done once it has gone.
    Dismiss { site: String, done: Done<bool> },
}

/// Work on a site's data while nothing of it runs.
#[derive(Debug)]
pub(super) struct Hold {
    /// Told once app and database have ended.
    down: oneshot::Sender<()>,
    /// Sent, or dropped, when they may start again.
    go: oneshot::Receiver<()>,
}

impl Hold {
    /// The hold; what hears that the site is down; what says that the work is done.
    pub(super) fn new() -> (Self, oneshot::Receiver<()>, oneshot::Sender<()>) {
        let (down, held) = oneshot::channel();
        let (say, go) = oneshot::channel();
        (Self { down, go }, held, say)
    }

    /// The site is down: returns when the work is done, or nobody does it any more.
    pub(super) async fn wait(self) {
        if self.down.send(()).is_ok() {
            let _ = self.go.await;
        }
    }
}

/// One site at one moment.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) site: Arc<Site>,
    /// `serving`, `starting` or `down`.
    pub(super) state: &'static str,
    pub(super) since: SystemTime,
    /// Why it is down, or why what is newer of it does not serve.
    pub(super) failure: Option<Failure>,
    pub(super) view: Option<View>,
    pub(super) processes: Vec<ProcessView>,
    pub(super) journal: Option<Arc<Journal>>,
    /// Where its state is kept.
    pub(super) folder: Option<PathBuf>,
    /// A backup each day is wanted.
    pub(super) keeps_backups: bool,
    /// Visitors may come by https.
    pub(super) is_https: bool,
    /// Answers since the host began, and how many of them were its own or the app's failures (5xx).
    pub(super) answered: u64,
    pub(super) failed: u64,
    /// How long the app took for them.
    pub(super) times: Distribution,
}

impl Look {
    /// Adds what the front has counted.
    pub(super) fn count(&mut self, observed: &Observed) {
        let mut sites = observed.sites.iter();
        let Some((_, totals)) = sites.find(|(name, _)| *name == self.site.name) else {
            return;
        };
        let least = |least: u16| -> u64 {
            let those = totals.statuses.iter();
            let those = those.filter(|(status, _)| *status >= least);
            those.map(|(_, count)| count).sum()
        };
        (self.answered, self.failed) = (least(0), least(500));
        self.times = totals.app.clone();
    }
}

/// Asks the household.
#[derive(Clone, Debug)]
pub(super) struct Asker(mpsc::UnboundedSender<Ask>);

impl Asker {
    pub(super) fn new() -> (Self, Asks) {
        let (send, receive) = mpsc::unbounded_channel();
        (Self(send), receive)
    }

    pub(super) async fn look(&self) -> Result<Vec<Look>, Failure> {
        self.ask(Ask::Look).await
    }

    pub(super) async fn reload(&self, site: Option<String>) -> Result<(), Failure> {
        self.ask(|done| Ask::Reload { site, done }).await?
    }

    pub(super) async fn restart(&self, site: String, hold: Option<Hold>) -> Result<(), Failure> {
        self.ask(|done| Ask::Restart { site, hold, done }).await?
    }

    pub(super) async fn cache(&self, site: String, question: Question) -> Outcome {
        let ask = |done| Ask::Cache {
            site,
            question,
            done,
        };
        self.ask(ask).await??.said()
    }

    pub(super) async fn dismiss(&self, site: String) -> Result<bool, Failure> {
        self.ask(|done| Ask::Dismiss { site, done }).await
    }

    /// Raises a site beside what stands of it.
    pub(super) async fn attempt(
        &self,
        site: &Arc<Site>,
        console: Console,
    ) -> Result<Attempt, Failure> {
        // From here on, for whoever is cut off while it waits.
        let mut attempt = Attempt {
            asker: self.clone(),
            site: Arc::clone(site),
            raised: None,
            is_over: false,
        };
        let site = Arc::clone(site);
        let raised = self.ask(|done| Ask::Try {
            site,
            console,
            done,
        });
        attempt.raised = Some(raised.await??);
        Ok(attempt)
    }

    async fn ask<T>(&self, ask: impl FnOnce(Done<T>) -> Ask) -> Result<T, Failure> {
        let (done, told) = oneshot::channel();
        let ending = || Failure::new("the host is ending");
        self.0.send(ask(done)).map_err(|_gone| ending())?;
        told.await.map_err(|_gone| ending())
    }
}

/// A site that was raised and is not shown yet; let down when it is dropped.
#[derive(Debug)]
pub(super) struct Attempt {
    asker: Asker,
    site: Arc<Site>,
    raised: Option<Raised>,
    is_over: bool,
}

impl Attempt {
    /// Shows it; returns once what stood before has gone. Since when visitors have found it.
    pub(super) async fn switch(mut self) -> Result<Instant, Failure> {
        self.is_over = true;
        let Some(raised) = self.raised.take() else {
            return Ok(Instant::now());
        };
        let site = Arc::clone(&self.site);
        let shown = self.asker.ask(|done| Ask::Switch { site, raised, done });
        shown.await
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if !self.is_over {
            let (site, raised) = (self.site.name.clone(), self.raised.take());
            // Gone with the household.
            let _ = self.asker.0.send(Ask::GiveUp { site, raised });
        }
    }
}
