//! Whose data a project's are, from what the last `up` learnt: no settings are asked, so that data can be saved
//! when the code no longer starts.

use std::path::{Path, PathBuf};

use hotclub_config::{Backup, RuntimeKind};
use hotclub_django::inspection::Inspection;
use hotclub_postgres::backup::{Holdings, Source, Sqlite, Store};
use hotclub_postgres::{Access, Error};

use crate::console::{Console, Failure};
use crate::project::learnt;
use crate::project::{Project, State, is_contained};
use crate::up::boxed;
use crate::up::database::{Database, cluster_of};
use crate::up::release;

/// A project's data, open and locked.
pub(crate) struct Data {
    pub(crate) store: Store,
    pub(crate) holdings: Holdings,
    pub(crate) rules: Backup,
    /// Where it is remembered that the data were migrated.
    released: PathBuf,
}

/// Where a project's backups are.
pub(crate) fn folder(state: &State) -> PathBuf {
    state.dir.join("backups")
}

/// A project and its state folder.
pub(crate) fn find(dir: &Path, console: &Console) -> Result<(Project, State), Failure> {
    let site = crate::site_file::load(dir, console)?;
    let project = Project::find(site, None)?;
    let state = State::open_shared(&project)?;
    Ok((project, state))
}

impl Data {
    pub(crate) async fn open(dir: &Path, console: &Console) -> Result<Self, Failure> {
        let (project, state) = find(dir, console)?;
        let learnt = learnt::last(&state).ok_or_else(|| {
            Failure::new("this project has not been up yet")
                .hint(format!("start it once: hotclub up {}", dir.display()))
        })?;
        let failure = |error| super::failure(&error);
        let store = Store::open(&folder(&state)).map_err(failure)?;
        let inspection = &learnt.inspection;
        let database = match sqlite(&project, inspection) {
            _ if learnt.managed && is_contained(&project.site) => {
                Source::Postgres(Box::new(boxed::access_of(&state).await?))
            }
            _ if learnt.managed => {
                let options = cluster_of(&project, &state)?;
                let access = Access::open(options, project.site.database.wait).await;
                Source::Postgres(Box::new(access.map_err(failure)?))
            }
            Some(sqlite) => Source::Sqlite(sqlite),
            None => return Err(foreign()),
        };
        Ok(Self::of(&project, &state, store, database, inspection))
    }

    /// The data under an `up` of ours; `None`: they are not Hotclub's to keep.
    pub(super) fn under(
        project: &Project,
        state: &State,
        database: &Database,
    ) -> Result<Option<Self>, Error> {
        let inspection = &project.inspection;
        let source = match (database, sqlite(project, inspection)) {
            (Database::Managed(server), _) => Source::Postgres(Box::new(Access::of(server))),
            (Database::Boxed(boxed), _) => Source::Postgres(Box::new(boxed.access())),
            (Database::None, Some(sqlite)) => Source::Sqlite(sqlite),
            _ => return Ok(None),
        };
        let store = Store::open(&folder(state))?;
        Ok(Some(Self::of(project, state, store, source, inspection)))
    }

    fn of(
        project: &Project,
        state: &State,
        store: Store,
        database: Source,
        inspection: &Inspection,
    ) -> Self {
        Self {
            store,
            holdings: Holdings {
                site: project.site.name.clone(),
                database,
                media_stays: is_contained(&project.site),
                media: media(project, inspection).filter(|_| project.site.database.backup.media),
            },
            rules: project.site.database.backup.clone(),
            released: release::file(state),
        }
    }

    pub(crate) async fn close(self) {
        if let Source::Postgres(access) = self.holdings.database {
            access.close().await;
        }
    }

    /// Other data are live now: the next start has to migrate them, whatever it remembers.
    pub(crate) fn forget_release(&self) {
        // Where there is none, the next start migrates anyway.
        let _ = std::fs::remove_file(&self.released);
    }
}

fn foreign() -> Failure {
    Failure::new("this site's database is not Hotclub's to keep").hint(
        "back it up where it runs; Hotclub does so for its own PostgreSQL clusters and for SQLite",
    )
}

fn sqlite(project: &Project, inspection: &Inspection) -> Option<Sqlite> {
    // A file in a container is not where its path says.
    let here = project.site.runtime.kind == RuntimeKind::Host;
    let default = inspection.default_database().filter(|_| here)?;
    default.is_sqlite().then(|| Sqlite {
        file: real(project.found.manage_dir.join(&default.name)),
        python: inspection.executable.clone(),
    })
}

fn media(project: &Project, inspection: &Inspection) -> Option<PathBuf> {
    let root = inspection.media_root.as_ref()?;
    // Django's default is an empty text: no folder of its own.
    let named = !root.as_os_str().is_empty();
    let root = project.found.manage_dir.join(root);
    let above = project.found.root.starts_with(&root);
    (named && !above).then(|| real(root))
}

/// Where it lies: under a release, what outlives it is reached by a link, and a restore replaces no links.
fn real(path: PathBuf) -> PathBuf {
    path.canonicalize().unwrap_or(path)
}
