//! `cargo xtask fuzz`: the targets of `fuzz/`, each for some seconds, from the seeds made here.
//!
//! libFuzzer's instrumentation is a matter of stable code generation options, so neither a nightly compiler nor
//! cargo-fuzz is needed. What breaks a target is kept in `target/fuzz/TARGET/`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::{command, project};

const BUILD: Duration = Duration::from_secs(1200);
pub(crate) const TARGETS: [&str; 14] = [
    "frames",
    "reply",
    "requests",
    "head",
    "chunked",
    "host",
    "path",
    "range",
    "policy",
    "proxy_header",
    "upstream",
    "census",
    "config",
    "import",
];
/// What cargo-fuzz would pass, without a sanitizer: the code is safe Rust.
const FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Ccodegen-units=1 \
     -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
     -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares";

#[derive(Args)]
pub(crate) struct Options {
    /// For each target
    #[arg(long, value_name = "N", default_value = "60")]
    seconds: u64,
    /// Only these targets: frames, reply, requests, head, chunked, host, path, range, policy, proxy_header,
    /// upstream, census, config, import
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if let Some(unknown) = options
        .only
        .iter()
        .find(|name| !TARGETS.contains(&&name[..]))
    {
        bail!(
            "no target is called {unknown:?}\n  hint: one of {}",
            TARGETS.join(", ")
        );
    }
    let asked =
        |target: &&&str| options.only.is_empty() || options.only.iter().any(|o| o == **target);
    let targets: Vec<_> = TARGETS.iter().filter(asked).copied().collect();
    let broken = all(&targets, |_| options.seconds)?;
    if broken.is_empty() {
        println!(
            "{} targets, {} s each: nothing broke",
            targets.len(),
            options.seconds
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!("broken: {}", broken.join(", "));
    Ok(ExitCode::FAILURE)
}

/// Builds the targets and runs one on each CPU, each for its seconds; returns those that broke.
pub(crate) fn all(targets: &[&str], seconds: impl Fn(&str) -> u64 + Sync) -> Result<Vec<String>> {
    let built = build()?;
    let (waiting, broken) = (Mutex::new(targets.iter()), Mutex::new(Vec::new()));
    let next = || waiting.lock().ok()?.next();
    let work = || {
        while let Some(target) = next() {
            if !holds(&built, target, seconds(target))?
                && let Ok(mut broken) = broken.lock()
            {
                broken.push((*target).to_owned());
            }
        }
        Ok(())
    };
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| {
            let outcome = worker.join();
            outcome.unwrap_or_else(|_| bail!("a fuzzing thread panicked"))
        })
    })?;
    Ok(broken.into_inner().unwrap_or_default())
}

fn holds(built: &Path, target: &str, seconds: u64) -> Result<bool> {
    let folder = project::target().join("fuzz").join(target);
    let corpus = folder.join("corpus");
    fs::create_dir_all(&corpus)?;
    seeds(target, &corpus)?;
    let mut run = Command::new(built.join(target));
    run.arg(&corpus)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", folder.display()))
        .args(["-max_len=20000", "-timeout=20", "-verbosity=0"]);
    let finished = command::shown_at_end(&mut run, Duration::from_secs(seconds + 120))?;
    Ok(finished.success)
}

fn build() -> Result<PathBuf> {
    let host = host()?;
    let target = project::target().join("fuzz/build");
    let mut build = Command::new("cargo");
    // With --target, the flags do not reach build scripts. Not --locked: the lock file follows what the crates need.
    build
        .args(["build", "--release", "--manifest-path", "fuzz/Cargo.toml"])
        .args(["--target", &host])
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTFLAGS", FLAGS)
        .current_dir(project::root());
    if !command::shown(&mut build, BUILD)?.success {
        bail!("the fuzz targets cannot be built");
    }
    Ok(target.join(host).join("release"))
}

fn host() -> Result<String> {
    let version = command::quiet(Command::new("rustc").arg("-vV"), Duration::from_secs(30))?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned)
        .context("rustc does not say its host")
}

