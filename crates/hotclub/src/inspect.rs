//! `hotclub inspect` and `hotclub check`: what a project is, and whether it is fit.

use std::io::Write;

use hotclub_django::inspect::inspect;
use hotclub_django::learn::learn;
use hotclub_django::{App, Vars};

use crate::cli::InspectArgs;
use crate::console::{Console, Failure};
use crate::project::{Project, State};

/// Prints what Django says about the project: a table, or one JSON object.
pub(crate) async fn run(args: &InspectArgs, console: &Console) -> Result<(), Failure> {
    let (project, injected) = asked(args, console).await?;
    let mut inspection = inspect(project.app()?, true)
        .await
        .map_err(|error| Failure::of_step(&error, error.hint()))?;
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

/// Reads the configuration as a start would, asks the settings, and has Django check itself.
pub(crate) async fn check(args: &InspectArgs, console: &Console) -> Result<(), Failure> {
    let (project, _) = asked(args, console).await?;
    let app = project.app()?;
    let inspection = inspect(app, false)
        .await
        .map_err(|error| Failure::of_step(&error, error.hint()))?;
    let said = django_check(app).await?;
    let debug = inspection
        .debug
        .then_some("DEBUG is on: turn it off where visitors come");
    let mut lines: Vec<&str> = said.lines().collect();
    lines.extend(debug);
    writeln!(std::io::stdout(), "{}", lines.join("\n"))?;
    Ok(())
}

/// `manage.py check --deploy`; its errors are ours.
async fn django_check(app: &App) -> Result<String, Failure> {
    let output = app
        .command("python")
        .args(["manage.py", "check", "--deploy"])
        .output()
        .await?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    if output.status.success() {
        return Ok(said);
    }
    Err(Failure::new("Django's own check found errors").detail(said))
}

/// The project with its dependencies installed, and what an earlier `up` injected.
async fn asked(args: &InspectArgs, console: &Console) -> Result<(Project, Vars), Failure> {
    let quiet = Console::quiet();
    let console = if args.json { &quiet } else { console };
    let site = crate::site_file::load(&args.dir, console)?;
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
