//! What a step is doing right now, one line at a time, for a terminal or a log.

use std::fmt;

/// The step that a [`Progress`] line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    Environment,
    Inspect,
    Migrate,
    Collect,
    Compress,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Environment => "environment",
            Self::Inspect => "inspect",
            Self::Migrate => "migrate",
            Self::Collect => "static files",
            Self::Compress => "compress",
        })
    }
}

/// One line about a running step; a terminal shows the last one.
#[derive(Debug, Clone)]
pub struct Progress {
    pub step: Step,
    pub message: String,
}

/// Where progress goes. Called from the task that runs the step; must not block.
pub type Report<'a> = &'a (dyn Fn(Progress) + Send + Sync);

/// For callers that do not show progress.
pub fn silent(_: Progress) {}

pub(crate) fn say(report: Report<'_>, step: Step, message: impl Into<String>) {
    report(Progress {
        step,
        message: message.into(),
    });
}
