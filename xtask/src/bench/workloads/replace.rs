//! (k) From a worker's death to the next answer, and how long a reload takes and what it costs.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use rustix::process::Signal;

use crate::bench::engine::Turn;
use crate::bench::open::Open;
use crate::bench::server::Server;
use crate::bench::stack::Job;
use crate::bench::workload::{Column, Reading, Workload};
use crate::{descendants, interrupt};

pub(super) struct Replace;

const ANSWERS: Column = Column::less("answers again after", "ms", 1);
const RENEWED: Column = Column::less("all workers new after", "ms", 0);
const FAILED: Column = Column::less("failed of 100/s", "", 0);
/// Requests a second during a reload.
const RATE: f64 = 100.0;
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_micros(500);

impl Workload for Replace {
    fn name(&self) -> &'static str {
        "replace"
    }

    fn title(&self) -> String {
        "The only worker is killed; the code is loaded anew".to_owned()
    }

    fn remark(&self) -> &'static str {
        "The Django page without a query. Killed: from SIGKILL to the next 200. Reload: from SIGHUP to when none of the \
         old workers is left, with 100 requests a second meanwhile."
    }

    fn turn(&self, turn: &Turn<'_>) -> Result<Vec<Reading>> {
        let site = turn.world.plain()?;
        let paths = [site.path.clone()];
        let one = Job {
            workers: 1,
            ..turn.job(&site)
        };
        let server = turn.serve(&one, &paths)?;
        // Once a turn: some take a worker that dies twice in a few seconds for one that cannot start.
        let death = revive(&server, &site.path)?;
        drop(server);
        let server = turn.serve(&turn.job(&site), &paths)?;
        let (took, failed) = reload(&server, &site.path)?;
        Ok(vec![
            Reading {
                case: "killed".to_owned(),
                values: vec![(ANSWERS, death)],
            },
            Reading {
                case: "reload".to_owned(),
                values: vec![(RENEWED, took), (FAILED, failed)],
            },
        ])
    }
}

/// Milliseconds from the death of all workers to the next 200.
fn revive(server: &Server, path: &str) -> Result<f64> {
    let old = settled(server)?;
    let began = Instant::now();
    old.iter()
        .for_each(|worker| descendants::signal(*worker, Signal::KILL));
    while !server.get(path).is_ok_and(|answer| answer.status == 200) {
        interrupt::check()?;
        if began.elapsed() > PATIENCE {
            bail!("no answer since its worker was killed");
        }
        std::thread::sleep(POLL);
    }
    Ok(milliseconds(began))
}

/// The workers, once they have been the same for a while and answer.
fn settled(server: &Server) -> Result<Vec<i32>> {
    let began = Instant::now();
    let (mut workers, mut since) = (server.workers(), began);
    while workers.is_empty() || since.elapsed() < Duration::from_millis(500) {
        interrupt::check()?;
        if began.elapsed() > PATIENCE {
            bail!("its workers come and go");
        }
        std::thread::sleep(Duration::from_millis(20));
        let now = server.workers();
        if now != workers {
            (workers, since) = (now, Instant::now());
        }
    }
    Ok(workers)
}

/// Milliseconds until all workers are new, and how many requests failed meanwhile.
fn reload(server: &Server, path: &str) -> Result<(f64, f64)> {
    let old = settled(server)?;
    let load = Open {
        path,
        rate: RATE,
        length: Duration::from_secs(3),
        patience: PATIENCE,
    };
    std::thread::scope(|scope| {
        let load = scope.spawn(|| load.run(server.address));
        let renewed = renew(server, &old);
        let timings = load.join().unwrap_or_else(|_| bail!("the load ended"))?;
        Ok((renewed?, timings.bad() as f64))
    })
}

fn renew(server: &Server, old: &[i32]) -> Result<f64> {
    // The load is under way by then.
    std::thread::sleep(Duration::from_millis(200));
    let began = Instant::now();
    descendants::signal(server.first(), Signal::HUP);
    loop {
        let now = server.workers();
        if now.len() >= old.len() && old.iter().all(|worker| !now.contains(worker)) {
            return Ok(milliseconds(began));
        }
        interrupt::check()?;
        if began.elapsed() > PATIENCE {
            bail!("SIGHUP renews no worker");
        }
        std::thread::sleep(POLL);
    }
}

fn milliseconds(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1000.0
}
