//! `cargo xtask test`: set-up, every step, a table, and one closing line that says how many tests
//! passed, failed and were skipped. A step that fails does not keep the next ones from running.

mod checks;
mod count;
mod report;
mod rust;
mod sites;
mod step;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;

use crate::setup::{self, Need, Tools};
use crate::{descendants, interrupt, project};
use report::Row;
use step::{Outcome, STEPS, Step};

#[derive(Args)]
pub(crate) struct Options {
    /// Run only this step (repeatable, or a comma between them)
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    only: Vec<String>,
    /// List the steps
    #[arg(long)]
    list: bool,
    /// Stop at the first step that fails
    #[arg(long)]
    fail_fast: bool,
    /// Run only tests whose name contains this (unit and integration)
    #[arg(last = true)]
    filter: Vec<String>,
}

/// What every step may look at.
pub(crate) struct Context {
    pub(crate) tools: Tools,
    pub(crate) filter: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if options.list {
        report::list(STEPS);
        return Ok(ExitCode::SUCCESS);
    }
    let steps = chosen(&options.only)?;
    descendants::adopt_orphans();

    let started = Instant::now();
    report::heading("setup");
    let needs = needs_of(&steps);
    let mut context = Context {
        tools: setup::provide(&needs),
        filter: options.filter.clone(),
    };
    let mut rows = vec![Row {
        name: "setup",
        outcome: setup_outcome(&context.tools),
        took: started.elapsed(),
    }];

    for step in steps {
        if interrupt::requested() || (options.fail_fast && rows.iter().any(Row::failed)) {
            rows.push(Row::not_run(step.name));
            continue;
        }
        rows.push(run_step(step, &mut context));
    }
    report::table(&rows, started.elapsed());
    Ok(report::close(&rows))
}

fn run_step(step: &'static Step, context: &mut Context) -> Row {
    report::heading(step.name);
    let started = Instant::now();
    let mut outcome =
        (step.run)(context).unwrap_or_else(|error| Outcome::broken(format!("{error:#}")));
    for process in descendants::end_leftovers() {
        outcome
            .problems
            .push(format!("left a process behind: {process}"));
    }
    Row {
        name: step.name,
        outcome,
        took: started.elapsed(),
    }
}

fn chosen(only: &[String]) -> Result<Vec<&'static Step>> {
    let everything = STEPS.iter().filter(|step| !step.part);
    if only.is_empty() {
        return Ok(everything.collect());
    }
    if let Some(unknown) = only
        .iter()
        .find(|name| *name != "setup" && STEPS.iter().all(|step| step.name != **name))
    {
        let names: Vec<_> = STEPS.iter().map(|step| step.name).collect();
        bail!(
            "no step is called {unknown:?}\n  hint: one of setup, {}",
            names.join(", ")
        );
    }
    Ok(STEPS
        .iter()
        .filter(|step| only.iter().any(|name| name == step.name))
        .collect())
}

fn needs_of(steps: &[&Step]) -> Vec<Need> {
    let mut needs = vec![Need::Compiler];
    for need in steps.iter().flat_map(|step| step.needs) {
        if !needs.contains(need) {
            needs.push(*need);
        }
    }
    needs
}

/// In CI a missing tool is a failure; elsewhere what needs it is skipped, with the reason.
fn setup_outcome(tools: &Tools) -> Outcome {
    let mut outcome = Outcome::default();
    for (need, error) in &tools.missing {
        let text = format!("{} is missing: {error:#}", need.name());
        if project::in_ci() {
            outcome.problems.push(text);
        } else {
            outcome.notes.push(text);
        }
    }
    outcome
}
