//! Gives up everything that a process needs not have to read what strangers send: other files, other users' rights,
//! other processes, new programs. To be called while there is but one thread; nothing of it can be taken back.
//!
//! The user, the capabilities and `no_new_privs` are demanded: without them there is no front. A root of its own,
//! Landlock and seccomp are what the kernel and the container around us allow.

use std::io;
use std::path::PathBuf;

use hotclub_supervise::RunAs;
use landlock::{
    ABI, Access, AccessFs, AccessNet, PathBeneath, PathFd, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope,
};
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use rustix::process::{DumpableBehavior, chroot, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use super::calls;
use super::message::Confinement;

/// The latest of what Landlock can do that is asked for; older kernels do what they can.
const LANDLOCK: ABI = ABI::V6;

/// What a process is left with.
#[derive(Clone, Debug)]
pub(crate) struct Bonds {
    /// The folder that becomes `/`; `None`: it sees all files that its user may see.
    pub(crate) root: Option<PathBuf>,
    /// What it may read, as it sees it.
    pub(crate) reads: Vec<PathBuf>,
    /// Where it may write, as it sees it.
    pub(crate) spool: Option<PathBuf>,
    /// `None`: it stays who it is.
    pub(crate) user: Option<RunAs>,
}

impl Bonds {
    /// Puts them on.
    ///
    /// # Errors
    /// When something cannot be given up that must be.
    pub(crate) fn put_on(&self) -> io::Result<Confinement> {
        if let Some(root) = &self.root {
            chroot(root)?;
        }
        std::env::set_current_dir("/")?;
        if let Some(user) = self.user {
            become_user(user)?;
        }
        give_up_capabilities()?;
        set_no_new_privs(true)?;
        // Nobody of the same user may look into its memory, or take its descriptors.
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        let landlock = self.landlock().unwrap_or_else(|error| {
            tracing::warn!(%error, "Landlock cannot be had");
            false
        });
        let seccomp = calls::filter().map_or_else(
            |error| {
                tracing::warn!(%error, "seccomp cannot be had");
                false
            },
            |()| true,
        );
        Ok(Confinement {
            own_root: self.root.is_some(),
            landlock,
            seccomp,
        })
    }

    /// Reads what it may, writes beneath its spool alone, runs nothing, listens nowhere, and signals nobody.
    fn landlock(&self) -> Result<bool, RulesetError> {
        let reads = AccessFs::ReadFile | AccessFs::ReadDir;
        let writes = AccessFs::from_write(LANDLOCK) | AccessFs::ReadFile;
        let mut rules = Ruleset::default()
            .handle_access(AccessFs::from_all(LANDLOCK))?
            .handle_access(AccessNet::BindTcp)?
            .scope(Scope::from_all(LANDLOCK))?
            .create()?;
        let reads = self.reads.iter().map(|path| (path, reads));
        let writes = self.spool.iter().map(|path| (path, writes));
        for (path, access) in reads.chain(writes) {
            // What is not there is not missed.
            if let Ok(path) = PathFd::new(path) {
                rules = rules.add_rule(PathBeneath::new(path, access))?;
            }
        }
        let status = rules.restrict_self()?;
        Ok(status.ruleset != RulesetStatus::NotEnforced)
    }
}

fn become_user(RunAs { uid, gid }: RunAs) -> io::Result<()> {
    // While we may: what is not in the bounding set can never come back.
    for capability in CapabilitySet::all().iter() {
        match remove_capability_from_bounding_set(capability) {
            // The kernel does not know this one.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    setgroups(&[])?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    Ok(())
}

fn give_up_capabilities() -> io::Result<()> {
    // A kernel without ambient capabilities has none that could be cleared.
    let _ = clear_ambient_capability_set();
    let none = CapabilitySet::empty();
    let sets = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    Ok(set_capabilities(None, sets)?)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::path::Path;
    use std::process::Command;

    use rustix::io::Errno;
    use rustix::net::{AddressFamily, SocketType, socket};
    use rustix::process::{Pid, Signal, getppid, kill_process};

    use super::*;

    const CONFINED: &str = "HOTCLUB_TEST_CONFINED";

    /// What an attacker would try; each line is an attempt that came off.
    fn attempts(secret: &Path) -> Vec<String> {
        let mut came_off = Vec::new();
        let mut attempt = |what: &str, is_done: bool| {
            if is_done {
                came_off.push(what.to_owned());
            }
        };
        let starter = getppid().unwrap();
        let memory = format!("/proc/{}/mem", starter.as_raw_nonzero());
        attempt("read a secret", std::fs::read(secret).is_ok());
        attempt("read /etc/shadow", std::fs::read("/etc/shadow").is_ok());
        attempt("read memory", File::open(memory).is_ok());
        attempt("write", std::fs::write("/tmp/hotclub-confined", "").is_ok());
        attempt("run a program", Command::new("/bin/true").status().is_ok());
        attempt("signal", kill_process(starter, Signal::CONT).is_ok());
        attempt("signal all", kill_process(Pid::INIT, Signal::CONT).is_ok());
        let raw = socket(AddressFamily::NETLINK, SocketType::RAW, None);
        attempt("netlink", raw.is_ok());
        let root = rustix::thread::set_thread_uid(rustix::process::Uid::ROOT);
        attempt("become root", root.is_ok());
        let attach =
            nix::sys::ptrace::attach(nix::unistd::Pid::from_raw(starter.as_raw_nonzero().get()));
        attempt("trace", attach.is_ok());
        came_off
    }

    /// In a process of its own: nothing of it can be taken back.
    fn confined(spool: &Path) {
        let user = rustix::process::geteuid().is_root().then_some(RunAs {
            uid: 65_534,
            gid: 65_534,
        });
        let bonds = Bonds {
            root: None,
            reads: vec!["/".into()],
            spool: Some(spool.to_owned()),
            user,
        };
        let held = bonds.put_on().unwrap();
        assert!(held.landlock && held.seccomp, "{held:?}");
        let secret = spool.with_file_name("secret");
        assert_eq!(attempts(&secret), Vec::<String>::new());
        assert_eq!(
            rustix::mount::unmount("/", rustix::mount::UnmountFlags::DETACH),
            Err(Errno::NOSYS)
        );
        std::fs::write(spool.join("body"), "x").unwrap();
        let thread = std::thread::spawn(|| 1 + 1);
        assert_eq!(thread.join().unwrap(), 2);
    }

    #[test]
    fn who_is_confined_reaches_nobody_and_runs_nothing() {
        if let Some(spool) = std::env::var_os(CONFINED) {
            return confined(Path::new(&spool));
        }
        let folder = tempfile::tempdir().unwrap();
        let open = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode;
        std::fs::set_permissions(folder.path(), open(0o755)).unwrap();
        let spool = folder.path().join("spool");
        std::fs::create_dir(&spool).unwrap();
        std::fs::set_permissions(&spool, open(0o777)).unwrap();
        let secret = folder.path().join("secret");
        std::fs::write(&secret, "").unwrap();
        std::fs::set_permissions(&secret, open(0o600)).unwrap();
        let name = "apart::confine::tests::who_is_confined_reaches_nobody_and_runs_nothing";
        let ran = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture", "--test-threads=1"])
            .env(CONFINED, &spool)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ran.stderr);
        assert!(ran.status.success(), "{said}");
    }
}
