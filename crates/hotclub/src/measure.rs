//! Asks a private copy of the app process: what would be tuned, and how fast are these pages?
//!
//! The other side is `python/hotclub_worker/measure.py`.

use hotclub_app::{Advice, AppFailure, Finding, Surroundings, Tune, TuneOrder};
use hotclub_config::{Compress, Tune as Wanted};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::console::Failure;
use crate::project::Project;
use crate::up::app;

/// What to do once the app is loaded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pages<'a> {
    /// Empty: the home page and what it links to.
    pub(crate) paths: &'a [String],
    pub(crate) seconds: u32,
}

#[derive(Debug, Default, Deserialize)]
pub(crate) struct Answer {
    error: Option<AppFailure>,
    #[serde(default)]
    pub(crate) tuned: Vec<Finding>,
    #[serde(default)]
    pub(crate) warnings: Vec<Advice>,
    #[serde(default)]
    pub(crate) pages: Vec<Page>,
    #[serde(default)]
    pub(crate) costly: Vec<Costly>,
    #[serde(default)]
    pub(crate) paths: Vec<String>,
}

/// One page, by one process on one core. Counts and milliseconds are those of one request.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Page {
    pub(crate) path: String,
    pub(crate) status: u16,
    pub(crate) bytes: u64,
    pub(crate) per_second: f64,
    pub(crate) queries: f64,
    pub(crate) connections: f64,
    pub(crate) sql_ms: f64,
    pub(crate) template_ms: f64,
    pub(crate) python_ms: f64,
}

/// A query, a template or a middleware, on the page where it costs most.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Costly {
    pub(crate) kind: String,
    pub(crate) what: String,
    /// The user's own line that led to it; may be empty.
    pub(crate) at: String,
    pub(crate) page: String,
    /// Times a request.
    pub(crate) count: f64,
    /// Milliseconds a request, all times together.
    pub(crate) ms: f64,
}

/// What the configuration allows.
pub(crate) fn allowed(wanted: Wanted) -> Tune {
    Tune {
        persistent_connections: wanted.persistent_connections,
        cached_templates: wanted.cached_templates,
        gc: wanted.gc,
        idle_gzip: wanted.idle_gzip,
        idle_whitenoise: wanted.idle_whitenoise,
        shared_cache: wanted.shared_cache,
    }
}

/// Runs the process to its end. The project's settings have been asked (`project.inspection`).
pub(crate) async fn measure(
    project: &Project,
    tune: Tune,
    pages: Option<Pages<'_>>,
) -> Result<Answer, Failure> {
    let app = project.app()?;
    let worker = hotclub_app::unpack(&app.state)?;
    let output = tokio::process::Command::new(app.environment.python())
        .arg("-u")
        .arg(worker)
        .args(["measure", &request(project, tune, pages)?])
        .env_clear()
        .envs(app::environment(project)?)
        .current_dir("/")
        .stdin(std::process::Stdio::null())
        .kill_on_drop(true)
        .output()
        .await?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let answer: Answer = serde_json::from_slice(&output.stdout).map_err(|_error| {
        Failure::new("the app ended while it was measured").detail(said.clone())
    })?;
    match answer.error {
        Some(error) => Err(Failure::new(format!(
            "the app cannot be measured: {}: {}",
            error.kind, error.message
        ))
        .detail(error.traceback)),
        None => Ok(answer),
    }
}

fn request(project: &Project, tune: Tune, pages: Option<Pages<'_>>) -> Result<String, Failure> {
    let probe = app::probe(project);
    let app = project.app()?;
    let collected = app.state.join("static");
    let static_url = project.inspection.static_url.clone();
    let mut settings = serde_json::Map::new();
    if collected.is_dir() {
        settings.insert("STATIC_ROOT".to_owned(), json!(collected));
    }
    let tune = (tune != Tune::OFF).then(|| TuneOrder {
        parts: tune,
        surroundings: Surroundings {
            compresses: project.site.compress == Compress::Always,
            static_url: static_url.filter(|_| collected.is_dir()),
            shared_folder: Some(app.state.join("shared-cache")),
        },
        workers: project.workers,
        threads: project.site.app.threads as usize,
    });
    let request = json!({
        "app": project.app_name()?,
        "chdir": project.found.manage_dir,
        "settings": settings,
        "tune": tune,
        "host": probe.host,
        "https": probe.https,
        "paths": pages.map(|pages| pages.paths),
        "seconds": pages.map(|pages| pages.seconds),
        "closely": pages.is_some(),
    });
    Ok(request.to_string())
}
