//! What supervisor and front say to each other. The supervisor orders; the front answers, and says what becomes of
//! requests. Nothing that the front says names a program, a path, a user or a process.

use std::time::Duration;

use hotclub_app::{BufferBounds, LaneNews, LaneOrder};
use hotclub_config::{Limits, Server};
use hotclub_front::{Format, PackedKeys, Purge};
use hotclub_supervise::RunAs;
use serde::{Deserialize, Serialize};

use crate::face::Face;
use crate::host::stage::Observed;
use crate::probe::Probe;

/// From the supervisor.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Order {
    /// The first message; beside it the pipe for the access log, if there is one.
    Begin(Box<Setting>),
    /// Beside it a listening socket.
    Accept {
        https: bool,
    },
    StopAccepting,
    /// To the lanes of a generation.
    Lanes {
        generation: u64,
        order: LaneOrder,
    },
    /// Asks a generation its first request.
    Probe {
        question: u64,
        generation: u64,
        probe: Probe,
    },
    /// Opens what a site needs to be shown, and calls it by this number. Where it has a log of its own, that has a
    /// number, too, and a pipe for its lines comes beside this.
    Ready {
        question: u64,
        number: u64,
        face: Box<Face>,
        generation: Option<u64>,
        log: Option<(u64, Format)>,
    },
    /// A site that was ready will not be shown any more.
    Forget {
        number: u64,
    },
    Show(Playbill),
    Keys(Box<PackedKeys>),
    Drain {
        question: u64,
        within: Duration,
    },
    Observe {
        question: u64,
    },
    /// Forgets what is kept of a site's answers.
    Purge {
        question: u64,
        site: String,
        meant: Purge,
    },
    /// Asks whether all that was said before is done.
    CatchUp {
        question: u64,
    },
}

/// What a front is begun with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Setting {
    pub(super) threads: usize,
    pub(super) limits: Limits,
    pub(super) server: Server,
    pub(super) bounds: BufferBounds,
    /// Where bodies go that are too large for memory.
    pub(super) spool: std::path::PathBuf,
    pub(super) log: Option<Format>,
}

/// Everything that is shown at once.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Playbill {
    pub(super) sites: Vec<Shown>,
    pub(super) default: Option<String>,
    pub(super) is_alone: bool,
}

/// One site of these.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Shown {
    Site(u64),
    Closed { name: String, hosts: Vec<String> },
}

/// From the front.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Said {
    /// It has given up what it need not have, and serves what it is told.
    Begun(Confinement),
    Answer {
        question: u64,
        answer: Answer,
    },
    /// From the lanes of a generation.
    Lanes {
        generation: u64,
        news: LaneNews,
    },
}

/// To a question.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Answer {
    Done,
    Failed(String),
    Observed(Box<Observed>),
    /// So many answers are gone; `None`: the site keeps none.
    Purged(Option<u64>),
}

/// What holds the front's process, beside its user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Confinement {
    /// It sees no file but those that it was given.
    pub(super) own_root: bool,
    pub(super) landlock: bool,
    pub(super) seccomp: bool,
}

impl Confinement {
    /// In words, for whoever started the daemon.
    pub(super) fn described(self, user: Option<RunAs>) -> String {
        let Self {
            own_root,
            landlock,
            seccomp,
        } = self;
        let user = user.map_or("as who started it".to_owned(), |user| {
            format!("as user {}", user.uid)
        });
        let parts = [
            (own_root, "a root of its own"),
            (landlock, "Landlock"),
            (seccomp, "seccomp"),
        ];
        let [has, lacks] = [true, false].map(|wanted| {
            let parts = parts.iter().filter(|(is, _)| *is == wanted);
            parts.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
        });
        let mut text = format!("the front is a process of its own, {user}");
        for (word, list) in [(", with ", has), (", without ", lacks)] {
            if !list.is_empty() {
                text.push_str(word);
                text.push_str(&list);
            }
        }
        text
    }
}
