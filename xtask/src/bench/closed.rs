//! Closed loops: so many connections, each of which asks again as soon as it is answered. Debian's wrk
//! speaks HTTP/1.1, with and without TLS; nghttp2's h2load speaks HTTP/2.
//!
//! What a closed loop says about latency flatters a server that stalls: for that there is `open.rs`.

use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::server::Server;
use super::workload::{Column, P50, P99, RATE};
use crate::command;
use crate::http::HOST;

const GRACE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug)]
pub(super) struct Closed<'a> {
    /// Asked one after another, again and again.
    pub(super) paths: &'a [String],
    pub(super) connections: u32,
    /// Beside Host.
    pub(super) headers: &'a [(&'static str, String)],
    /// Bytes of a POST's body; 0 for GET.
    pub(super) upload: usize,
    pub(super) http2: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Load {
    pub(super) requests_per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// Answers other than 2xx and 3xx, and connections that broke.
    pub(super) errors: u64,
    /// Cores that the generator itself kept busy.
    pub(super) cores: f64,
}

impl Load {
    pub(super) fn values(&self) -> Vec<(Column, f64)> {
        vec![
            (RATE, self.requests_per_second),
            (P50, self.p50_ms),
            (P99, self.p99_ms),
        ]
    }
}

impl<'a> Closed<'a> {
    /// GETs over HTTP/1.1.
    pub(super) fn gets(paths: &'a [String], connections: u32) -> Self {
        Self {
            paths,
            connections,
            headers: &[],
            upload: 0,
            http2: false,
        }
    }

    /// Fails when any request does.
    pub(super) fn run(&self, server: &Server, duration: Duration) -> Result<Load> {
        let (began, before) = (Instant::now(), children_time());
        let mut load = if self.http2 {
            self.h2load(server, duration)?
        } else {
            self.wrk(server, duration)?
        };
        let busy = children_time().saturating_sub(before);
        load.cores = busy.as_secs_f64() / began.elapsed().as_secs_f64();
        ensure!(
            load.errors == 0,
            "{} requests failed under load",
            load.errors
        );
        Ok(load)
    }

    fn wrk(&self, server: &Server, duration: Duration) -> Result<Load> {
        let mut wrk = Command::new("wrk");
        wrk.args(["--threads", "1", "--latency", "--timeout", "30s"]);
        wrk.args(["--connections", &self.connections.to_string()]);
        wrk.args(["--duration", &format!("{}s", duration.as_secs().max(1))]);
        for (name, value) in self.fields() {
            wrk.arg("--header").arg(format!("{name}: {value}"));
        }
        let script = tempfile::Builder::new().suffix(".lua").tempfile()?;
        if self.paths.len() > 1 || self.upload > 0 {
            std::fs::write(script.path(), self.lua())?;
            wrk.arg("--script").arg(script.path());
        }
        let path = self.paths.first().map_or("/", String::as_str);
        wrk.arg(server.url(path));
        let output = command::quiet(&mut wrk, duration + GRACE)?;
        parse_wrk(&output).with_context(|| format!("wrk printed something else:\n{output}"))
    }

    /// What wrk is to ask: prepared once, handed out in turn.
    fn lua(&self) -> String {
        let mut text = String::from("local all = {}\nlocal n = 0\ninit = function(args)\n");
        for path in self.paths {
            let _ = if self.upload > 0 {
                writeln!(
                    text,
                    "  all[#all + 1] = wrk.format('POST', '{path}', nil, string.rep('x', {}))",
                    self.upload
                )
            } else {
                writeln!(text, "  all[#all + 1] = wrk.format('GET', '{path}')")
            };
        }
        text.push_str("end\nrequest = function()\n  n = n % #all + 1\n  return all[n]\nend\n");
        text
    }

    fn fields(&self) -> impl Iterator<Item = (&'static str, String)> {
        let host = std::iter::once(("Host", HOST.to_owned()));
        host.chain(self.headers.iter().cloned())
    }

    /// Up to ten requests at once on each connection, as browsers do it; `connections` counts requests.
    fn h2load(&self, server: &Server, duration: Duration) -> Result<Load> {
        let streams = self.connections.clamp(1, 10);
        let clients = (self.connections / streams).max(1);
        let log = tempfile::NamedTempFile::new()?;
        let mut h2load = Command::new("h2load");
        h2load.args(["--threads", "1", "--clients", &clients.to_string()]);
        h2load.args(["--max-concurrent-streams", &streams.to_string()]);
        h2load.args(["--duration", &duration.as_secs().max(1).to_string()]);
        h2load.arg(format!("--log-file={}", log.path().display()));
        for (name, value) in self.headers {
            h2load.arg("--header").arg(format!("{name}: {value}"));
        }
        for path in self.paths {
            h2load.arg(server.url(path));
        }
        let output = command::quiet(&mut h2load, duration + GRACE)?;
        let requests = std::fs::read_to_string(log.path())?;
        parse_h2load(&output, &requests)
            .with_context(|| format!("h2load printed something else:\n{output}"))
    }
}

