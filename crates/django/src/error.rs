//! One error for callers that do not care which step it was, with a hint for people.

use thiserror::Error;

use crate::collect::CollectError;
use crate::environment::EnvironmentError;
use crate::find::FindError;
use crate::inspect::InspectError;
use crate::lockfile::LockfileError;
use crate::migrate::MigrateError;

#[derive(Debug, Error)]
pub enum Error {
    #[error(transparent)]
    Find(#[from] FindError),
    #[error(transparent)]
    Lockfile(#[from] LockfileError),
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    Inspect(#[from] InspectError),
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    #[error(transparent)]
    Collect(#[from] CollectError),
}

impl Error {
    /// What to do next, without the word `hint:`.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Find(error) => Some(error.hint()),
            Self::Lockfile(error) => Some(error.hint()),
            Self::Environment(error) => error.hint(),
            Self::Inspect(error) => error.hint(),
            Self::Migrate(error) => error.hint(),
            Self::Collect(error) => error.hint(),
        }
    }
}
