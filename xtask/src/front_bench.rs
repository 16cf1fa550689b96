//! `cargo xtask bench-front`: what people keep NGINX for, measured beside NGINX and Caddy in one run: files over HTTP/1.1
//! and over TLS with HTTP/2, of one site and of one among a thousand, proxied answers, handshakes, memory of idle connections.
//!
//! All servers run from the beginning and only one of them is asked at a time, in turns, so that what else the machine
//! does meets all alike. They serve one folder, one certificate, and one upstream.

mod idle;
mod load;
mod servers;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use serde::Serialize;

use crate::setup::{self, Need};
use crate::{command, descendants, interrupt, project};
use servers::Server;

#[derive(Args)]
pub(crate) struct Options {
    /// One short round: does it work at all, not how fast it is
    #[arg(long)]
    quick: bool,
    /// Rounds, in each of which every server has its turn
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// Seconds of measuring per turn
    #[arg(long, value_name = "N")]
    seconds: Option<u64>,
    /// Idle connections of which the memory is taken
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    idle: u32,
}

/// A file of each size.
const FILES: [(&str, usize, u32); 3] = [
    ("4k", 4 << 10, 16),
    ("100k", 100 << 10, 16),
    ("10m", 10 << 20, 4),
];

/// What is asked of each server, and what comes of it.
#[derive(Clone, Copy)]
enum Workload {
    /// Requests a second for a file.
    Http1(&'static str, u32),
    Tls2(&'static str, u32),
    Proxied,
    /// Requests a second for a file of one site among many.
    Crowded,
    Handshakes,
}

impl Workload {
    fn all() -> Vec<Self> {
        let plain = FILES.map(|(name, _, clients)| Self::Http1(name, clients));
        let secure = FILES.map(|(name, _, clients)| Self::Tls2(name, clients));
        let rest = [Self::Crowded, Self::Proxied, Self::Handshakes];
        plain.into_iter().chain(secure).chain(rest).collect()
    }

    fn name(self) -> String {
        match self {
            Self::Http1(file, _) => format!("file of {file}, HTTP/1.1"),
            Self::Tls2(file, _) => format!("file of {file}, TLS and HTTP/2"),
            Self::Proxied => "proxied answer of 12 bytes, HTTP/1.1".to_owned(),
            Self::Crowded => format!("file of 4k among {} sites, HTTP/1.1", servers::SITES),
            Self::Handshakes => "full TLS 1.3 handshakes".to_owned(),
        }
    }

    fn measure(self, server: &Server, time: Duration) -> Result<f64> {
        match self {
            Self::Http1(file, clients) => load::wrk(server, &format!("/{file}"), clients, time),
            Self::Tls2(file, clients) => {
                // Ten large files at once on a connection would not come to an end.
                let streams = if file == "10m" { 1 } else { 10 };
                load::h2load(server, &format!("/{file}"), (clients, streams), time)
            }
            Self::Crowded => load::wrk(server, "/4k", 16, time),
            Self::Proxied => load::wrk(server, "/up/", 32, time),
            Self::Handshakes => load::handshakes(server, time),
        }
    }
}

#[derive(Serialize)]
struct Results {
    facts: BTreeMap<String, String>,
    commands: BTreeMap<String, String>,
    /// Per second, by workload and server: each round's.
    rates: Vec<(String, BTreeMap<String, Vec<f64>>)>,
    /// MiB (PSS) before and with the idle connections.
    idle_mib: BTreeMap<String, (f64, f64)>,
    idle: u32,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    descendants::adopt_orphans();
    let outcome = measure(options);
    for process in descendants::end_leftovers() {
        eprintln!("left behind, ended: {process}");
    }
    let results = outcome?;
    let folder = save(&results, options.quick)?;
    println!("{}", results.markdown());
    eprintln!("raw results: {}", folder.display());
    Ok(ExitCode::SUCCESS)
}

fn measure(options: &Options) -> Result<Results> {
    let tools = setup::provide(&[Need::Python, Need::Peers, Need::Https, Need::Nghttp]);
    if let Some((need, error)) = tools.missing.first() {
        bail!("{} is missing: {error:#}", need.name());
    }
    let work = tempfile::tempdir()?;
    prepare(work.path())?;
    let descriptors = idle::make_room(options.idle)?;
    let servers = servers::start(&tools, work.path(), descriptors)?;
    let (rounds, seconds) = if options.quick { (1, 2) } else { (5, 8) };
    let rounds = options.rounds.unwrap_or(rounds).max(1);
    let time = Duration::from_secs(options.seconds.unwrap_or(seconds).max(1));
    let mut facts = crate::bench::facts::machine(&tools);
    facts.insert(
        "plan".to_owned(),
        format!(
            "{rounds} rounds of {} s, servers taking turns",
            time.as_secs()
        ),
    );
    facts.extend(servers.versions);
    let mut rates = Vec::new();
    for workload in Workload::all() {
        let mut of: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for _ in 0..rounds {
            let asked = match workload {
                Workload::Crowded => &servers.crowded,
                _ => &servers.all,
            };
            for server in asked {
                interrupt::check()?;
                let rate = workload
                    .measure(server, time)
                    .with_context(|| format!("{}: {}", server.name, workload.name()))?;
                eprintln!(
                    "  {:<9} {:<40} {rate:>10.0}/s",
                    server.name,
                    workload.name()
                );
                of.entry(server.name.to_owned()).or_default().push(rate);
            }
        }
        rates.push((workload.name(), of));
    }
    let mut idle_mib = BTreeMap::new();
    for server in &servers.all {
        let pair = idle::memory(server, options.idle)?;
        idle_mib.insert(server.name.to_owned(), pair);
    }
    Ok(Results {
        facts,
        commands: servers.commands,
        rates,
        idle_mib,
        idle: options.idle,
    })
}

/// Files that do not compress, and a certificate for the address.
fn prepare(work: &Path) -> Result<()> {
    let root = work.join("root");
    fs::create_dir(&root)?;
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for (name, len, _) in FILES {
        let mut bytes = Vec::with_capacity(len);
        while bytes.len() < len {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            bytes.extend_from_slice(&seed.to_le_bytes());
        }
        fs::write(root.join(name), bytes)?;
    }
    let mut openssl = Command::new("openssl");
    openssl
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args(["-nodes", "-days", "30", "-subj", "/CN=bench"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
        .args(["-out", "cert.pem", "-keyout", "key.pem"])
        .current_dir(work);
    command::quiet(&mut openssl, Duration::from_secs(30))?;
    Ok(())
}

fn save(results: &Results, quick: bool) -> Result<PathBuf> {
    let date = results.facts.get("date").map_or("", String::as_str);
    let day = date.split(' ').next().unwrap_or_default();
    ensure!(!day.is_empty(), "the machine has no date");
    let folder = match quick {
        true => project::target().join("bench-front"),
        false => project::root().join("bench/results").join(day),
    };
    fs::create_dir_all(&folder)?;
    fs::write(
        folder.join("front.json"),
        serde_json::to_string_pretty(results)? + "\n",
    )?;
    fs::write(folder.join("front.md"), results.markdown())?;
    Ok(folder)
}

impl Results {
    fn markdown(&self) -> String {
        let mut text = String::from("# The front beside NGINX and Caddy\n\n");
        for (name, value) in &self.facts {
            let _ = writeln!(text, "- {name}: {value}");
        }
        let names = servers::NAMES;
        let _ = writeln!(
            text,
            "\nA second, the median of the rounds (lowest to highest):\n"
        );
        let _ = writeln!(
            text,
            "| | {} |\n|---|{}",
            names.join(" | "),
            "---|".repeat(names.len())
        );
        for (workload, of) in &self.rates {
            let cells = names.map(|name| of.get(name).map_or_else(String::new, |all| spread(all)));
            let _ = writeln!(text, "| {workload} | {} |", cells.join(" | "));
        }
        let cells = names.map(|name| {
            let pair = self.idle_mib.get(name);
            pair.map_or_else(String::new, |(before, with)| {
                format!("{with:.0} MiB, {:.0} more than before", with - before)
            })
        });
        let _ = writeln!(
            text,
            "| memory (PSS) with {} idle connections | {} |",
            self.idle,
            cells.join(" | ")
        );
        text
    }
}

fn spread(all: &[f64]) -> String {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    match (sorted.first(), sorted.last()) {
        (Some(low), Some(high)) => format!("{median:.0} ({low:.0} to {high:.0})"),
        _ => String::new(),
    }
}
