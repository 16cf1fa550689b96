//! The environment that a release was deployed with. What served once is not looked for again: no interpreter is asked,
//! no lock file is read.

use std::io;
use std::path::PathBuf;

use hotclub_django::environment::Environment;
use serde::{Deserialize, Serialize};

use super::{State, memory};

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Prepared {
    pub(super) environment: Environment,
    /// As it is told.
    pub(super) detail: String,
}

impl Prepared {
    /// Of a release that has served, while its environment is there.
    pub(super) fn known(state: &State) -> Option<Self> {
        state.release.as_ref().filter(|release| release.is_fit())?;
        let known: Self = memory::last(&file(state))?;
        known.environment.stands().then_some(known)
    }

    /// Keeps it with the release; elsewhere code changes, and with it what it needs.
    pub(super) fn keep(&self, state: &State) -> io::Result<()> {
        match state.release {
            Some(_) => memory::keep(&file(state), "this release", self),
            None => Ok(()),
        }
    }
}

fn file(state: &State) -> PathBuf {
    state.of_code().join("environment.json")
}
