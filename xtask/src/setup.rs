//! What the tests need on the machine, and getting it: system packages, the private virtualenv,
//! cargo-deny. Everything is checked first, so a second run costs next to nothing.

mod apt;
mod deny;
mod docker;
mod newer_postgres;
mod node;
mod postgres;
mod python;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Error, Result};

use crate::project;

use apt::Apt;
pub(crate) use postgres::unprivileged;

/// Something a test step cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Need {
    /// A C compiler, for crates that carry C code.
    Compiler,
    /// The virtualenv with everything in `python-requirements.txt`.
    Python,
    /// PostgreSQL's server programs.
    Postgres,
    /// Those of another major version, to which tests upgrade.
    NewerPostgres,
    /// Chromium and its driver.
    Browser,
    /// What HTTPS is tested with: openssl, curl, certutil for browsers' stores, and pebble, a certificate authority
    /// for tests.
    Https,
    /// h2load, nghttp and curl: clients of HTTP/2 that other people wrote.
    Nghttp,
    /// nginx, which reads what `hotclub export` writes.
    Nginx,
    /// strace, which counts system calls.
    Strace,
    /// The public suite http-cache-tests, and Node.
    CacheSuite,
    /// A container engine with images.
    Docker,
    /// cargo-deny.
    Deny,
    /// nginx, haproxy, wrk and h2load: what the bench measures with.
    Peers,
    /// The bench's own virtualenv: what is in `bench-requirements.txt`.
    BenchPython,
}

impl Need {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Compiler => "a C compiler",
            Self::Python => "the Python virtualenv",
            Self::Postgres => "PostgreSQL",
            Self::NewerPostgres => "PostgreSQL 18",
            Self::Browser => "Chromium",
            Self::Https => "openssl, curl, certutil and pebble",
            Self::Nghttp => "h2load, nghttp and curl",
            Self::Nginx => "nginx",
            Self::Strace => "strace",
            Self::CacheSuite => "Node and http-cache-tests",
            Self::Docker => "a container engine",
            Self::Deny => "cargo-deny",
            Self::Peers => "nginx, haproxy, wrk and h2load",
            Self::BenchPython => "the bench's virtualenv",
        }
    }
}

/// The tools found or installed. `export` hands them to tests.
#[derive(Debug, Default)]
pub(crate) struct Tools {
    pub(crate) python: Option<PathBuf>,
    pub(crate) bench_python: Option<PathBuf>,
    pub(crate) postgres_bin: Option<PathBuf>,
    pub(crate) newer_postgres_bin: Option<PathBuf>,
    pub(crate) chromium: Option<PathBuf>,
    pub(crate) chromedriver: Option<PathBuf>,
    pub(crate) cache_suite: Option<PathBuf>,
    pub(crate) deny: Option<PathBuf>,
    pub(crate) missing: Vec<(Need, Error)>,
}

impl Tools {
    /// Environment variables that tests may read; each is set only when the thing is there.
    ///
    /// - `HOTCLUB_TEST_BIN`: the `hotclub` program that the tests built.
    /// - `HOTCLUB_TEST_PYTHON`: Python of the virtualenv (Django, psycopg, Pillow, wagtail, …).
    /// - `HOTCLUB_TEST_PG_BIN`: the folder with initdb, postgres, pg_ctl, psql, pg_dump.
    /// - `HOTCLUB_TEST_NEWER_PG_BIN`: the same of a newer major version.
    /// - `HOTCLUB_TEST_CHROMIUM`, `HOTCLUB_TEST_CHROMEDRIVER`: the browser and its driver.
    /// - `HOTCLUB_TEST_HTTP_CACHE_TESTS`: the folder where npm has installed http-cache-tests.
    pub(crate) fn export(&self, command: &mut Command) {
        command.env("HOTCLUB_TEST_BIN", project::target().join("debug/hotclub"));
        let tools = [
            ("HOTCLUB_TEST_PYTHON", &self.python),
            ("HOTCLUB_TEST_PG_BIN", &self.postgres_bin),
            ("HOTCLUB_TEST_NEWER_PG_BIN", &self.newer_postgres_bin),
            ("HOTCLUB_TEST_CHROMIUM", &self.chromium),
            ("HOTCLUB_TEST_CHROMEDRIVER", &self.chromedriver),
            ("HOTCLUB_TEST_HTTP_CACHE_TESTS", &self.cache_suite),
        ];
        for (name, path) in tools {
            if let Some(path) = path {
                command.env(name, path);
            }
        }
    }

