//! `hotclub cache SITE stats|purge`: asks the `hotclub up` of that folder, by the socket in its state folder.

mod desk;
mod socket;

use std::io::{BufRead as _, BufReader, ErrorKind, Write as _};
use std::path::Path;

use hotclub_front::CacheStats;
use serde::{Deserialize, Serialize};

use crate::cli::{CacheAction, CacheArgs};
use crate::console::{Console, Failure};
use crate::face;
use crate::project::{Project, State};

pub(crate) use desk::Desk;

/// The one line that is asked.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Question {
    Stats,
    /// All, a path or a tag.
    Purge(Option<String>),
}

/// The one line that is answered.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Stats(Stats),
    /// So many answers are gone.
    Purged(u64),
    /// The site has no `[cache]`.
    Off,
}

/// [`CacheStats`] as JSON has it.
type Stats = serde_json::Map<String, serde_json::Value>;

pub(crate) fn run(args: &CacheArgs, console: &Console) -> Result<(), Failure> {
    let site = crate::site_file::load(&args.site, console)?;
    let folder = match face::has_app(&site) {
        true => State::open_shared(&Project::find(site, None)?)?.dir,
        false => State::folder_without_app(&site),
    };
    let question = match &args.action {
        CacheAction::Stats { .. } => Question::Stats,
        CacheAction::Purge { what } => Question::Purge(what.clone()),
    };
    match (ask(&folder, &question)?, &args.action) {
        (Answer::Off, _) => Err(Failure::new("this site keeps no answers")
            .hint("add [cache] to its hotclub.toml: docs/caching.md")),
        (Answer::Stats(stats), CacheAction::Stats { json: true }) => {
            let text = serde_json::to_string(&stats)?;
            Ok(writeln!(std::io::stdout(), "{text}")?)
        }
        (Answer::Stats(stats), _) => Ok(write!(std::io::stdout(), "{}", human(&stats))?),
        (Answer::Purged(count), _) => {
            console.note(&format!("{count} answers are forgotten"));
            Ok(())
        }
    }
}

fn ask(folder: &Path, question: &Question) -> Result<Answer, Failure> {
    let mut stream = socket::connect(folder).map_err(|error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
            Failure::new("this site is not up").hint("start it: hotclub up")
        }
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

fn as_map(stats: &CacheStats) -> Stats {
    match serde_json::to_value(stats) {
        Ok(serde_json::Value::Object(map)) => map,
        // A struct of numbers is an object.
        _ => Stats::new(),
    }
}

fn human(stats: &Stats) -> String {
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
        let stats = as_map(&CacheStats {
            hits: 12,
            ..CacheStats::default()
        });
        let text = human(&stats);
        assert_eq!(text.lines().count(), stats.len());
        assert!(text.contains("          12  requests answered fresh\n"));
    }
}
