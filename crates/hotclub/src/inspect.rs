//! `hotclub inspect`: what a project is.

use std::io::Write;

use hotclub_config::Site;
use hotclub_django::Vars;
use hotclub_django::inspect::inspect;
use hotclub_django::inspection::{Inspection, Pending};
use hotclub_django::learn::learn;

use crate::cli::InspectArgs;
use crate::console::{Console, Failure};
use crate::project::{Project, State, learnt};

/// Prints what Django says about the project: a table, or one JSON object.
pub(crate) async fn run(args: &InspectArgs, console: &Console) -> Result<(), Failure> {
    let quiet = Console::quiet();
    let console = if args.json { &quiet } else { console };
    let site = crate::site_file::load(&args.dir, console)?;
    let (project, injected) = asked(site, console).await?;
    let mut inspection = inspect(project.app()?, true)
        .await
        .map_err(|error| Failure::of_step(&error, error.hint()))?;
    explain(&project, &mut inspection)?;
    let text = if args.json {
        for read in &mut inspection.env {
            // Whether the user set it is the question.
            read.set &= !injected.contains_key(&read.name);
        }
        serde_json::to_string_pretty(&inspection)?
    } else {
        inspection.human(&injected, &project.found.root)
    };
    writeln!(std::io::stdout(), "{}", text.trim_end())?;
    Ok(())
}

/// A cluster of our own runs with `up` only: that says more than the driver's words about its socket.
fn explain(project: &Project, inspection: &mut Inspection) -> Result<(), Failure> {
    let Some(Pending::Unknown { kind, message }) = &mut inspection.pending else {
        return Ok(());
    };
    let learnt = learnt::last(&State::open_shared(project)?);
    if kind == "OperationalError" && learnt.is_some_and(|learnt| learnt.managed) {
        "the site's own PostgreSQL does not run; ask while `hotclub up` does".clone_into(message);
    }
    Ok(())
}

/// The project with its dependencies installed, and what an earlier `up` injected.
pub(crate) async fn asked(site: Site, console: &Console) -> Result<(Project, Vars), Failure> {
    let mut project = Project::find(site, None)?;
    let state = State::open_shared(&project)?;
    project.install(&state, console).await?;
    let mut injected = project.inject_what_is_known(&state);
    if !state.knows_the_settings() {
        // Settings that demand a SECRET_KEY can be asked before the first start, too.
        let learned = learn(project.app_mut()?, None).await;
        injected = learned
            .map_err(|error| Failure::of_step(&error, error.hint()))?
            .injected;
    }
    Ok((project, injected))
}