    pub(crate) fn lacks(&self, need: Need) -> bool {
        self.missing.iter().any(|(missing, _)| *missing == need)
    }
}

/// `cargo xtask setup`
pub(crate) fn run() -> Result<ExitCode> {
    let tools = provide(&[
        Need::Compiler,
        Need::Python,
        Need::Postgres,
        Need::NewerPostgres,
        Need::Browser,
        Need::Https,
        Need::Nghttp,
        Need::Nginx,
        Need::Strace,
        Need::CacheSuite,
        Need::Docker,
        Need::Deny,
    ]);
    for (need, error) in &tools.missing {
        eprintln!("missing: {}: {error:#}", need.name());
    }
    Ok(if tools.missing.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Finds or installs what is needed; what could not be had is in `missing`, with the cause.
pub(crate) fn provide(needs: &[Need]) -> Tools {
    let mut apt = Apt::default();
    let mut tools = Tools::default();
    for &need in needs {
        if let Err(error) = provide_one(need, &mut tools, &mut apt) {
            tools.missing.push((need, error));
        }
    }
    tools
}

fn provide_one(need: Need, tools: &mut Tools, apt: &mut Apt) -> Result<()> {
    match need {
        Need::Compiler => apt.provide("cc", &["build-essential"]).map(drop),
        Need::Python => python::provide(apt).map(|python| tools.python = Some(python)),
        Need::Postgres => postgres::provide(apt).map(|bin| tools.postgres_bin = Some(bin)),
        Need::NewerPostgres => {
            let python = python::provide(apt)?;
            tools.newer_postgres_bin = Some(newer_postgres::provide(&python)?);
            Ok(())
        }
        Need::Browser => {
            tools.chromium = Some(apt.provide("chromium", &["chromium"])?);
            tools.chromedriver = Some(apt.provide("chromedriver", &["chromium-driver"])?);
            Ok(())
        }
        Need::Https => {
            apt.provide("openssl", &["openssl"])?;
            apt.provide("curl", &["curl"])?;
            apt.provide("pebble", &["pebble"])?;
            apt.provide("certutil", &["libnss3-tools"])?;
            apt.provide("pebble-challtestsrv", &["pebble"]).map(drop)
        }
        Need::Nghttp => {
            apt.provide("curl", &["curl"])?;
            apt.provide("h2load", &["nghttp2-client"]).map(drop)
        }
        Need::Nginx => apt
            .provide_file("/usr/sbin/nginx", &["nginx-light"])
            .map(drop),
        Need::Strace => apt.provide("strace", &["strace"]).map(drop),
        Need::CacheSuite => node::provide(apt).map(|folder| tools.cache_suite = Some(folder)),
        Need::Docker => {
            let python = python::provide(apt)?;
            docker::provide(apt, &python)
        }
        Need::Deny => deny::provide().map(|program| tools.deny = Some(program)),
        Need::Peers => {
            apt.provide_file("/usr/sbin/nginx", &["nginx-light"])?;
            apt.provide_file("/usr/sbin/haproxy", &["haproxy"])?;
            apt.provide("wrk", &["wrk"])?;
            apt.provide("h2load", &["nghttp2-client"]).map(drop)
        }
        Need::BenchPython => {
            // uWSGI is compiled when it is installed.
            apt.provide("cc", &["build-essential"])?;
            python::provide_for_bench(apt).map(|python| tools.bench_python = Some(python))
        }
    }
}