/// Processor time of the children that were waited for: while a generator runs, no other child ends.
fn children_time() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // Behind the command, which may hold anything: cutime and cstime, in ticks of 10 ms.
    let after = text.rsplit(") ").next().unwrap_or_default();
    let ticks = after.split(' ').skip(13).take(2);
    let ticks: u64 = ticks.filter_map(|word| word.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

fn parse_wrk(output: &str) -> Option<Load> {
    let after = |word: &str| {
        let line = output
            .lines()
            .find_map(|line| line.trim().strip_prefix(word))?;
        line.trim().split(' ').next()
    };
    let socket_errors = output
        .lines()
        .find_map(|line| line.trim().strip_prefix("Socket errors:"));
    let numbers = socket_errors
        .into_iter()
        .flat_map(|line| line.split([' ', ',']));
    let broken: u64 = numbers.filter_map(|word| word.parse::<u64>().ok()).sum();
    let refused = after("Non-2xx or 3xx responses:").and_then(|number| number.parse().ok());
    Some(Load {
        requests_per_second: after("Requests/sec:")?.parse().ok()?,
        p50_ms: milliseconds(after("50%")?)?,
        p99_ms: milliseconds(after("99%")?)?,
        errors: broken + refused.unwrap_or(0),
        cores: 0.0,
    })
}

/// `843.00us`, `1.20ms`, `2.01s`, `1.50m`
fn milliseconds(text: &str) -> Option<f64> {
    let unit = text.find(|c: char| c.is_ascii_alphabetic())?;
    let value: f64 = text[..unit].parse().ok()?;
    let factor = match &text[unit..] {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1000.0,
        "m" => 60_000.0,
        _ => return None,
    };
    Some(value * factor)
}

/// Its summary has no percentiles; its log has a line a request: start, status, microseconds.
fn parse_h2load(output: &str, log: &str) -> Option<Load> {
    let rate = output
        .lines()
        .find_map(|line| line.split_once("finished in ")?.1.split_once(", "))
        .and_then(|(_, rest)| rest.split(' ').next()?.parse().ok())?;
    let mut errors = 0;
    let mut times: Vec<f64> = Vec::new();
    for line in log.lines() {
        let mut words = line.split('\t').skip(1);
        let (status, micros) = (words.next()?, words.next()?);
        errors += u64::from(!(status.starts_with('2') || status.starts_with('3')));
        times.push(micros.parse().ok()?);
    }
    times.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = (times.len().saturating_sub(1) as f64 * share).ceil() as usize;
        times.get(index).copied()
    };
    Some(Load {
        requests_per_second: rate,
        p50_ms: at(0.5)? / 1000.0,
        p99_ms: at(0.99)? / 1000.0,
        errors,
        cores: 0.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRK: &str = "Running 2s test @ http://127.0.0.1:1/
  1 threads and 16 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     5.01ms    1.17ms  21.08ms   92.32%
    Req/Sec     3.22k   210.48     3.51k    85.00%
  Latency Distribution
     50%  843.00us
     75%    5.12ms
     90%    5.98ms
     99%    1.02s
  6410 requests in 2.00s, 1.02MB read
  Socket errors: connect 0, read 2, write 0, timeout 1
  Non-2xx or 3xx responses: 4
Requests/sec:   3203.11
Transfer/sec:    522.97KB
";

    #[test]
    fn units_and_errors_of_wrk_are_read() {
        let load = parse_wrk(WRK).unwrap();
        assert_eq!(
            load,
            Load {
                requests_per_second: 3203.11,
                p50_ms: 0.843,
                p99_ms: 1020.0,
                errors: 7,
                cores: 0.0
            }
        );
    }

    #[test]
    fn the_log_of_h2load_gives_percentiles_and_errors() {
        let output = "\nfinished in 2.00s, 1200.50 req/s, 1.00MB/s\nrequests: 3 total\n";
        let log = "1\t200\t1000\n2\t200\t3000\n3\t503\t2000\n";
        let load = parse_h2load(output, log).unwrap();
        assert_eq!(
            load,
            Load {
                requests_per_second: 1200.5,
                p50_ms: 2.0,
                p99_ms: 3.0,
                errors: 1,
                cores: 0.0
            }
        );
    }

    #[test]
    fn several_paths_are_asked_in_turn() {
        let paths = ["/a".to_owned(), "/b".to_owned()];
        let lua = Closed::gets(&paths, 1).lua();
        assert!(lua.contains("wrk.format('GET', '/a')"));
        assert!(lua.contains("wrk.format('GET', '/b')"));
    }
}
