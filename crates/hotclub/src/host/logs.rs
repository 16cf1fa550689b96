//! `hotclub logs`: the last lines of a site, and those that come: what its app and processes print, its requests as the
//! front has logged them, and what its PostgreSQL says, merged by time.

mod tail;

use std::time::Duration;

use hotclub_config::Site;
use hotclub_postgres::Cluster;
use serde::Serialize;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use self::tail::Tail;
use super::ask::Look;
use super::desk::Desk;
use crate::console::Failure;
use crate::control::{Outcome, Visitor};
use crate::face;
use crate::journal::Journal;
use crate::project::{Project, State};
use crate::visits::Visits;

/// For so long lines are gathered before they are sorted and sent: three tell of the same moment, each in its own time.
const MOMENT: Duration = Duration::from_millis(250);

/// A line of the log on its way to whoever reads it.
#[derive(Serialize)]
#[serde(tag = "event", rename = "log")]
struct Line<'l> {
    line: &'l str,
}

/// Where a site's lines come from. Each begins with its time, so that they are sorted as texts.
struct Sources {
    last: Vec<String>,
    app: Option<Receiver<String>>,
    front: Receiver<String>,
    database: Option<Tail>,
}

impl Sources {
    fn open(look: Look, visits: &Visits, lines: usize) -> Result<Self, Failure> {
        let (mut last, front) = visits.follow(&look.site.name, lines);
        let (mut app, mut database) = (None, None);
        if face::has_app(&look.site) {
            let (journal, folder) = match (look.journal, look.folder) {
                (Some(journal), Some(folder)) => (journal, folder),
                // What is down has said why before.
                _ => {
                    let state = state_of(&look.site)?;
                    (Journal::new(&state.log()), state.dir)
                }
            };
            let (said, coming) = journal.follow(lines)?;
            last.extend(said);
            // Kept open by us, the log would not end with the site.
            drop(journal);
            app = Some(coming);
            database = Tail::open(Cluster::log_in(&folder.join("postgres")), lines);
        }
        last.extend(database.iter_mut().flat_map(Tail::lines));
        // Stable: lines of one moment stay in their order.
        last.sort_by(|one, other| time_of(one).cmp(time_of(other)));
        last.drain(..last.len().saturating_sub(lines));
        Ok(Self {
            last,
            app,
            front,
            database,
        })
    }

    /// What has come since; the second is whether more can come.
    fn gather(&mut self) -> (Vec<String>, bool) {
        let mut lines = Vec::new();
        let app = self.app.as_mut();
        let goes_on = app.is_none_or(|app| take(app, &mut lines));
        take(&mut self.front, &mut lines);
        lines.extend(self.database.iter_mut().flat_map(Tail::lines));
        lines.sort_by(|one, other| time_of(one).cmp(time_of(other)));
        (lines, goes_on)
    }
}

fn state_of(site: &Site) -> Result<State, Failure> {
    State::open_shared(&Project::find(site.clone(), None)?)
}

fn time_of(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

/// False once nothing can come.
fn take(coming: &mut Receiver<String>, lines: &mut Vec<String>) -> bool {
    loop {
        match coming.try_recv() {
            Ok(line) => lines.push(line),
            Err(TryRecvError::Lagged(missed)) => {
                let before = lines.last().map_or("", |line| time_of(line)).to_owned();
                lines.push(format!(
                    "{before} … {missed} lines came too fast to be shown"
                ));
            }
            Err(TryRecvError::Empty) => return true,
            Err(TryRecvError::Closed) => return false,
        }
    }
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
        let mut sources = Sources::open(look, &self.visits, lines)?;
        let listener = visitor.listener();
        let say = |line: &String| {
            let line = serde_json::to_string(&Line { line }).unwrap_or_default();
            // Whoever listens may have left.
            let _ = listener.send(line);
        };
        std::mem::take(&mut sources.last).iter().for_each(say);
        let mut goes_on = follow;
        while goes_on {
            tokio::select! {
                () = tokio::time::sleep(MOMENT) => {}
                () = visitor.left() => break,
            }
            let (lines, more) = sources.gather();
            lines.iter().for_each(say);
            goes_on = more;
        }
        Ok(json!({}))
    }
}
