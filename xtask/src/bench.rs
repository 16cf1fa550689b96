//! `cargo xtask bench`: Hotclub beside its peers, on this machine, in one run.
//!
//! The stacks take turns (A B C, A B C, …), only one running at a time, so that what else the machine
//! does meets all alike. Their answers are compared before anything is measured.

mod against;
mod ceiling;
mod chart;
mod closed;
mod cluster;
mod crowd;
mod engine;
pub(crate) mod facts;
mod memory;
mod open;
mod plan;
pub(crate) mod results;
pub(crate) mod server;
pub(crate) mod site;
mod stack;
pub(crate) mod stacks;
mod workload;
mod workloads;
mod world;

use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;

use crate::descendants;
use crate::setup::{self, Need, Tools};
use plan::{Extent, Plan};
use results::Results;
use stack::Stack;
use workload::Workload;
use world::World;

#[derive(Args)]
pub(crate) struct Options {
    /// Three minutes: one short round of a few workloads; nothing to keep
    #[arg(long, conflicts_with = "full")]
    quick: bool,
    /// All stacks, all numbers of connections, long rounds: hours
    #[arg(long)]
    full: bool,
    /// Only these stacks or workloads; an unknown name lists them
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Compare this tree with another revision of it, and with nobody else
    #[arg(long, value_name = "REV")]
    against: Option<String>,
    /// Rounds, in each of which every stack has its turn
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// Seconds of measuring per turn and case
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
}

impl Options {
    fn plan(&self) -> Plan {
        let extent = match (self.quick, self.full) {
            (true, _) => Extent::Quick,
            (_, true) => Extent::Full,
            _ => Extent::Usual,
        };
        let mut plan = Plan::of(extent);
        if let Some(rounds) = self.rounds {
            plan.rounds = rounds.max(1);
        }
        if let Some(seconds) = self.seconds {
            plan.measure = Duration::from_secs(seconds.max(1));
        }
        plan
    }

    /// The workloads that were named; without any, those that belong to the extent.
    fn workloads(&self, extent: Extent) -> Vec<Box<dyn Workload>> {
        let mut all = workload::all();
        let named = |workload: &dyn Workload| self.only.iter().any(|name| name == workload.name());
        if all.iter().any(|workload| named(workload.as_ref())) {
            all.retain(|workload| named(workload.as_ref()));
        } else {
            all.retain(|workload| match extent {
                Extent::Quick => workload.is_quick(),
                Extent::Usual => workload.is_usual(),
                Extent::Full => true,
            });
        }
        all
    }

    /// The stacks that were named; without any, those that belong to the extent.
    fn stacks(&self, extent: Extent) -> Vec<&str> {
        let workloads = workload::all();
        let is_workload = |name: &str| workloads.iter().any(|workload| workload.name() == name);
        let mut named: Vec<&str> = self.only.iter().map(String::as_str).collect();
        named.retain(|name| !is_workload(name));
        if !named.is_empty() {
            return named;
        }
        let further: &[&str] = if extent == Extent::Full {
            &stack::FURTHER
        } else {
            &[]
        };
        stack::USUAL.iter().chain(further).copied().collect()
    }

    /// An unknown name is found out before anything is built.
    fn check(&self) -> Result<()> {
        let workloads: Vec<_> = workload::all().iter().map(|known| known.name()).collect();
        for name in &self.only {
            if !workloads.contains(&name.as_str()) && !stack::is_known(name) {
                bail!(
                    "nothing is called {name:?}\n  hint: a workload, one of {}\n  hint: or a stack, one of {}",
                    workloads.join(", "),
                    [&stack::USUAL[..], &stack::FURTHER].concat().join(", ")
                );
            }
        }
        Ok(())
    }
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    options.check()?;
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
    let failed: Vec<_> = results.tables.iter().filter(|table| table.failed).collect();
    for table in &failed {
        eprintln!("failed: {}: {:?}", table.name, table.left_out);
    }
    Ok(if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn measure(options: &Options) -> Result<Results> {
    let tools = tools()?;
    let plan = options.plan();
    let began = Instant::now();
    let mut facts = facts::collect(&tools, plan);
    let [wrk, open] = ceiling::measure()?;
    facts.insert("limit of wrk".to_owned(), wrk);
    facts.insert("limit of the open loop".to_owned(), open);
    let world = World::new(tools, plan)?;
    let stacks = stacks(options, plan.extent, &world)?;
    let mut tables = Vec::new();
    for workload in options.workloads(plan.extent) {
        tables.push(engine::run(workload.as_ref(), &stacks, &world)?);
    }
    facts.insert("load at the end".to_owned(), facts::load());
    let minutes = began.elapsed().as_secs_f64() / 60.0;
    facts.insert("took".to_owned(), format!("{minutes:.0} minutes"));
    let kept = Results::is_kept(plan.extent, &options.only) && options.against.is_none();
    Ok(Results {
        facts,
        tables,
        kept,
    })
}

fn tools() -> Result<Tools> {
    let tools = setup::provide(&[Need::BenchPython, Need::Postgres, Need::Https, Need::Peers]);
    if let Some((need, error)) = tools.missing.first() {
        bail!("{} is missing: {error:#}", need.name());
    }
    Ok(tools)
}

fn stacks(options: &Options, extent: Extent, world: &World) -> Result<Vec<Rc<dyn Stack>>> {
    if let Some(revision) = &options.against {
        return against::stacks(revision, world);
    }
    let names = options.stacks(extent);
    names
        .into_iter()
        .map(|name| stack::by_name(name, world))
        .collect()
}
