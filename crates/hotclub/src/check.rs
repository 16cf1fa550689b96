//! `hotclub check`: reads what a start would read, has Django check itself, and says what makes visitors suffer all the
//! same.

mod doctor;

use std::io::Write;
use std::path::Path;

use hotclub_config::Site;
use hotclub_django::App;
use hotclub_django::inspect::inspect;

use self::doctor::Doubt;
use crate::cli::CheckArgs;
use crate::console::{Console, Failure};
use crate::face::{self, Face};
use crate::project::Project;
use crate::{host, inspect as asking, measure, site_file, tuning};

pub(crate) async fn run(args: &CheckArgs, console: &Console) -> Result<(), Failure> {
    match &args.config {
        Some(file) => server(file, console).await,
        None => {
            let site = site_file::load(&args.dir, console)?;
            let said = Box::pin(one(site, console)).await?;
            writeln!(std::io::stdout(), "{said}")?;
            Ok(())
        }
    }
}

/// Each site is checked, whatever was wrong with those before it.
async fn server(file: &Path, console: &Console) -> Result<(), Failure> {
    let wanted = host::read(file, None, None, console)?;
    let mut wrong = Vec::new();
    for site in wanted.sites {
        let name = site.name.clone();
        match Box::pin(one(Site::clone(&site), &console.of_site(&name))).await {
            Ok(said) => writeln!(std::io::stdout(), "{name}: {said}")?,
            Err(failure) => {
                console.of_site(&name).failure(&failure);
                wrong.push(name);
            }
        }
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(Failure::new(format!(
            "not all sites are as they should be: {}",
            wrong.join(", ")
        ))),
    }
}

async fn one(site: Site, console: &Console) -> Result<String, Failure> {
    if !face::has_app(&site) {
        let doubts = doctor::of_machine(&site).await;
        Face::new(site.into(), Vec::new())?.open(None, &[])?;
        return Ok(with(vec!["no faults".to_owned()], doubts));
    }
    let (mut project, _) = asking::asked(site, console).await?;
    let app = project.app()?;
    let inspection = inspect(app, false)
        .await
        .map_err(|error| Failure::of_step(&error, error.hint()))?;
    let said = django_check(app).await?;
    let debug = inspection
        .debug
        .then_some("DEBUG is on: turn it off where visitors come");
    let mut lines: Vec<String> = said.lines().map(str::to_owned).collect();
    lines.extend(debug.map(str::to_owned));
    project.inspection = inspection;
    let mut doubts = doctor::of_project(&project);
    doubts.extend(doctor::of_machine(&project.site).await);
    let mut lines = vec![with(lines, doubts)];
    lines.extend(tuned(&project).await);
    Ok(lines.join("\n"))
}

fn with(mut lines: Vec<String>, doubts: Vec<Doubt>) -> String {
    for Doubt { message, hint } in doubts {
        lines.push(format!("{message} (hint: {hint})"));
    }
    lines.join("\n")
}

/// What a start would tune, and what the settings would have to say instead. An app that cannot be loaded has
/// nothing to tune, and Django's own check has said why.
async fn tuned(project: &Project) -> Vec<String> {
    let allowed = measure::allowed(project.site.app.tune);
    let Ok(answer) = measure::measure(project, allowed, None).await else {
        return Vec::new();
    };
    let doubts = answer.warnings.iter();
    let mut lines: Vec<String> = doubts
        .map(|doubt| format!("{} (hint: {})", doubt.message, doubt.hint))
        .collect();
    lines.extend(answer.tuned.iter().map(tuning::explained));
    lines
}

/// `manage.py check --deploy`; its errors are ours.
pub(crate) async fn django_check(app: &App) -> Result<String, Failure> {
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
