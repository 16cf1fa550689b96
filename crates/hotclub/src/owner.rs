//! As whom a project's commands run when root starts them: as the owner of the project's folder, who needs no
//! more than that. `up` opens its ports first, which may be below 1024.
//!
//! Root stays root where the folder is root's own, where its owner has no account or cannot get there, and
//! where an earlier start as root has left data that its owner could not use.

use std::ffi::CString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use hotclub_postgres::{RunAs, can_reach};
use nix::unistd::{self, User};

use crate::console::{Console, Failure};
use crate::project::State;
use crate::sys;

/// What becomes of us once the ports are open.
#[derive(Debug)]
pub(crate) enum Owner {
    /// We are who we are: not root, or a command that is not about a project.
    Us,
    /// Root works as this user.
    Other(Box<User>),
    /// Root stays root, and why.
    Root(String),
}

impl Owner {
    /// Decides, and says to our children by HOME and USER whose they are. To be called at the very start of `main`,
    /// before any thread exists.
    pub(crate) fn find(dir: Option<&Path>) -> Self {
        let Some(dir) = dir.filter(|_| rustix::process::geteuid().is_root()) else {
            return Self::Us;
        };
        // What is wrong with the folder is found out, and said, later.
        let Ok(dir) = dir.canonicalize() else {
            return Self::Us;
        };
        match choose(&dir) {
            Ok(user) => {
                sys::set_variable("HOME", user.dir.as_os_str());
                for name in ["USER", "LOGNAME"] {
                    sys::set_variable(name, user.name.as_ref());
                }
                // Root's own folders.
                for name in ["XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"] {
                    let _roots = sys::take_variable(name);
                }
                Self::Other(Box::new(user))
            }
            Err(reason) => Self::Root(reason),
        }
    }

    /// Gives up root for good: every thread becomes the owner, with the owner's groups.
    pub(crate) fn become_them(&self) -> Result<(), Failure> {
        let Self::Other(user) = self else {
            return Ok(());
        };
        let become_user = || -> Result<(), Box<dyn std::error::Error>> {
            let name = CString::new(user.name.as_bytes())?;
            unistd::initgroups(&name, user.gid)?;
            unistd::setgid(user.gid)?;
            unistd::setuid(user.uid)?;
            Ok(())
        };
        become_user().map_err(|error| {
            Failure::new(format!("root cannot become {}: {error}", user.name))
                .hint(format!("start Hotclub as {} itself", user.name))
        })
    }

    /// What whoever started us as root should know.
    pub(crate) fn tell(&self, console: &Console) {
        match self {
            Self::Us => {}
            Self::Other(user) => console.note(&format!(
                "started as root; all of it runs as {}, who owns the project's folder",
                user.name
            )),
            Self::Root(reason) => console.warning(
                &format!("running as root, and so does the app: {reason}"),
                Some("give the folder to a user of its own (chown -R): Hotclub then runs as that user"),
            ),
        }
    }
}

/// The owner, or why root stays.
fn choose(dir: &Path) -> Result<User, String> {
    let uid = |path: &Path| fs::metadata(path).map(|found| found.uid());
    let owner = uid(dir).map_err(|error| error.to_string())?;
    if owner == 0 {
        return Err("the project's folder is root's".to_owned());
    }
    let user = User::from_uid(owner.into()).ok().flatten();
    let user = user.ok_or_else(|| format!("the folder's owner, {owner}, is no user here"))?;
    let mut made = std::iter::once(dir.join(crate::project::FOLDER)).chain(State::of_root(dir));
    let foreign: Option<PathBuf> = made.find(|state| uid(state).is_ok_and(|found| found != owner));
    if let Some(state) = foreign {
        let state = state.display();
        return Err(format!("{state} is of an earlier start as root"));
    }
    let run_as = RunAs {
        name: user.name.clone(),
        uid: owner,
        gid: user.gid.as_raw(),
    };
    can_reach(dir, &run_as).map_err(|barred| barred.to_string())?;
    Ok(user)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_root_becomes_somebody_else_and_only_for_a_project() {
        assert!(matches!(Owner::find(None), Owner::Us));
        let folder = tempfile::tempdir().unwrap();
        let own = choose(folder.path());
        match rustix::process::geteuid().is_root() {
            true => assert!(own.unwrap_err().contains("root's")),
            false => assert_eq!(own.unwrap().uid, unistd::getuid()),
        }
    }
}
