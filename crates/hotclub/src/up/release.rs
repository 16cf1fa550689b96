//! What is done once before the code serves: release commands and static files.

pub(crate) mod carry;
mod turn;

pub(crate) use turn::Turn;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hotclub_django::collect::{Collected, Static, collect};
use hotclub_django::{Progress, migrate};
use serde::{Deserialize, Serialize};

use super::database::Database;
use crate::console::{Console, Failure};
use crate::project::{Project, State, memory};
use crate::releases::Release;

/// What Django notes of each migration, the moment it was applied included.
const APPLIED: &str =
    "SELECT concat_ws(' ', app, name, applied) FROM django_migrations ORDER BY id";

/// The static files of this start.
#[derive(Debug)]
pub(crate) struct Statics {
    pub(crate) collected: Option<Static>,
    url: Option<String>,
}

impl Statics {
    /// The URL of what was collected.
    pub(crate) fn served_at(&self) -> Option<&str> {
        self.collected.as_ref().and(self.url.as_deref())
    }

    pub(crate) fn described(&self) -> Option<String> {
        let files = self.collected.as_ref()?;
        Some(format!(
            "{} ({} files)",
            self.url.as_deref().unwrap_or("/static/"),
            files.files
        ))
    }
}

pub(crate) async fn run(
    project: &Project,
    state: &State,
    database: &Database,
    console: &Console,
) -> Result<Statics, Failure> {
    crate::db::tidy(project, state, database, console).await?;
    let Some(deployed) = &state.release else {
        release(project, state, database, console).await?;
        return collect_static(project, state, console).await;
    };
    // Whatever can fail comes before the database is changed.
    let statics = collect_static(project, state, console).await?;
    if let Some(files) = &statics.collected {
        carry::into(deployed, files)?;
    }
    release(project, state, database, console).await?;
    Ok(statics)
}

/// What the release commands met and did.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// The migrations that were pending, as `app.0001_name`.
    #[serde(default)]
    pub(crate) migrations: Vec<String>,
    /// The backup that was made before them.
    #[serde(default)]
    pub(crate) backup: Option<String>,
}

/// Where it is remembered.
pub(crate) fn file(state: &State) -> PathBuf {
    outcome_file(state.of_code())
}

fn outcome_file(code: &Path) -> PathBuf {
    code.join("released.json")
}

/// What the commands of a release did when it was deployed.
pub(crate) fn outcome(release: &Release) -> Outcome {
    memory::last(&outcome_file(&release.dir)).unwrap_or_default()
}

async fn release(
    project: &Project,
    state: &State,
    database: &Database,
    console: &Console,
) -> Result<(), Failure> {
    // Without a database, `migrate` is an error of Django's.
    let has_database = project.inspection.default_database().is_some();
    let migration = has_database.then(|| migrate::DEFAULT_COMMAND.to_owned());
    let default = || migration.into_iter().collect();
    let commands = project.site.release.command.clone().unwrap_or_else(default);
    if commands.is_empty() {
        return Ok(());
    }
    let app = project.app()?;
    let file = file(state);
    let code = app.sources(&[], std::slice::from_ref(&app.state));
    let asked = &project.inspection;
    let apps = memory::digest([format!("{} {:?}", asked.settings, asked.installed_apps)]);
    let circumstances = |place: &str| {
        format!(
            "{code} {} {commands:?} {apps:016x} {place}",
            app.environment.digest
        )
    };
    let before = identity(project, database).await;
    let same = |place| memory::recall::<Outcome>(&file, &circumstances(place)).is_some();
    // Once a release, whatever others do to the database behind our back.
    let is_released = match state.release {
        Some(_) => file.exists(),
        None => before.as_deref().is_some_and(same),
    };
    if is_released {
        console.begin("migrations");
        console.skipped("nothing changed");
        return Ok(());
    }
    let turn = Turn::take(&state.dir)?;
    let outcome = crate::db::before_migrations(project, state, database, console).await?;
    console.begin("migrations");
    let report = |progress: Progress| console.progress(&progress.message);
    migrate::run(app, &commands, turn.file(), &report)
        .await
        .map_err(|error| Failure::of_step(&error, error.hint()))?;
    let place = identity(project, database).await;
    if state.release.is_some() || place.is_some() {
        let place = place.unwrap_or_default();
        memory::keep(&file, &circumstances(&place), outcome)?;
    }
    console.done(&commands.join(", "));
    Ok(())
}

/// Tells one database from another, and one that others may migrate from what it was; `None` where that is not
/// to be found out.
async fn identity(project: &Project, database: &Database) -> Option<String> {
    match database {
        Database::Managed(server) => {
            let data = server.cluster().log_file();
            let made = std::fs::metadata(data.parent()?).ok()?;
            Some(format!("cluster {}:{}", made.dev(), made.ino()))
        }
        Database::Foreign(target) => hotclub_postgres::digest(target.as_ref()?, APPLIED).await,
        Database::Boxed(boxed) => Some(boxed.identity()),
        Database::None => {
            let default = project
                .inspection
                .default_database()
                .filter(|d| d.is_sqlite())?;
            let file = PathBuf::from(&default.name);
            let made = std::fs::metadata(project.found.manage_dir.join(file)).ok()?;
            Some(format!("file {}:{}", made.dev(), made.ino()))
        }
    }
}

async fn collect_static(
    project: &Project,
    state: &State,
    console: &Console,
) -> Result<Statics, Failure> {
    console.begin("static files");
    let app = project.app()?;
    let report = |progress: Progress| console.progress(&progress.message);
    let into = project.static_dir(state);
    let before = state.release.as_ref().and_then(Release::before);
    let before = before.map(|release| release.static_dir());
    let places = (into.as_path(), before.as_deref());
    let collected = collect(app, &project.inspection, places, &report)
        .await
        .map_err(|error| Failure::of_step(&error, error.hint()))?;
    let url = project.inspection.static_url.clone();
    match collected {
        Collected::Files(files) => {
            let detail = format!("{} files", files.files);
            if files.fresh {
                console.done(&detail)
            } else {
                console.skipped(&detail)
            }
            Ok(Statics {
                collected: Some(files),
                url,
            })
        }
        Collected::None { why } => {
            console.skipped(&why);
            Ok(Statics {
                collected: None,
                url,
            })
        }
    }
}
