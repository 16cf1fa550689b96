//! Turns and rounds: every stack has one turn in each round of a workload, one at a time, and in every
//! turn its answers are compared with those of the others before anything is measured.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use anyhow::{Result, ensure};

use super::closed::{Closed, Load};
use super::plan::{Plan, WORKERS};
use super::results::Table;
use super::server::Server;
use super::site::Site;
use super::stack::{Job, Stack};
use super::workload::{Reading, Workload};
use super::world::World;
use crate::http::Answer;
use crate::interrupt;

/// One stack's turn, for the workload.
pub(super) struct Turn<'a> {
    pub(super) stack: &'a dyn Stack,
    pub(super) world: &'a World,
    pub(super) round: u32,
    shared: &'a RefCell<Shared>,
}

/// What the turns of a workload share.
#[derive(Default)]
struct Shared {
    /// By path: who answered first, and how.
    answers: BTreeMap<String, (String, Answer)>,
    commands: BTreeMap<String, Vec<String>>,
    configs: BTreeMap<String, String>,
    /// By whatever name a workload keeps it under.
    kept: BTreeMap<String, String>,
}

/// A turn that the stack cannot take by what it is.
#[derive(Debug)]
struct Refused(&'static str);

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Refused {}

impl Turn<'_> {
    pub(super) fn plan(&self) -> Plan {
        self.world.plan()
    }

    pub(super) fn job(&self, site: &Rc<Site>) -> Job {
        Job {
            site: Rc::clone(site),
            workers: WORKERS,
            with_front: true,
            tls: false,
        }
    }

    /// Starts the stack for the job, and compares its answers to `paths` with those of the stacks before it.
    pub(super) fn serve(&self, job: &Job, paths: &[String]) -> Result<Server> {
        if let Some(reason) = self.stack.refuses(job) {
            return Err(Refused(reason).into());
        }
        let server = self.stack.start(job)?;
        let name = self.stack.name().to_owned();
        let mut shared = self.shared.borrow_mut();
        for (config, text) in &server.configs {
            let key = format!("{name}/{config}");
            shared.configs.insert(key, text.clone());
        }
        shared.commands.insert(name, server.commands.clone());
        drop(shared);
        for path in paths {
            self.compare(&server, path, server.get(path)?)?;
        }
        Ok(server)
    }

    /// Fails when another stack answered otherwise. Over TLS pages hold other addresses of themselves.
    pub(super) fn compare(&self, server: &Server, path: &str, answer: Answer) -> Result<()> {
        let name = self.stack.name().to_owned();
        ensure!(
            answer.status == 200,
            "{name} answers {path} with {}",
            answer.status
        );
        let mut shared = self.shared.borrow_mut();
        let first = shared.answers.entry(format!("{}{path}", server.scheme()));
        let (other, expected) = first.or_insert((name.clone(), answer));
        ensure!(
            answer == *expected,
            "{other} and {name} answer {path} differently: {expected:?}, {answer:?}"
        );
        Ok(())
    }

    /// The load for the warm-up, thrown away, then for the plan's time.
    pub(super) fn measure(&self, load: &Closed<'_>, server: &Server) -> Result<Load> {
        load.run(server, self.plan().warm_up)?;
        let load = load.run(server, self.plan().measure)?;
        ensure!(load.requests_per_second > 0.0, "nothing was answered");
        Ok(load)
    }

    /// A reading for each number of connections: `all` of them in a full run, else the `usual` ones.
    pub(super) fn by_connections(
        &self,
        server: &Server,
        load: &Closed<'_>,
        all: &[u32],
        usual: &[u32],
    ) -> Result<Vec<Reading>> {
        let counts = self.plan().choose(all, usual).iter();
        let reading = |&connections: &u32| {
            let load = Closed {
                connections,
                ..load.clone()
            };
            Ok(Reading {
                case: self::connections(connections),
                values: self.measure(&load, server)?.values(),
            })
        };
        counts.map(reading).collect()
    }

    /// What an earlier turn of this workload found out under that name, or what `find` finds now.
    pub(super) fn once(&self, name: &str, find: impl FnOnce() -> Result<String>) -> Result<String> {
        if let Some(value) = self.shared.borrow().kept.get(name) {
            return Ok(value.clone());
        }
        let value = find()?;
        self.shared
            .borrow_mut()
            .kept
            .insert(name.to_owned(), value.clone());
        Ok(value)
    }
}

/// A case's name.
pub(super) fn connections(count: u32) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} connection{plural}")
}

/// All rounds of one workload.
pub(super) fn run(
    workload: &dyn Workload,
    usual: &[Rc<dyn Stack>],
    world: &World,
) -> Result<Table> {
    let stacks = workload.stacks(usual, world)?;
    let shared = RefCell::default();
    let mut table = Table::new(workload);
    let mut out: Vec<String> = Vec::new();
    for round in 1..=world.plan().rounds {
        for stack in &stacks {
            interrupt::check()?;
            if out.iter().any(|name| name == stack.name()) {
                continue;
            }
            let turn = Turn {
                stack: stack.as_ref(),
                world,
                round,
                shared: &shared,
            };
            match workload.turn(&turn) {
                Ok(readings) => {
                    tell(workload, &turn, &readings);
                    table.add(stack.name(), readings);
                }
                Err(error) => {
                    interrupt::check()?;
                    // It takes no further turn; what went wrong stands in the table, and fails the run.
                    table.failed |= !error.is::<Refused>();
                    let reason = format!("{error:#}");
                    eprintln!("{}: {}: {reason}", workload.name(), stack.name());
                    table.left_out.push((stack.name().to_owned(), reason));
                    out.push(stack.name().to_owned());
                }
            }
        }
    }
    let shared = shared.into_inner();
    table.commands = shared.commands;
    table.configs = shared.configs;
    Ok(table)
}

fn tell(workload: &dyn Workload, turn: &Turn<'_>, readings: &[Reading]) {
    for reading in readings {
        let values: Vec<_> = reading
            .values
            .iter()
            .map(|(column, value)| {
                format!("{} {value:.*} {}", column.name, column.digits, column.unit)
            })
            .collect();
        eprintln!(
            "{} {}/{}: {:<16} {:<18} {}",
            workload.name(),
            turn.round,
            turn.plan().rounds,
            turn.stack.name(),
            reading.case,
            values.join("  ")
        );
    }
}
