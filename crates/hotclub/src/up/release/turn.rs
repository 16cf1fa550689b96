//! Whose turn it is to run a site's release commands. The lock is the commands' own, too, so that one which outlives a
//! killed Hotclub keeps the next ones waiting: two `migrate` at a time break a database.

use std::fs::File;
use std::path::Path;

use rustix::fs::FlockOperation;

use crate::console::Failure;

/// Held by whoever has it, and by whatever was started with it as its standard input. It is empty and not written to.
#[derive(Debug)]
pub(crate) struct Turn(File);

impl Turn {
    /// `state` is the site's folder for what outlives its code.
    pub(crate) fn take(state: &Path) -> Result<Self, Failure> {
        let path = state.join("release.lock");
        std::fs::create_dir_all(state)?;
        File::options().create(true).append(true).open(&path)?;
        let file = File::open(&path)?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self(file)),
            Err(_) => Err(Failure::new(
                "release commands of an earlier deploy or start still run",
            )
            .hint(format!(
                "nothing was changed; wait for their end (`fuser -v {}` names them), then try again",
                path.display()
            ))),
        }
    }

    pub(crate) fn file(&self) -> &File {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_was_started_in_a_turn_keeps_it_when_its_starter_is_gone() {
        let state = tempfile::tempdir().unwrap();
        let turn = Turn::take(state.path()).unwrap();
        let mut command = std::process::Command::new("sleep")
            .arg("1000")
            .stdin(turn.file().try_clone().unwrap())
            .spawn()
            .unwrap();
        drop(turn);
        assert!(Turn::take(state.path()).is_err());
        command.kill().unwrap();
        command.wait().unwrap();
        drop(Turn::take(state.path()).unwrap());
    }
}
