//! `cargo xtask bench`: Hotclub beside NGINX + Gunicorn and Granian, on this machine, in one run.
//!
//! The stacks take turns (A B C, A B C, …), only one running at a time, so that what else the machine
//! does meets all alike. Their answers are compared before anything is measured.

mod chart;
mod cluster;
pub(crate) mod facts;
mod granian;
pub(crate) mod gunicorn;
mod hotclub;
mod memory;
pub(crate) mod results;
pub(crate) mod server;
pub(crate) mod site;
mod stack;
mod wrk;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use clap::Args;

use crate::setup::{self, Need};
use crate::{descendants, http, interrupt};
use results::{Memory, Results, Samples, Scenario, Startup};
use site::Site;
use stack::{Job, Stack};

const WORKERS: u32 = 2;
const MEMORY_WORKERS: u32 = 4;

#[derive(Args)]
pub(crate) struct Options {
    /// One short round: does it work at all, not how fast it is
    #[arg(long)]
    quick: bool,
    /// Only these stacks or workloads: hotclub, nginx-gunicorn, granian, hello, home
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Rounds, in each of which every stack has its turn
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// Seconds of measuring per turn
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
}

/// How long and how often.
#[derive(Clone, Copy)]
pub(crate) struct Plan {
    rounds: u32,
    measure: Duration,
    warm_up: Duration,
    starts: u32,
}

impl Options {
    fn plan(&self) -> Plan {
        let (rounds, seconds, warm_up, starts) = if self.quick {
            (1, 2, 1, 1)
        } else {
            (5, 10, 3, 3)
        };
        Plan {
            rounds: self.rounds.unwrap_or(rounds).max(1),
            measure: Duration::from_secs(self.seconds.unwrap_or(seconds).max(1)),
            warm_up: Duration::from_secs(warm_up),
            starts,
        }
    }

    /// Whether `name` was asked for, by itself or because nothing of its kind was.
    fn wants(&self, name: &str, kind: &[&str]) -> bool {
        let asked = |name: &str| self.only.iter().any(|only| only == name);
        asked(name) || !kind.iter().any(|other| asked(other))
    }
}

const STACKS: [&str; 3] = ["hotclub", "nginx-gunicorn", "granian"];
const SITES: [&str; 2] = ["hello", "home"];

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if let Some(unknown) = options
        .only
        .iter()
        .find(|name| !STACKS.iter().chain(&SITES).any(|known| known == name))
    {
        bail!("nothing is called {unknown:?}\n  hint: one of {STACKS:?} or {SITES:?}");
    }
    descendants::adopt_orphans();
    let outcome = measure(options);
    for process in descendants::end_leftovers() {
        eprintln!("left behind, ended: {process}");
    }
    let results = outcome?;
    let folder = results.save()?;
    chart::draw(&results, &folder)?;
    println!("{}", results.markdown());
    eprintln!("raw results: {}", folder.display());
    Ok(ExitCode::SUCCESS)
}

fn measure(options: &Options) -> Result<Results> {
    let tools = setup::provide(&[Need::Python, Need::Postgres, Need::Peers]);
    if let Some((need, error)) = tools.missing.first() {
        bail!("{} is missing: {error:#}", need.name());
    }
    let work = site::work_folder()?;
    let sites = site::all(&tools, work.path(), |name| options.wants(name, &SITES))?;
    let stacks = stack::all(&tools, |name| options.wants(name, &STACKS))?;
    let plan = options.plan();

    let mut results = Results {
        facts: facts::collect(&tools, plan),
        quick: options.quick,
        ..Results::default()
    };
    for site in &sites {
        let stacks = answering_alike(&stacks, site)?;
        results.scenarios.push(compare(&stacks, site, plan)?);
        if site.realistic || sites.len() == 1 {
            results.memory = memory_of(&stacks, site, plan)?;
            results.startup = startup_of(&stacks, site, plan)?;
        }
    }
    Ok(results)
}

/// Leaves out a stack that cannot serve the site (and says so); fails when answers differ.
fn answering_alike<'a>(stacks: &'a [Box<dyn Stack>], site: &Site) -> Result<Vec<&'a dyn Stack>> {
    let mut serving: Vec<&dyn Stack> = Vec::new();
    let mut first = None;
    for stack in stacks {
        let answer = match stack.start(&Job {
            site,
            workers: WORKERS,
            with_proxy: true,
        }) {
            Ok(server) => http::get(server.address, site.path)?,
            Err(error) => {
                interrupt::check()?;
                eprintln!("skipped: {} on {}: {error:#}", stack.name(), site.name);
                continue;
            }
        };
        eprintln!(
            "{}: {} answers {} with {} bytes",
            site.name,
            stack.name(),
            answer.status,
            answer.body_bytes
        );
        ensure!(
            answer.status == 200,
            "{} answers {}",
            stack.name(),
            answer.status
        );
        let (name, expected) = *first.get_or_insert((stack.name(), answer));
        ensure!(
            answer == expected,
            "{name} and {} answer differently",
            stack.name()
        );
        serving.push(stack.as_ref());
    }
    Ok(serving)
}

fn compare(stacks: &[&dyn Stack], site: &Site, plan: Plan) -> Result<Scenario> {
    let mut samples: BTreeMap<String, Samples> = BTreeMap::new();
    let mut commands = BTreeMap::new();
    for round in 1..=plan.rounds {
        for stack in stacks {
            let server = stack.start(&Job {
                site,
                workers: WORKERS,
                with_proxy: true,
            })?;
            wrk::load(&server, site, plan.warm_up)?;
            let load = wrk::load(&server, site, plan.measure)?;
            eprintln!(
                "{} round {round}/{}: {:<15} {:>8.0} req/s, p99 {:.1} ms",
                site.name,
                plan.rounds,
                stack.name(),
                load.requests_per_second,
                load.p99_ms
            );
            commands.insert(stack.name().to_owned(), server.commands.clone());
            samples
                .entry(stack.name().to_owned())
                .or_default()
                .runs
                .push(load);
        }
    }
    Ok(Scenario {
        name: site.name.to_owned(),
        title: site.title.to_owned(),
        connections: site.connections,
        workers: WORKERS,
        samples,
        commands,
    })
}

/// The app servers alone, without NGINX, after some load.
fn memory_of(stacks: &[&dyn Stack], site: &Site, plan: Plan) -> Result<Vec<Memory>> {
    let mut found = Vec::new();
    for stack in stacks {
        let job = Job {
            site,
            workers: MEMORY_WORKERS,
            with_proxy: false,
        };
        let server = stack.start(&job)?;
        wrk::load(&server, site, plan.measure)?;
        let memory = memory::of(&server, stack.name(), MEMORY_WORKERS);
        eprintln!(
            "{}: {} takes {:.0} MiB (PSS)",
            site.name,
            stack.name(),
            memory.total_mib
        );
        found.push(memory);
    }
    Ok(found)
}

fn startup_of(stacks: &[&dyn Stack], site: &Site, plan: Plan) -> Result<Vec<Startup>> {
    let mut found = Vec::new();
    for stack in stacks {
        let startup = stack.startup(site, WORKERS, plan.starts)?;
        eprintln!(
            "{}: {} answers first after {:?} s",
            site.name,
            stack.name(),
            startup.first_s
        );
        found.push(startup);
    }
    Ok(found)
}
