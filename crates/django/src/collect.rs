//! Collects static files into a folder of Hotclub's own; the user's tree and STATIC_ROOT stay as
//! they are.
//!
//! They are collected into a fresh folder beside the old one, compressed there, and put in its place
//! by renaming, so a failure leaves the old one. The worker has to be told the folder as well
//! (`hotclub_project.override.static_root`), for Django to find its manifest of hashed names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use serde::{Deserialize, Serialize};
use serde_json::Map;
use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::app::App;
use crate::compress::compress;
use crate::inspect::Raised;
use crate::inspection::Inspection;
use crate::ownership::{Links, give, take_back};
use crate::progress::{Report, Step, say};
use crate::run::tail;
use crate::scripts::{Answer, ask, path_value};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collected {
    Files(Static),
    /// The project has no static files to collect, and why.
    None {
        why: String,
    },
}

/// A collected folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Static {
    pub dir: PathBuf,
    /// Without compressed siblings.
    pub files: usize,
    /// JSON list of the names (relative to `dir`) in which Django put a hash of the content.
    pub hashed: PathBuf,
    pub hashed_names: usize,
    /// Collected now, rather than found unchanged.
    pub fresh: bool,
}

#[derive(Debug, Error)]
pub enum CollectError {
    #[error("collecting static files failed\n{cause}")]
    Failed { cause: String, log: PathBuf },
    #[error("static files cannot be put at {}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
}

impl CollectError {
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Failed { log, .. } => Some(format!("all output is in {}", log.display())),
            Self::File { .. } => None,
        }
    }
}

/// What the last collecting stood on and found, beside the folder.
#[derive(Serialize, Deserialize)]
struct Stamp {
    of: String,
    /// `None`: there was nothing to collect, and why.
    why: Option<String>,
    files: usize,
    hashed_names: usize,
}

#[derive(Deserialize)]
struct Found {
    why: Option<String>,
    #[serde(default)]
    hashed: Vec<String>,
}

/// The folder and what lies beside it: `static`, `static.new`, `static.hashed.json`, `static.stamp`.
struct Place {
    dir: PathBuf,
    new: PathBuf,
    hashed: PathBuf,
    stamp: PathBuf,
}

impl Place {
    fn new(into: &Path) -> Self {
        let beside = |ending: &str| {
            let mut path = into.as_os_str().to_owned();
            path.push(ending);
            PathBuf::from(path)
        };
        Self {
            dir: into.to_path_buf(),
            new: beside(".new"),
            hashed: beside(".hashed.json"),
            stamp: beside(".stamp"),
        }
    }

    fn at(path: &Path) -> impl Fn(io::Error) -> CollectError {
        move |source| CollectError::File {
            path: path.to_path_buf(),
            source,
        }
    }

    /// What was collected last time, if that still stands.
    fn unchanged(&self, of: &str) -> Option<Collected> {
        let stamp: Stamp = serde_json::from_slice(&fs::read(&self.stamp).ok()?).ok()?;
        if stamp.of != of {
            return None;
        }
        match stamp.why {
            Some(why) => Some(Collected::None { why }),
            None if self.dir.is_dir() && self.hashed.is_file() => Some(Collected::Files(
                self.files(stamp.files, stamp.hashed_names, false),
            )),
            None => None,
        }
    }

    fn files(&self, files: usize, hashed_names: usize, fresh: bool) -> Static {
        Static {
            dir: self.dir.clone(),
            files,
            hashed: self.hashed.clone(),
            hashed_names,
            fresh,
        }
    }

    /// Puts the new folder in the old one's place in one step.
    fn swap(&self) -> io::Result<()> {
        if !self.dir.exists() {
            return fs::rename(&self.new, &self.dir);
        }
        let exchanged = renameat_with(CWD, &self.new, CWD, &self.dir, RenameFlags::EXCHANGE);
        if exchanged.is_err() {
            // A file system that cannot exchange: the folder is missing for a moment.
            fs::remove_dir_all(&self.dir)?;
            return fs::rename(&self.new, &self.dir);
        }
        fs::remove_dir_all(&self.new)
    }

    fn write(&self, path: &Path, content: &impl Serialize) -> Result<(), CollectError> {
        let dir = self.dir.parent().unwrap_or(Path::new("/"));
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(dir)?;
            serde_json::to_writer(&mut file, content)?;
            file.persist(path)?;
            Ok(())
        };
        write().map_err(Self::at(path))
    }
}

