//! `hotclub import`: reads the files of the old stack, writes `hotclub.toml`, and reports on every key.

mod told;

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use hotclub_config::{Faults, unsupported};
use hotclub_import::{Input, Options, Outcome, Shelf};

use crate::cli::ImportArgs;
use crate::console::{Console, Failure};

/// No Compose file or server block comes near this.
const MAX_FILE: u64 = 4 << 20;

pub(crate) fn run(args: &ImportArgs, console: &Console) -> Result<(), Failure> {
    let output = std::path::absolute(&args.output)?;
    if output.exists() && !args.force && !args.dry_run {
        return Err(
            Failure::new(format!("{} is there already", args.output.display()))
                .hint("--force writes over it, --output names another, --dry-run only shows"),
        );
    }
    let dir = output.parent().unwrap_or(Path::new("/"));
    if !dir.is_dir() {
        return Err(Failure::new(format!(
            "there is no folder {}",
            dir.display()
        )));
    }
    let inputs = args
        .files
        .iter()
        .map(|path| input(path))
        .collect::<Result<Vec<_>, _>>()?;
    let outcome = hotclub_import::import(
        &inputs,
        &Options {
            dir,
            shelf: &Disk,
            vars: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            hosts: args.host.clone(),
            command: args.command.clone(),
            names_a_database: hotclub_django::database::names_a_part,
        },
    )
    .map_err(|error| Failure::new(error.to_string()).hint(error.hint()))?;
    let doubts = doubts(&outcome, &output)?;
    if !args.dry_run {
        write(&outcome, &output, args.force)?;
    }
    told::report(args, &outcome)?;
    if !doubts.is_empty() {
        console.doubts(&doubts.to_string());
    }
    Ok(())
}

fn input(path: &Path) -> Result<Input, Failure> {
    let absolute = std::path::absolute(path)?;
    let cannot =
        |reason: &str| Failure::new(format!("{} cannot be read: {reason}", path.display()));
    let text = read(&absolute).map_err(|error| cannot(&error.to_string()))?;
    Ok(Input {
        path: hotclub_import::clean(&absolute),
        shown: path.display().to_string(),
        text,
    })
}

fn read(path: &Path) -> std::io::Result<String> {
    let size = std::fs::metadata(path)?.len();
    if size > MAX_FILE {
        return Err(std::io::Error::other("it is too large for a configuration"));
    }
    std::fs::read_to_string(path)
}

/// The files that inputs name.
struct Disk;

impl Shelf for Disk {
    fn read(&self, path: &Path) -> Option<String> {
        read(path).ok()
    }

    fn list(&self, dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        names
    }
}

/// The text is read back before it is written: what this program cannot read, it does not write. What it reads and
/// cannot do yet is a doubt.
fn doubts(outcome: &Outcome, output: &Path) -> Result<Faults, Failure> {
    let site = hotclub_config::parse(&outcome.toml, output).map_err(|faults| {
        Failure::new("the outcome is no hotclub.toml")
            .detail(format!("{faults}\n{}", outcome.toml))
            .hint("this is a fault of hotclub import: please report it, with the files")
    })?;
    Ok(Faults::from(unsupported(&site)))
}

/// Written beside and moved: a reader sees the old file or the new one.
fn write(outcome: &Outcome, output: &PathBuf, force: bool) -> Result<(), Failure> {
    let mode = if outcome.secret { 0o600 } else { 0o644 };
    let beside = output.with_extension("toml.new");
    let _ = std::fs::remove_file(&beside);
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&beside)?;
    file.write_all(outcome.toml.as_bytes())?;
    file.sync_all()?;
    let moved = match force {
        true => std::fs::rename(&beside, output),
        // Unlike a rename, a link does not go over a file that came meanwhile.
        false => std::fs::hard_link(&beside, output).and_then(|()| std::fs::remove_file(&beside)),
    };
    moved.map_err(|error| Failure::new(format!("{} cannot be written: {error}", output.display())))
}
