//! `hotclub container SPEC COMMAND…` (hidden): runs one command in a container as if it were a process of ours. What
//! Hotclub starts for a site, it starts through this, so that everything which watches, signals and ends processes
//! serves containers as well. All variables of its environment are the command's.

use std::os::unix::ffi::OsStringExt as _;
use std::path::Path;

use hotclub_docker::{Engine, RunSpec};
use serde::{Deserialize, Serialize};

use crate::cli::ContainerArgs;
use crate::console::Failure;

/// What of the command's container is known beforehand; a file that only its owner can read.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// The engine's socket.
    pub(crate) engine: String,
    /// What the names of variables that the command is given begin with; `None`: all of ours are.
    #[serde(default)]
    pub(crate) prefix: Option<String>,
    pub(crate) spec: RunSpec,
}

impl Order {
    /// Writes it whole or not at all.
    pub(crate) fn keep(&self, file: &Path) -> Result<(), Failure> {
        let folder = file.parent().unwrap_or(Path::new("/"));
        std::fs::create_dir_all(folder)?;
        let fresh = tempfile::NamedTempFile::new_in(folder)?;
        serde_json::to_writer(&fresh, self).map_err(std::io::Error::from)?;
        fresh.persist(file).map_err(|error| error.error)?;
        Ok(())
    }
}

/// Ends this process with the command's exit code.
pub(crate) async fn run(args: &ContainerArgs) -> Result<(), Failure> {
    let text = std::fs::read(&args.spec)?;
    let order: Order = serde_json::from_slice(&text).map_err(std::io::Error::from)?;
    let engine = Engine::connect(Some(&order.engine))
        .await
        .map_err(|error| Failure::of_engine(&error))?;
    let prefix = order.prefix.as_deref().unwrap_or_default().as_bytes();
    let env = std::env::vars_os().filter(|(name, _)| name.as_encoded_bytes().starts_with(prefix));
    let env = env.map(|(name, value)| {
        let mut pair = name.into_vec();
        pair.push(b'=');
        pair.extend(value.into_vec());
        String::from_utf8_lossy(&pair).into_owned()
    });
    let words = args.command.iter();
    let command = words.map(|word| word.to_string_lossy().into_owned());
    let input = !is_null(rustix::stdio::stdin());
    let code = hotclub_docker::run(
        &engine,
        &order.spec,
        command.collect(),
        env.collect(),
        input,
    )
    .await
    .map_err(|error| Failure::of_engine(&error))?;
    // Not by returning: a read of our standard input may be under way, and nobody can end that.
    std::process::exit(i32::try_from(code).unwrap_or(1))
}

/// Nothing will ever come from there.
fn is_null(file: impl std::os::fd::AsFd) -> bool {
    let null = rustix::fs::stat("/dev/null").map(|stat| stat.st_rdev);
    rustix::fs::fstat(file).map_or(true, |stat| null == Ok(stat.st_rdev))
}
