//! The load: wrk for HTTP/1.1, h2load for HTTP/2, openssl for handshakes. Anything but success fails the run.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use super::servers::Server;
use crate::command;

/// What a run may take beyond its time.
const SLACK: Duration = Duration::from_secs(60);
/// Clients that shake hands at once.
const HANDS: usize = 2;

/// Requests a second.
pub(super) fn wrk(server: &Server, path: &str, clients: u32, time: Duration) -> Result<f64> {
    let mut wrk = Command::new("wrk");
    wrk.args(["--threads", "1", "--connections", &clients.to_string()])
        .args(["--duration", &format!("{}s", time.as_secs())])
        .arg(format!("http://{}{path}", server.http));
    if let Some(host) = &server.host {
        wrk.arg("--header").arg(format!("Host: {host}"));
    }
    let output = command::quiet(&mut wrk, time + SLACK)?;
    let failed = ["Socket errors", "Non-2xx"]
        .iter()
        .any(|word| output.contains(word));
    ensure!(!failed, "requests failed:\n{output}");
    let rate = after(&output, "Requests/sec:").context("wrk says no rate")?;
    Ok(rate)
}

/// The same over TLS and HTTP/2, so many requests at once on a connection.
pub(super) fn h2load(
    server: &Server,
    path: &str,
    (clients, streams): (u32, u32),
    time: Duration,
) -> Result<f64> {
    let mut h2load = Command::new("h2load");
    h2load
        .args([
            "--clients",
            &clients.to_string(),
            "--max-concurrent-streams",
            &streams.to_string(),
        ])
        .args([
            "--warm-up-time",
            "1",
            "--duration",
            &time.as_secs().to_string(),
            "--window-bits",
            "24",
        ])
        .args(["--connection-window-bits", "28"])
        .arg(format!("https://{}{path}", server.https));
    let output = command::quiet(&mut h2load, time + SLACK)?;
    let fine =
        output.contains("Application protocol: h2") && output.contains(" 0 errored, 0 timeout");
    ensure!(fine, "requests failed:\n{output}");
    let line = output.lines().find(|line| line.starts_with("finished in"));
    let rate = line.and_then(|line| {
        line.split(", ")
            .nth(1)?
            .strip_suffix(" req/s")?
            .parse()
            .ok()
    });
    rate.context("h2load says no rate")
}

/// New sessions a second, none resumed.
pub(super) fn handshakes(server: &Server, time: Duration) -> Result<f64> {
    let start = || {
        Command::new("openssl")
            .args([
                "s_time",
                "-new",
                "-tls1_3",
                "-connect",
                &server.https.to_string(),
            ])
            .args(["-time", &time.as_secs().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
    };
    let clients = (0..HANDS).map(|_| start()).collect::<Result<Vec<_>, _>>()?;
    let mut sum = 0.0;
    for client in clients {
        let output = client.wait_with_output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().find(|line| line.contains("real seconds"));
        let words: Vec<&str> = line.unwrap_or_default().split(' ').collect();
        let [count, _, _, seconds, ..] = words[..] else {
            anyhow::bail!("openssl says no rate:\n{text}");
        };
        sum += count.parse::<f64>()? / seconds.parse::<f64>()?;
    }
    Ok(sum)
}

fn after(output: &str, word: &str) -> Option<f64> {
    let lines = output
        .lines()
        .find_map(|line| line.trim().strip_prefix(word));
    lines?.trim().parse().ok()
}
