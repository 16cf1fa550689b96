//! `cargo xtask chaos --compare`: the same storms against Hotclub, Gunicorn and Granian.
//!
//! They take turns in each round, one at a time, so that what else the machine does meets all alike. Requests come
//! at a fixed rate, and latency counts from the moment each was due.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use anyhow::Result;
use hotclub_testkit::{Crowd, Steady, Timings};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde::Serialize;

use super::rivals::{self, Rival};
use crate::bench::results::Spread;
use crate::bench::server::Server;
use crate::setup::Tools;
use crate::{descendants, interrupt};

const KILLS: u32 = 8;
const BETWEEN_KILLS: Duration = Duration::from_secs(1);
const RELOADS: u32 = 3;
const BETWEEN_RELOADS: Duration = Duration::from_secs(3);
const QUIET: Duration = Duration::from_secs(5);
/// Of each of the four kinds.
const SLOW: usize = 2500;
/// Time for the slow clients to arrive. Who does not let them in is measured with those that came.
const GATHERING: Duration = Duration::from_secs(15);
/// Time to serve again; what takes longer is told as this.
const RECOVERY: Duration = Duration::from_secs(20);

/// What became of the ordinary requests in all rounds.
#[derive(Default, Serialize)]
struct Storm {
    requests: usize,
    failed: usize,
    /// By second, of the good ones.
    p99_ms: Vec<f64>,
    /// The first failures' words.
    failures: Vec<String>,
}

#[derive(Default, Serialize)]
struct Score {
    commands: Vec<String>,
    kills: Storm,
    /// From the death of all workers at once to the first answer.
    serving_again_ms: Vec<f64>,
    reloads: Storm,
    quiet: Storm,
    slow: Storm,
    /// Connections on which the server waited for a slow client, by kind and round.
    slow_connections: Vec<[usize; 4]>,
}

/// Scores in the order of [`Rival::ALL`].
#[derive(Serialize)]
pub(super) struct Comparison {
    rounds: u32,
    scores: BTreeMap<&'static str, Score>,
}

pub(super) fn run(tools: &Tools, rounds: u32) -> Result<Comparison> {
    raise_limit()?;
    rivals::build()?;
    let mut scores: BTreeMap<_, Score> = BTreeMap::new();
    for round in 1..=rounds {
        for rival in Rival::ALL {
            eprintln!("round {round}/{rounds}: {}", rival.name());
            storm(rival, tools, scores.entry(rival.name()).or_default())?;
        }
    }
    Ok(Comparison { rounds, scores })
}

fn storm(rival: Rival, tools: &Tools, score: &mut Score) -> Result<()> {
    let scratch = crate::bench::site::work_folder()?;
    let server = rival.start(tools, scratch.path())?;
    score.commands.clone_from(&server.commands);
    ordinary(&server, Duration::from_secs(2));

    let kill = || {
        let workers = rival.workers(&server);
        if let Some(victim) = workers.first() {
            descendants::signal(*victim, Signal::KILL);
        }
    };
    score.kills.add(during(&server, KILLS, BETWEEN_KILLS, kill));
    wait_for_workers(rival, &server)?;
    score.serving_again_ms.push(revive(rival, &server));
    wait_for_workers(rival, &server)?;

    let reload = || descendants::signal(server.first(), Signal::HUP);
    score
        .reloads
        .add(during(&server, RELOADS, BETWEEN_RELOADS, reload));
    wait_for_workers(rival, &server)?;

    score.quiet.add(ordinary(&server, QUIET));
    let crowd = Crowd::gather(&server.address.to_string(), [SLOW; 4]);
    crowd.settle(GATHERING);
    score.slow_connections.push(crowd.settled());
    score.slow.add(ordinary(&server, QUIET));
    crowd.leave();
    interrupt::check()
}

fn ordinary(server: &Server, length: Duration) -> Timings {
    let steady = Steady {
        path: "/",
        rate: 200.0,
        connections: 8,
        length,
        patience: Duration::from_secs(5),
    };
    steady.run(&server.address.to_string())
}

