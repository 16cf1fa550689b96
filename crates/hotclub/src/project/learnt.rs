//! What the settings said last time, kept for as long as nothing they depend on has changed.

use std::io;
use std::path::PathBuf;

use hotclub_django::Vars;
use hotclub_django::inspection::Inspection;
use hotclub_postgres::{Cluster, programs};

use super::{Project, State, memory};
use crate::console::Failure;

/// The settings' answers and what was decided from them.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Learnt {
    pub(crate) inspection: Inspection,
    /// What Hotclub adds to the environment; it holds secrets.
    pub(crate) injected: Vars,
    /// The settings were pointed at a cluster of our own.
    pub(crate) managed: bool,
    /// What to tell about a managed PostgreSQL that is not used.
    pub(crate) note: Option<String>,
}

pub(crate) fn file(state: &State) -> PathBuf {
    state.of_code().join("learnt.json")
}

/// What was learnt under the same `circumstances`, if it still holds.
pub(crate) fn recall(project: &Project, circumstances: &str, state: &State) -> Option<Learnt> {
    let text = std::fs::read(file(state)).ok()?;
    let kept: serde_json::Value = serde_json::from_slice(&text).ok()?;
    let inspection: Inspection =
        serde_json::from_value(kept["result"]["inspection"].clone()).ok()?;
    let learnt: Learnt =
        memory::recall(&file(state), &with_environment(circumstances, &inspection))?;
    let is_cluster = learnt.managed && project.contained.is_none();
    let gone = is_cluster && Cluster::is_new(&state.dir.join("postgres"));
    (!gone).then_some(learnt)
}

/// What was learnt last time, under whatever circumstances.
pub(crate) fn last(state: &State) -> Option<Learnt> {
    let text = std::fs::read(file(state)).ok()?;
    let mut kept: serde_json::Value = serde_json::from_slice(&text).ok()?;
    serde_json::from_value(kept["result"].take()).ok()
}

/// What was injected last time, under whatever circumstances.
pub(crate) fn injected(state: &State) -> Vars {
    let text = std::fs::read(file(state)).unwrap_or_default();
    let kept: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
    serde_json::from_value(kept["result"]["injected"].clone()).unwrap_or_default()
}

pub(crate) fn keep(state: &State, circumstances: &str, learnt: &Learnt) -> io::Result<()> {
    memory::keep(
        &file(state),
        &with_environment(circumstances, &learnt.inspection),
        learnt,
    )
}

/// Everything the settings' answers depend on, but for the environment variables they read. `project` must hold what
/// the user set and no more.
pub(crate) fn circumstances(project: &Project) -> Result<String, Failure> {
    let app = project.app()?;
    let also: Vec<_> = project
        .site
        .env
        .files
        .iter()
        .chain(&project.site.file)
        .cloned()
        .collect();
    let code = app.sources(&also, std::slice::from_ref(&app.state));
    let config = format!(
        "{:?} {:?} {:?}",
        project.vars(),
        app.settings,
        project.site.database
    );
    let installed = format!("{:?}", programs::places());
    let rest = memory::digest([config, installed, env!("CARGO_PKG_VERSION").to_owned()]);
    Ok(format!("{code} {} {rest:016x}", app.environment.digest))
}

/// With the value of the variable that names the settings, and of those that they were seen to read.
fn with_environment(before: &str, inspection: &Inspection) -> String {
    let read = inspection.env.iter().map(|read| read.name.as_str());
    let values = std::iter::once("DJANGO_SETTINGS_MODULE")
        .chain(read)
        .map(|name| (name, std::env::var_os(name)));
    format!("{before} {:016x}", memory::digest(values))
}
