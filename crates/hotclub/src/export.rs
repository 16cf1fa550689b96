//! `hotclub export`: a site's way out, as files that run without Hotclub. What the site is, is asked as `inspect` asks
//! it; `plan` keeps what counts, and each kind has a file that writes it down.

mod compose;
mod dockerfile;
mod environment;
mod gunicorn;
mod kubernetes;
mod nginx;
mod plan;
mod swarm;
mod systemd;
mod tree;

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::cli::{ExportArgs, ExportKind};
use crate::console::{Console, Failure};
use crate::{inspect, site_file};
use plan::Plan;

/// A file in the making.
pub(crate) struct File {
    name: &'static str,
    text: String,
    /// It holds passwords.
    secret: bool,
}

impl File {
    fn new(name: &'static str, text: String) -> File {
        File {
            name,
            text,
            secret: false,
        }
    }

    fn secret(name: &'static str, text: String) -> File {
        File {
            name,
            text,
            secret: true,
        }
    }
}

pub(crate) async fn run(args: &ExportArgs, console: &Console) -> Result<(), Failure> {
    let site = site_file::load(&args.dir, console)?;
    let default = site.dir.join("export").join(args.kind.name());
    let folder = std::path::absolute(args.output.as_ref().unwrap_or(&default))?;
    let files = if args.kind == ExportKind::Systemd {
        systemd::files(&site, args.user.as_deref())?
    } else {
        let (mut project, _) = inspect::asked(site, console).await?;
        project.inspection = hotclub_django::inspect::inspect(project.app()?, false)
            .await
            .map_err(|error| Failure::of_step(&error, error.hint()))?;
        let plan = Plan::of(&project, args.image.clone(), &folder)?;
        for doubt in &plan.doubts {
            console.warning(&doubt.message, Some(&doubt.hint));
        }
        match args.kind {
            ExportKind::Compose => compose::files(&plan)?,
            ExportKind::Swarm => swarm::files(&plan)?,
            ExportKind::Kubernetes => kubernetes::files(&plan)?,
            ExportKind::Dockerfile => dockerfile::files(&plan),
            ExportKind::Systemd => Vec::new(),
        }
    };
    write(&files, &folder, args.force)
}

fn write(files: &[File], folder: &Path, force: bool) -> Result<(), Failure> {
    let there: Vec<&str> = files
        .iter()
        .map(|file| file.name)
        .filter(|name| folder.join(name).exists())
        .collect();
    if !there.is_empty() && !force {
        return Err(Failure::new(format!(
            "{} has {} already",
            folder.display(),
            there.join(", ")
        ))
        .hint("--force writes over them, --output names another folder"));
    }
    std::fs::create_dir_all(folder)?;
    for file in files {
        let path = folder.join(file.name);
        // A file that others could read keeps its mode when it is written over.
        if path.exists() {
            std::fs::remove_file(&path)?;
        }
        let mode = if file.secret { 0o600 } else { 0o644 };
        let mut new = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&path)?;
        new.write_all(file.text.as_bytes())?;
        writeln!(std::io::stdout(), "{}", path.display())?;
    }
    Ok(())
}