/// Collects into `into` (for `up`: `<state>/static`) and compresses; what lies unchanged in `before` is taken over
/// from there. Skips when nothing changed.
pub async fn collect(
    app: &App,
    inspection: &Inspection,
    (into, before): (&Path, Option<&Path>),
    report: Report<'_>,
) -> Result<Collected, CollectError> {
    let place = Place::new(into);
    let of = stamp_of(app, inspection);
    if let Some(unchanged) = place.unchanged(&of) {
        return Ok(unchanged);
    }
    let _ = fs::remove_dir_all(&place.new);
    fs::create_dir_all(&place.new).map_err(Place::at(&place.new))?;
    if let Some(user) = app.user {
        give(&place.new, user).map_err(Place::at(&place.new))?;
    }
    say(report, Step::Collect, "collecting");
    let found = match run_script(app, &place.new, report).await {
        Ok(found) => found,
        Err(error) => {
            let _ = fs::remove_dir_all(&place.new);
            return Err(error);
        }
    };
    if let Some(why) = found.why {
        let _ = fs::remove_dir_all(&place.new);
        let stamp = Stamp {
            of,
            why: Some(why.clone()),
            files: 0,
            hashed_names: 0,
        };
        place.write(&place.stamp, &stamp)?;
        return Ok(Collected::None { why });
    }
    if app.user.is_some() {
        take_back(&place.new, Links::Remove).map_err(Place::at(&place.new))?;
    }
    say(report, Step::Compress, "compressing");
    compressed(&place, before).await?;
    let files = count(&place.new);
    let hashed_names = found.hashed.len();
    let _ = fs::remove_file(&place.stamp);
    place.swap().map_err(Place::at(&place.dir))?;
    place.write(&place.hashed, &found.hashed)?;
    place.write(
        &place.stamp,
        &Stamp {
            of,
            why: None,
            files,
            hashed_names,
        },
    )?;
    Ok(Collected::Files(place.files(files, hashed_names, true)))
}

async fn compressed(place: &Place, before: Option<&Path>) -> Result<(), CollectError> {
    let (new, old) = (place.new.clone(), before.unwrap_or(&place.dir).to_owned());
    let work =
        tokio::task::spawn_blocking(move || compress(&new, old.is_dir().then_some(old.as_path())));
    let done = work.await.map_err(io::Error::other).and_then(|done| done);
    done.map(drop).map_err(Place::at(&place.new))
}

async fn run_script(app: &App, into: &Path, report: Report<'_>) -> Result<Found, CollectError> {
    let mut request = Map::new();
    request.insert("into".into(), path_value(into));
    let answer = ask(&app.as_us(), "collect", request, Step::Collect, report).await;
    let log = app.log("collect");
    let cause = match answer.map_err(Place::at(into))? {
        Answer::Found(found) => match serde_json::from_value(found) {
            Ok(found) => return Ok(found),
            Err(error) => error.to_string(),
        },
        Answer::Raised(raised) => {
            let traceback = Raised::from_script(app, "collect", *raised).traceback;
            let file = failed_file(&log)
                .map(|line| line + "\n")
                .unwrap_or_default();
            file + &traceback
        }
        Answer::Died { status, lines } => {
            format!(
                "Python ended without an answer ({status})\n{}",
                tail(&lines, 10)
            )
        }
        Answer::Hung { after } => format!("it still ran after {} s", after.as_secs()),
    };
    Err(CollectError::Failed { cause, log })
}

/// Django names the file whose references cannot be resolved beside its exception, not in it.
fn failed_file(log: &Path) -> Option<String> {
    let text = fs::read_to_string(log).ok()?;
    let says = |line: &&str| line.starts_with("Post-processing '") && line.ends_with("failed!");
    text.lines().rev().find(says).map(str::to_owned)
}

/// Sources, environment, settings and variables: all that decides about the outcome.
fn stamp_of(app: &App, inspection: &Inspection) -> String {
    let mut without = vec![app.state.clone()];
    without.extend(inspection.static_root.clone());
    without.extend(inspection.media_root.clone());
    let inside = app.within.is_some();
    let dirs = inspection.static_dirs.as_slice();
    let sources = app.sources(if inside { &[] } else { dirs }, &without);
    let mut digest = Sha256::new();
    // Settings that read the environment may say something else with the same sources.
    let said = format!(
        "{:?}",
        (
            &inspection.settings,
            &inspection.static_url,
            &inspection.static_storage,
            &inspection.installed_apps,
        )
    );
    for part in [&sources, &app.environment.digest, &said] {
        digest.update(part);
        digest.update([0]);
    }
    for (name, value) in &app.vars {
        digest.update(format!("{name}={value}\0"));
    }
    digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Files without compressed siblings.
fn count(dir: &Path) -> usize {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let each = entries.map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => count(&entry.path()),
        _ => usize::from(!crate::compress::is_sibling(&entry.path())),
    });
    each.sum()
}
