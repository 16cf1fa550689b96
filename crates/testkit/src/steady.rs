//! A load of a fixed rate, and how long its answers took.
//!
//! Request n is due at a moment that is fixed beforehand, and its latency counts from there: a server that stalls
//! delays all that fell due meanwhile, and cannot make its stall look like one slow request by being asked less.

use std::io;
use std::time::{Duration, Instant};

use crate::raw::Raw;

/// How often is asked, and for what.
#[derive(Clone, Debug)]
pub struct Steady {
    pub path: &'static str,
    /// Requests a second, all connections together.
    pub rate: f64,
    /// They take turns and are kept when the server keeps them.
    pub connections: u32,
    pub length: Duration,
    /// Whatever takes longer has failed.
    pub patience: Duration,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Timings {
    /// From the moment a request was due to the end of its answer: good ones only, the fastest first.
    pub good: Vec<Duration>,
    /// The same, apart for each second of the load.
    pub seconds: Vec<Vec<Duration>>,
    pub failures: Vec<String>,
    /// Due, and never asked, because the server was still busy with an earlier one after all patience.
    pub skipped: usize,
}

impl Steady {
    /// Loads the server for the whole length.
    pub fn run(&self, address: &str) -> Timings {
        let began = Instant::now();
        let client = |index| {
            let client = Client {
                plan: self.clone(),
                address: address.to_owned(),
                kept: None,
                timings: Timings::default(),
            };
            std::thread::spawn(move || client.run(began, index))
        };
        let clients: Vec<_> = (0..self.connections).map(client).collect();
        let mut all = Timings::default();
        for client in clients {
            let timings = client.join().expect("a client panicked");
            all.good.extend(timings.good);
            all.seconds
                .resize_with(all.seconds.len().max(timings.seconds.len()), Vec::new);
            for (second, times) in all.seconds.iter_mut().zip(timings.seconds) {
                second.extend(times);
            }
            all.failures.extend(timings.failures);
            all.skipped += timings.skipped;
        }
        all.good.sort();
        all.seconds.iter_mut().for_each(|second| second.sort());
        all
    }
}

impl Timings {
    /// A good answer to what was due at this moment of the load.
    fn note(&mut self, due: Duration, took: Duration) {
        let second = usize::try_from(due.as_secs()).unwrap_or(usize::MAX);
        if self.seconds.len() <= second {
            self.seconds.resize_with(second + 1, Vec::new);
        }
        self.seconds[second].push(took);
        self.good.push(took);
    }

    /// The time within which this share of the good answers came.
    pub fn quantile(&self, share: f64) -> Duration {
        quantile(&self.good, share)
    }

    /// The 99th percentile of each second, in milliseconds: what else a machine does spoils some seconds and not the
    /// others, what the server does is in all of them.
    pub fn p99_ms_by_second(&self) -> impl Iterator<Item = f64> {
        let full = self.seconds.iter().filter(|times| !times.is_empty());
        full.map(|times| milliseconds(quantile(times, 0.99)))
    }

    /// In milliseconds, to the microsecond.
    pub fn p99_ms(&self) -> f64 {
        milliseconds(self.quantile(0.99))
    }

    /// Requests that were due.
    pub fn due(&self) -> usize {
        self.good.len() + self.failed()
    }

    pub fn failed(&self) -> usize {
        self.failures.len() + self.skipped
    }
}

fn quantile(sorted: &[Duration], share: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * share).ceil() as usize;
    sorted.get(at).copied().unwrap_or_default()
}

fn milliseconds(time: Duration) -> f64 {
    (time.as_micros() as f64) / 1000.0
}

struct Client {
    plan: Steady,
    address: String,
    kept: Option<Raw>,
    timings: Timings,
}

impl Client {
    fn run(mut self, began: Instant, index: u32) -> Timings {
        let apart = Duration::from_secs_f64(1.0 / self.plan.rate);
        let mut due = began + apart * index;
        let end = began + self.plan.length;
        while due < end {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            if Instant::now() > end + self.plan.patience {
                self.timings.skipped += 1;
            } else {
                match self.ask() {
                    Ok(()) => self.timings.note(due - began, due.elapsed()),
                    Err(error) => self.timings.failures.push(error.to_string()),
                }
            }
            due += apart * self.plan.connections;
        }
        self.timings
    }

    fn ask(&mut self) -> io::Result<()> {
        let kept = self.kept.take();
        let connect = || Raw::connect_within(&self.address, self.plan.patience);
        let mut connection = kept.map_or_else(connect, Ok)?;
        let path = self.plan.path;
        let answer = connection.ask(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))?;
        if answer.status != 200 || !answer.complete {
            return Err(io::Error::other(format!("status {}", answer.status)));
        }
        if answer.keeps_alive() {
            self.kept = Some(connection);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_time_that_was_measured() {
        let good = (1..=100).map(Duration::from_millis).collect();
        let timings = Timings {
            good,
            ..Timings::default()
        };
        assert_eq!(timings.quantile(0.5), Duration::from_millis(51));
        assert_eq!(timings.quantile(0.99), Duration::from_millis(100));
        assert_eq!(Timings::default().quantile(0.99), Duration::ZERO);
    }
}
