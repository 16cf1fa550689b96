//! What a run has: tools, the plan, and the sites and the certificate, which are made when first
//! asked for and kept until the run ends.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result};
use tempfile::TempDir;

use super::plan::Plan;
use super::site::{self, Site};
use super::stacks::front::Certificate;
use crate::command;
use crate::setup::Tools;

/// Cheap to clone.
#[derive(Clone)]
pub(super) struct World(Rc<Inner>);

struct Inner {
    tools: Tools,
    plan: Plan,
    hello: OnceCell<Rc<Site>>,
    plain: OnceCell<Rc<Site>>,
    portfolio: OnceCell<Rc<Site>>,
    certificate: OnceCell<Rc<Certificate>>,
    /// Last, because the sites' processes end before it goes.
    work: TempDir,
}

impl World {
    pub(super) fn new(tools: Tools, plan: Plan) -> Result<Self> {
        Ok(Self(Rc::new(Inner {
            tools,
            plan,
            hello: OnceCell::new(),
            plain: OnceCell::new(),
            portfolio: OnceCell::new(),
            certificate: OnceCell::new(),
            work: site::work_folder()?,
        })))
    }

    pub(super) fn plan(&self) -> Plan {
        self.0.plan
    }

    pub(super) fn tools(&self) -> &Tools {
        &self.0.tools
    }

    /// For configuration, logs and generated files.
    pub(super) fn folder(&self) -> &Path {
        self.0.work.path()
    }

    /// Python of the bench's virtualenv: the peers, Django and the database's driver.
    pub(super) fn python(&self) -> Result<PathBuf> {
        self.0.tools.bench_python.clone().context("no virtualenv")
    }

    /// The folder of its programs.
    pub(super) fn bin(&self) -> Result<PathBuf> {
        let python = self.python()?;
        Ok(python.parent().context("no virtualenv")?.to_owned())
    }

    /// The bare WSGI app, which also takes uploads.
    pub(super) fn hello(&self) -> Result<Rc<Site>> {
        kept(&self.0.hello, || site::hello(self.folder()))
    }

    /// A Django page without a query.
    pub(super) fn plain(&self) -> Result<Rc<Site>> {
        kept(&self.0.plain, || site::plain(self.folder()))
    }

    /// `examples/portfolio` with its sample data in PostgreSQL.
    pub(super) fn portfolio(&self) -> Result<Rc<Site>> {
        kept(&self.0.portfolio, || site::portfolio(self))
    }

    /// For 127.0.0.1, P-256.
    pub(super) fn certificate(&self) -> Result<Rc<Certificate>> {
        kept(&self.0.certificate, || certificate(self.folder()))
    }
}

fn kept<T>(cell: &OnceCell<Rc<T>>, make: impl FnOnce() -> Result<T>) -> Result<Rc<T>> {
    if let Some(known) = cell.get() {
        return Ok(Rc::clone(known));
    }
    let made = Rc::new(make()?);
    Ok(Rc::clone(cell.get_or_init(|| made)))
}

fn certificate(folder: &Path) -> Result<Certificate> {
    let (chain, key) = (folder.join("chain.pem"), folder.join("key.pem"));
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "2"]);
    openssl.args(["-pkeyopt", "ec_paramgen_curve:prime256v1"]);
    openssl.args([
        "-subj",
        "/CN=127.0.0.1",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]);
    openssl.arg("-keyout").arg(&key).arg("-out").arg(&chain);
    command::quiet(&mut openssl, Duration::from_secs(30))?;
    let both = folder.join("both.pem");
    let text = std::fs::read_to_string(&chain)? + &std::fs::read_to_string(&key)?;
    std::fs::write(&both, text)?;
    Ok(Certificate { chain, key, both })
}