/// Where fuzzing begins: the golden vectors, and a request of each kind.
fn seeds(target: &str, corpus: &Path) -> Result<()> {
    let seeds: Vec<Vec<u8>> = match target {
        "head" => [
            "GET /a/b?c=d HTTP/1.1\r\nHost: example.com\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n",
            "POST /%2e%2e/x HTTP/1.1\r\nHost: a:80\r\nTransfer-Encoding: chunked\r\n\r\n",
            "PUT * HTTP/1.0\r\nContent-Length: 12\r\nConnection: close, x\r\n\r\n",
        ]
        .map(|text| text.as_bytes().to_vec())
        .into(),
        "chunked" => [
            "\u{3}5\r\nhello\r\n0\r\n\r\n",
            "\u{1}a;b=c\r\n0123456789\r\n0\r\nX: y\r\n\r\n",
        ]
        .map(|text| text.as_bytes().to_vec())
        .into(),
        "host" => ["example.com:8000", "[2001:db8::1]:443", "127.0.0.1"]
            .map(Into::into)
            .into(),
        "path" => ["/b/c.txt", "/%2e%2e/s", "/b%2F..%2f.env", "/d/s", "/l"]
            .map(Into::into)
            .into(),
        "range" => [
            "\u{1}\0\0\0\0\0\0\0bytes=0-0",
            "\0\u{10}\0\0\0\0\0\0bytes=0-9, 5-,-7,100-200",
        ]
        .map(Into::into)
        .into(),
        "policy" => [
            "X-Forwarded-For: 1.2.3.4\nConnection: close, X-Real-IP\nX_Forwarded_Proto: https",
            "proxy: x\ncookie: a\nforwarded: for=1.2.3.4\nx-forwarded-prefix: /",
        ]
        .map(Into::into)
        .into(),
        "proxy_header" => [
            "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET /",
            "PROXY UNKNOWN\r\n",
            "\r\n\r\n\0\r\nQUIT\n\u{21}\u{11}\0\u{c}abcdefghijkl",
        ]
        .map(Into::into)
        .into(),
        "upstream" => [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: x, close\r\nX: y\r\n\r\nhello",
            "HTTP/1.0 301 \r\nTransfer-Encoding: chunked\r\nSet-Cookie: a=b\r\n\r\n0\r\n\r\n",
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        ]
        .map(Into::into)
        .into(),
        "census" => [
            "\u{3}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0",
            "\u{9}PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\u{1}\u{1}\0\0\0\0\u{1}a",
        ]
        .map(Into::into)
        .into(),
        "config" => [
            "name = \"a\"\nhosts = [\"a.example\"]\n[app]\nworkers = 4\ntimeout = \"30s\"\n",
            "[[files]]\nurl = \"/media\"\n[limits]\nmax_body = \"1GiB\"\n[server]\nlisten = [\":80\"]\n",
            "[env]\nset = { A = \"b\" }\n[database]\nengine = \"postgers\"\n",
        ]
        .map(Into::into)
        .into(),
        "import" => [
            "\0services:\n  web:\n    build: .\n    command: gunicorn a.wsgi -w 2\n    ports: ['80:8000']\n",
            "\u{1}server { listen 80; location /static/ { alias /srv/static; } location / { proxy_pass http://a; } }",
            "\u{2}web: gunicorn a.wsgi --certfile c\nworker: celery -A a worker\n",
            "\u{3}FROM python:3.12\nENV A=b\nRUN poetry install\nENTRYPOINT [\"sh\", \"x.sh\"]\n",
            "\u{4}workers = 3\nbind = ['a', \"b\"]\n",
        ]
        .map(Into::into)
        .into(),
        "requests" => golden("requests")?,
        _ => golden("frames")?,
    };
    for (number, mut seed) in seeds.into_iter().enumerate() {
        if target == "reply" && seed.len() >= 16 {
            // The first request of a lane: see `hotclub_app::fuzz`.
            seed[8..16].copy_from_slice(&(1_u64 << 48).to_le_bytes());
        }
        fs::write(corpus.join(format!("seed-{number}")), seed)?;
    }
    Ok(())
}

fn golden(kind: &str) -> Result<Vec<Vec<u8>>> {
    let text = fs::read_to_string(project::root().join("crates/wire/golden/frames.json"))?;
    let all: Value = serde_json::from_str(&text)?;
    let vectors = all[kind].as_array().into_iter().flatten();
    Ok(vectors
        .filter_map(|vector| bytes(vector["hex"].as_str()?))
        .collect())
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_has_seeds() {
        let folder = tempfile::tempdir().unwrap();
        for target in TARGETS {
            let corpus = folder.path().join(target);
            fs::create_dir(&corpus).unwrap();
            seeds(target, &corpus).unwrap();
            assert!(fs::read_dir(&corpus).unwrap().count() > 1, "{target}");
        }
    }
}
