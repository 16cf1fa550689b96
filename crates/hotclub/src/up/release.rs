//! What is done once before the code serves: release commands and static files.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use hotclub_django::collect::{Collected, Static, collect};
use hotclub_django::{Progress, migrate, sources};

use super::database::Database;
use crate::console::{Console, Failure};
use crate::project::{Project, State, memory};

/// The static files of this start.
#[derive(Debug)]
pub(crate) struct Statics {
    pub(crate) collected: Option<Static>,
    url: Option<String>,
}

impl Statics {
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
    release(project, state, database, console).await?;
    collect_static(project, state, console).await
}

async fn release(
    project: &Project,
    state: &State,
    database: &Database,
    console: &Console,
) -> Result<(), Failure> {
    let default = || vec![migrate::DEFAULT_COMMAND.to_owned()];
    let commands = project.site.release.command.clone().unwrap_or_else(default);
    if commands.is_empty() {
        return Ok(());
    }
    let app = project.app()?;
    let file = state.dir.join("released.json");
    let code = sources::digest_of_sources(&app.project, &[], std::slice::from_ref(&app.state));
    let circumstances =
        |place: &str| format!("{code} {} {commands:?} {place}", app.environment.digest);
    let before = identity(project, database);
    if let Some(place) = &before
        && memory::recall::<()>(&file, &circumstances(place)).is_some()
    {
        console.begin("migrations");
        console.skipped("nothing changed");
        return Ok(());
    }
    crate::db::before_migrations(project, state, database, console).await?;
    console.begin("migrations");
    let report = |progress: Progress| console.progress(&progress.message);
    migrate::run(app, &commands, &report)
        .await
        .map_err(|error| Failure::of_step(&error, error.hint()))?;
    if let Some(place) = identity(project, database) {
        memory::keep(&file, &circumstances(&place), ())?;
    }
    console.done(&commands.join(", "));
    Ok(())
}

/// Tells one database from another; `None` for one that others may change behind our back.
fn identity(project: &Project, database: &Database) -> Option<String> {
    match database {
        Database::Managed(server) => {
            let data = server.cluster().log_file();
            let made = std::fs::metadata(data.parent()?).ok()?;
            Some(format!("cluster {}:{}", made.dev(), made.ino()))
        }
        Database::Foreign => None,
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
    let collected = collect(app, &project.inspection, &state.dir.join("static"), &report)
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
