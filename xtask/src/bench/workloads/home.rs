//! (a) The portfolio's home page, on PostgreSQL, and how near that comes to what the view can do by itself.

use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::bench::closed::{Closed, Load};
use crate::bench::engine::Turn;
use crate::bench::plan::WORKERS;
use crate::bench::site::Site;
use crate::bench::workload::{Column, Reading, Workload};
use crate::{command, project};

pub(super) struct Home;

/// Of what the app allows on the cores that the load generator leaves.
const OWN: Column = Column::more("of the app alone", "%", 0);
const GRACE: Duration = Duration::from_secs(60);
const CONNECTIONS: [u32; 4] = [16, 1, 64, 256];

impl Workload for Home {
    fn name(&self) -> &'static str {
        "home"
    }

    fn title(&self) -> String {
        "The portfolio's home page, on PostgreSQL".to_owned()
    }

    fn remark(&self) -> &'static str {
        "The app alone: its view, tuned as Hotclub tunes it, called in a loop by as many processes, without any \
         server, right before each stack's turn; less the processor time of the load generator."
    }

    fn is_quick(&self) -> bool {
        true
    }

    fn turn(&self, turn: &Turn<'_>) -> Result<Vec<Reading>> {
        let site = turn.world.portfolio()?;
        let paths = [site.path.clone()];
        let alone = own_limit(turn, &site)?;
        let server = turn.serve(&turn.job(&site), &paths)?;
        let counts = turn.plan().choose(&CONNECTIONS, &CONNECTIONS[..1]);
        let reading = |&connections: &u32| {
            let load = turn.measure(&Closed::gets(&paths, connections), &server)?;
            let mut values = load.values();
            if connections > 1 {
                values.push((OWN, 100.0 * load.requests_per_second / left(alone, &load)));
            }
            Ok(Reading {
                case: crate::bench::engine::connections(connections),
                values,
            })
        };
        counts.iter().map(reading).collect()
    }
}

/// Calls a second of the view, by as many processes as there are workers.
fn own_limit(turn: &Turn<'_>, site: &Rc<Site>) -> Result<f64> {
    let length = turn.plan().measure;
    let mut alone = Command::new(turn.world.python()?);
    alone
        .arg(project::root().join("bench/own_limit.py"))
        .args([&site.module, "--path", &site.path, "--chdir"])
        .arg(&site.folder)
        .args(["--processes", &WORKERS.to_string()])
        .args(["--seconds", &length.as_secs().to_string()])
        .current_dir(&site.folder)
        .envs(&site.env);
    let output = command::quiet(&mut alone, length + GRACE)?;
    let rate = output.lines().rev().find_map(|line| line.parse().ok());
    rate.with_context(|| format!("bench/own_limit.py printed something else:\n{output}"))
}

/// What the load generator leaves of that where there are no cores to spare.
fn left(alone: f64, load: &Load) -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as f64;
    let workers = f64::from(WORKERS).min(cores);
    let taken = (workers + load.cores - cores).max(0.0);
    alone * (1.0 - taken / workers).max(0.01)
}