/// The ordinary requests of the time in which something happens so often.
fn during(server: &Server, times: u32, apart: Duration, mut happen: impl FnMut()) -> Timings {
    std::thread::scope(|scope| {
        let load = scope.spawn(|| ordinary(server, apart * (times + 1)));
        for _ in 0..times {
            std::thread::sleep(apart);
            happen();
        }
        load.join().unwrap_or_default()
    })
}

/// Milliseconds from the death of all workers to an answer on a new connection.
fn revive(rival: Rival, server: &Server) -> f64 {
    let began = Instant::now();
    for worker in rival.workers(server) {
        descendants::signal(worker, Signal::KILL);
    }
    let once = Steady {
        path: "/",
        rate: 1.0,
        connections: 1,
        length: Duration::from_millis(1),
        patience: Duration::from_millis(500),
    };
    let address = server.address.to_string();
    while once.run(&address).good.is_empty() && began.elapsed() < RECOVERY {
        std::thread::sleep(Duration::from_millis(1));
    }
    began.elapsed().as_secs_f64() * 1000.0
}

/// As many as there should be, of one generation: a peer may still be busy with the last reload.
fn wait_for_workers(rival: Rival, server: &Server) -> Result<()> {
    let (began, mut since) = (Instant::now(), Instant::now());
    let mut last = Vec::new();
    while began.elapsed() < RECOVERY && since.elapsed() < Duration::from_secs(1) {
        interrupt::check()?;
        let now = rival.workers(server);
        if now != last || now.len() != rivals::WORKERS as usize {
            since = Instant::now();
        }
        last = now;
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

fn raise_limit() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit = Rlimit {
        current: limit.maximum.map(|most| most.min(65_536)).or(Some(65_536)),
        ..limit
    };
    Ok(setrlimit(Resource::Nofile, limit)?)
}

impl Storm {
    fn add(&mut self, timings: Timings) {
        self.requests += timings.due();
        self.failed += timings.failed();
        self.p99_ms.extend(timings.p99_ms_by_second());
        let room = 5_usize.saturating_sub(self.failures.len());
        self.failures
            .extend(timings.failures.into_iter().take(room));
    }

    fn p99(&self) -> f64 {
        Spread::of(self.p99_ms.iter().copied()).median
    }

    /// `8 of 1,800 failed, p99 4.1 ms`
    fn cell(&self) -> String {
        let p99 = if self.p99_ms.is_empty() {
            "no answer".to_owned()
        } else {
            format!("p99 {:.1} ms", self.p99())
        };
        format!("{} of {} failed, {p99}", self.failed, self.requests)
    }
}

impl Comparison {
    pub(super) fn markdown(&self) -> String {
        let mut text = String::from(
            "| | a worker killed every second | serving again after all workers were killed | a reload every 3 s \
             | no slow clients | 10,000 slow clients | slow clients let in |\n|---|---|---|---|---|---|---|\n",
        );
        for rival in Rival::ALL {
            let Some(score) = self.scores.get(rival.name()) else {
                continue;
            };
            let again = Spread::of(score.serving_again_ms.iter().copied());
            let let_in = score.slow_connections.iter();
            let least = let_in.map(|kinds| kinds.iter().sum::<usize>()).min();
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {} | {} | {:.0} ms | {} | {} | {} | {} |",
                rival.name(),
                score.kills.cell(),
                again.median,
                score.reloads.cell(),
                score.quiet.cell(),
                score.slow.cell(),
                least.unwrap_or(0),
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_says_what_failed_and_how_long_the_rest_took() {
        let mut storm = Storm::default();
        assert_eq!(storm.cell(), "0 of 0 failed, no answer");
        storm.add(Timings {
            good: vec![Duration::from_millis(3)],
            seconds: vec![vec![Duration::from_millis(3)]],
            failures: vec!["status 502".to_owned()],
            skipped: 1,
        });
        assert_eq!(storm.cell(), "2 of 3 failed, p99 3.0 ms");
    }
}
