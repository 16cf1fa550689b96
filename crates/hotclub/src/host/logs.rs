//! `hotclub logs`: the last lines of a site's log, and those that come.

use std::path::PathBuf;

use hotclub_config::Site;
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use super::desk::Desk;
use crate::console::Failure;
use crate::control::{Outcome, Visitor};
use crate::face;
use crate::journal::Journal;
use crate::project::{Project, State};

fn log_of(site: &Site) -> Result<PathBuf, Failure> {
    if !face::has_app(site) {
        return Err(
            Failure::new(format!("{} has no app, which would have a log", site.name))
                .hint("requests are in the access log"),
        );
    }
    let project = Project::find(site.clone(), None)?;
    Ok(State::open_shared(&project)?.log())
}

/// A line of the log on its way to whoever reads it.
#[derive(Serialize)]
#[serde(tag = "event", rename = "log")]
struct Line<'l> {
    line: &'l str,
}

impl Desk {
    pub(super) async fn logs(
        &self,
        site: &str,
        (lines, follow): (usize, bool),
        visitor: &Visitor,
    ) -> Outcome {
        let looks = self.asker.look().await?;
        let found = looks.into_iter().find(|look| look.site.name == site);
        let look = found.ok_or_else(|| {
            Failure::new(format!("no site is called `{site}`"))
                .hint("`hotclub status` shows the sites of this host")
        })?;
        // What is down has said why before.
        let is_down = look.journal.is_none();
        let journal = match look.journal {
            Some(journal) => journal,
            None => Journal::new(&log_of(&look.site)?),
        };
        let listener = visitor.listener();
        let say = |line: &str| {
            let line = serde_json::to_string(&Line { line }).unwrap_or_default();
            listener.send(line).is_ok()
        };
        let (last, mut coming) = journal.follow(lines)?;
        // Kept open by us, the log would not end with the site.
        drop(journal);
        for line in &last {
            say(line);
        }
        if is_down || !follow {
            return Ok(json!({}));
        }
        loop {
            let line = tokio::select! {
                line = coming.recv() => line,
                () = visitor.left() => break,
            };
            match line {
                Ok(line) => {
                    say(&line);
                }
                Err(RecvError::Lagged(missed)) => {
                    say(&format!("({missed} lines came too fast to be shown)"));
                }
                Err(RecvError::Closed) => break,
            }
        }
        Ok(json!({}))
    }
}
