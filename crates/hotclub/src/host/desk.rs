//! What the control socket is answered: hands each request to the file that does it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotclub_config::{Deployed, Site};
use serde_json::json;

use super::ask::{Asker, Hold};
use super::{Source, read};
use crate::cache::Question;
use crate::console::{Console, Failure, Listener};
use crate::control::{self, Outcome, Request, Visitor};
use crate::releases::{Home, Lock, Release};
use crate::visits::Visits;

/// A host that is spoken to.
#[derive(Debug)]
pub(super) struct Desk {
    pub(super) asker: Asker,
    /// `host.toml`.
    config: PathBuf,
    /// Where deployed sites are kept.
    pub(super) state: PathBuf,
    pub(super) visits: Arc<Visits>,
    console: Console,
}

impl control::Desk for Desk {
    async fn handle(self: Arc<Self>, request: Request, visitor: Visitor) -> Outcome {
        match request {
            Request::Status { site, brief } => self.status(site.as_deref(), brief).await,
            Request::Reload { site } => {
                self.asker.reload(site).await?;
                Ok(json!({}))
            }
            Request::Restart { site } => {
                self.asker.restart(site, None).await?;
                Ok(json!({}))
            }
            Request::Hold { site } => self.hold(site, visitor).await,
            Request::Remove { site, data } => self.remove(&site, data).await,
            Request::Deploy { site, from, bytes } => {
                Box::pin(self.deploy(&site, (from.as_str(), bytes), visitor)).await
            }
            Request::Releases { site } => self.releases(&site),
            Request::Rollback {
                site,
                release,
                anyway,
            } => Box::pin(self.roll_back(&site, (release, anyway), &visitor)).await,
            Request::Env { site, set, unset } => self.change_env(&site, set, &unset).await,
            Request::EnvList { site, show } => self.list_env(&site, show),
            Request::EnvExplain { site, name, show } => self.explain_env(&site, &name, show),
            Request::Logs {
                site,
                lines,
                follow,
            } => self.logs(&site, (lines, follow), &visitor).await,
            Request::CacheStats { site } => self.asker.cache(site, Question::Stats).await,
            Request::CachePurge { site, what } => {
                self.asker.cache(site, Question::Purge(what)).await
            }
        }
    }
}

impl Desk {
    pub(super) fn new(
        asker: Asker,
        (source, state): (&Source, &Path),
        visits: &Arc<Visits>,
        console: &Console,
    ) -> Self {
        let config = match source {
            Source::Server(file, _) => file.clone(),
            Source::Site(dir) => dir.clone(),
        };
        Self {
            asker,
            config,
            state: state.to_owned(),
            visits: Arc::clone(visits),
            console: console.beside(),
        }
    }

    pub(super) fn console(&self, site: &str, listener: Listener) -> Console {
        self.console.of_site(site).heard_by(listener)
    }

    /// `host.toml`.
    pub(super) fn config(&self) -> &Path {
        &self.config
    }

    /// A site's folder, whether it is there or not.
    pub(super) fn home(&self, site: &str) -> Result<Home, Failure> {
        match hotclub_config::is_name(site) {
            true => Ok(Home::of(&self.state, site)),
            false => Err(Failure::new(format!("`{site}` is no name for a site"))
                .hint("small letters, digits, `-` and `_`, at most 63: hotclub deploy --site portfolio")),
        }
    }

    /// A site that was deployed, for whoever may change which of its releases is live.
    pub(super) fn deployed(&self, site: &str) -> Result<(Home, Lock, Release), Failure> {
        let home = self.home(site)?;
        let Some(current) = home.current() else {
            return Err(Failure::new(format!("`{site}` was not deployed here"))
                .hint("`hotclub status` shows the sites of this host"));
        };
        let lock = home.lock()?;
        Ok((home, lock, current))
    }

    /// A site as its release says, and that it gets along with all others.
    pub(super) fn site_of(&self, home: &Home, release: &Release) -> Result<Arc<Site>, Failure> {
        let (name, dir) = (home.name(), release.source());
        let candidate = Deployed {
            name: name.clone(),
            dir,
        };
        let wanted = read(
            &self.config,
            Some(&self.state),
            Some(candidate),
            &Console::quiet(),
        )?;
        let mut sites = wanted.sites.into_iter();
        let found = sites.find(|site| site.name == name);
        found.ok_or_else(|| Failure::new(format!("{name} is not among the sites of this host")))
    }

    /// Lets a site down for as long as the asker works on its data.
    async fn hold(&self, site: String, mut visitor: Visitor) -> Outcome {
        let (hold, held, go) = Hold::new();
        let restarted = self.asker.restart(site, Some(hold));
        let work = async {
            if held.await.is_ok() {
                visitor.held().await;
                let _ = go.send(());
            }
        };
        let (restarted, ()) = tokio::join!(restarted, work);
        restarted?;
        Ok(json!({}))
    }

    /// What is kept stays, unless told otherwise.
    async fn remove(&self, site: &str, data: bool) -> Outcome {
        let (home, _lock, current) = self.deployed(site)?;
        // From here on no start serves it.
        home.point_nowhere()?;
        self.asker.dismiss(site.to_owned()).await?;
        if data {
            home.remove()?;
        }
        Ok(json!({
            "site": site,
            "release": current.number,
            "kept": (!data).then(|| home.dir().to_owned()),
        }))
    }

    fn releases(&self, site: &str) -> Outcome {
        let home = self.home(site)?;
        let current = home.current().map(|release| release.number);
        let records = home.releases().into_iter();
        let listed = records.filter(Release::is_fit).filter_map(|release| {
            let record = release.record()?;
            Some(json!({
                "release": record.number,
                "made_at": record.made_at,
                "from": record.from,
                "migrations": crate::up::release::outcome(&release).migrations,
                "is_live": Some(record.number) == current,
            }))
        });
        let listed: Vec<_> = listed.collect();
        match listed.is_empty() {
            true => Err(Failure::new(format!("`{site}` was not deployed here"))
                .hint("`hotclub status` shows the sites of this host")),
            false => Ok(json!({ "site": site, "releases": listed })),
        }
    }
}
