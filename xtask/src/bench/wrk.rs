//! The load generator: Debian's wrk, and reading what it prints.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::server::Server;
use super::site::Site;
use crate::command;
use crate::http::HOST;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Load {
    pub(super) requests_per_second: f64,
    pub(super) p50_ms: f64,
    pub(super) p99_ms: f64,
    /// Answers other than 2xx and 3xx, and connections that broke.
    pub(super) errors: u64,
}

pub(super) fn load(server: &Server, site: &Site, duration: Duration) -> Result<Load> {
    let mut wrk = Command::new("wrk");
    wrk.args([
        "--threads",
        "1",
        "--connections",
        &site.connections.to_string(),
    ]);
    wrk.args([
        "--duration",
        &format!("{}s", duration.as_secs()),
        "--latency",
    ]);
    wrk.arg("--header").arg(format!("Host: {HOST}"));
    wrk.arg(format!("http://{}{}", server.address, site.path));
    let output = command::quiet(&mut wrk, duration + Duration::from_secs(60))?;
    let load = parse(&output).with_context(|| format!("wrk printed something else:\n{output}"))?;
    ensure!(
        load.errors == 0,
        "{} requests failed under load:\n{output}",
        load.errors
    );
    Ok(load)
}

fn parse(output: &str) -> Option<Load> {
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

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "Running 2s test @ http://127.0.0.1:1/
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
    fn units_and_errors_are_read() {
        let load = parse(OUTPUT).unwrap();
        assert_eq!(
            load,
            Load {
                requests_per_second: 3203.11,
                p50_ms: 0.843,
                p99_ms: 1020.0,
                errors: 7
            }
        );
    }
}
