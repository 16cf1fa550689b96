//! `hotclub cache SITE stats|purge`: asks the `hotclub up` of a folder, by the socket in its state folder, or the host
//! about a site of that name, by its control socket.

mod desk;
mod socket;

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use hotclub_front::{CacheStats, Observer, Purge};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::cli::{CacheAction, CacheArgs};
use crate::console::{Console, Failure};
use crate::control::{Client, Request, print};
use crate::face;
use crate::project::{Project, State};

pub(crate) use desk::Desk;

/// What is asked; at the socket of an `up`, one line.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Question {
    Stats,
    /// All, a path or a tag.
    Purge(Option<String>),
}

/// What is answered, likewise.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    Stats(CacheStats),
    /// So many answers are gone.
    Purged(u64),
    /// The site has no `[cache]`.
    Off,
}

impl Answer {
    /// What a front in this process says.
    pub(crate) fn of(front: &Observer, site: &str, question: &Question) -> Self {
        let answer = match question {
            Question::Stats => Self::stats(&front.caches(), site),
            Question::Purge(what) => {
                let gone = front.purge(site, &Purge::read(what.as_deref()));
                gone.map(Self::Purged)
            }
        };
        answer.unwrap_or(Self::Off)
    }

    /// A site's own among all.
    pub(crate) fn stats(all: &[(String, CacheStats)], site: &str) -> Option<Self> {
        let own = all.iter().find(|(name, _)| name == site);
        own.map(|(_, stats)| Self::Stats(*stats))
    }

    /// As the host and `--json` say it.
    pub(crate) fn said(&self) -> Result<serde_json::Value, Failure> {
        match self {
            Self::Stats(stats) => Ok(serde_json::to_value(stats)?),
            Self::Purged(count) => Ok(json!({ "purged": count })),
            Self::Off => Err(Failure::new("this site keeps no answers")
                .hint("add [cache] to its hotclub.toml: docs/caching.md")),
        }
    }
}

pub(crate) async fn run(args: &CacheArgs, console: &Console) -> Result<(), Failure> {
    let question = match &args.action {
        CacheAction::Stats => Question::Stats,
        CacheAction::Purge { what } => Question::Purge(what.clone()),
    };
    let said = match args.folder() {
        Some(folder) => ask(&state_of(folder, console)?, &question)?.said()?,
        None => Client::ask(&args.at.control, request(args, question), console).await?,
    };
    match (&args.action, args.at.json) {
        (_, true) => print(&said),
        (CacheAction::Stats, false) => Ok(write!(std::io::stdout(), "{}", human(&said))?),
        (CacheAction::Purge { .. }, false) => {
            console.said(&format!("{} answers are forgotten", said["purged"]));
            Ok(())
        }
    }
}

fn request(args: &CacheArgs, question: Question) -> Request {
    let site = args.site.clone();
    match question {
        Question::Stats => Request::CacheStats { site },
        Question::Purge(what) => Request::CachePurge { site, what },
    }
}

/// Where the `up` of this folder keeps its socket.
fn state_of(folder: &Path, console: &Console) -> Result<PathBuf, Failure> {
    let site = crate::site_file::load(folder, console)?;
    Ok(match face::has_app(&site) {
        true => State::open_shared(&Project::find(site, None)?)?.dir,
        false => State::folder_without_app(&site),
    })
}

fn ask(folder: &Path, question: &Question) -> Result<Answer, Failure> {
    let mut stream = socket::connect(folder).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => Failure::new("this site is not up")
            .hint("start it: hotclub up; a site of a host goes by its name, without a slash"),
        ErrorKind::PermissionDenied => Failure::new("somebody else has this site up")
            .hint("be the user who started it, or root"),
        _ => Failure::new(format!("{}: {error}", folder.display())),
    })?;
    let mut line = serde_json::to_vec(question)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}

fn human(stats: &serde_json::Value) -> String {
    const LINES: [(&str, &str); 12] = [
        ("answers", "answers kept now"),
        ("memory", "bytes in memory"),
        ("disk", "bytes in files"),
        ("hits", "requests answered fresh"),
        ("stale", "requests answered while a newer one was made"),
        ("collapsed", "requests that waited for another one's answer"),
        ("stood_in", "requests answered because the app failed"),
        ("misses", "requests that the app was asked for"),
        ("stored", "answers that were kept"),
        ("confirmed", "answers that the app confirmed"),
        (
            "invalidated",
            "answers that a POST or the like made out of date",
        ),
        ("purged", "answers that were purged"),
    ];
    let number = |key: &str| {
        stats
            .get(key)
            .and_then(serde_json::Value::as_u64)
            .unwrap_or(0)
    };
    let lines = LINES
        .iter()
        .map(|(key, text)| format!("{:>12}  {text}\n", number(key)));
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_has_a_line() {
        let stats = Answer::Stats(CacheStats {
            hits: 12,
            ..CacheStats::default()
        });
        let stats = stats.said().unwrap();
        let text = human(&stats);
        assert_eq!(text.lines().count(), stats.as_object().unwrap().len());
        assert!(text.contains("          12  requests answered fresh\n"));
    }
}
