//! `hotclub install`: what a server needs for a host that starts with it. Each thing is said, and what is there
//! already is left as it is. `hotclub uninstall` takes back what only Hotclub uses; data stay unless told otherwise.

mod unit;

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::unistd::User;

use crate::cli::{InstallArgs, UninstallArgs};
use crate::console::{Console, Failure};

const PROGRAM: &str = "usr/local/bin/hotclub";
const CONFIG: &str = "etc/hotclub";
const STATE: &str = "var/lib/hotclub";
const RUN: &str = "run/hotclub";
const UNITS: [&str; 2] = ["hotclub.socket", "hotclub.service"];
const UNIT_FOLDER: &str = "etc/systemd/system";

const HOST_TOML: &str = "\
# The sites of this server that are served from where they lie: folders with a hotclub.toml.
# Others come by `hotclub deploy`, and are not named here.
sites = []
";

/// Where things go, and for whom.
struct Place<'p> {
    root: &'p Path,
    user: &'p str,
    console: &'p Console,
}

pub(crate) fn install(args: &InstallArgs, console: &Console) -> Result<(), Failure> {
    let place = Place {
        root: &args.root,
        user: &args.user,
        console,
    };
    place.may()?;
    if place.is_real() {
        place.make_user()?;
    }
    for (folder, mode) in [(CONFIG, 0o755), (STATE, 0o755), (RUN, 0o755)] {
        place.make_folder(folder, mode)?;
    }
    place.own(STATE)?;
    place.own(RUN)?;
    place.copy_program()?;
    place.write_new(&format!("{CONFIG}/host.toml"), HOST_TOML)?;
    for (name, text) in unit::files(place.user) {
        place.write(&format!("{UNIT_FOLDER}/{name}"), &text)?;
    }
    if place.has_systemd() {
        place.run("systemctl", &["daemon-reload"])?;
        if !args.no_start {
            place.run("systemctl", &["enable", "--now", UNITS[0], UNITS[1]])?;
        }
    } else {
        place.note("no systemd here: have `hotclub host` started by what starts programs here");
    }
    place.note("next: hotclub deploy /path/to/a/project");
    Ok(())
}

pub(crate) fn uninstall(args: &UninstallArgs, console: &Console) -> Result<(), Failure> {
    let place = Place {
        root: &args.root,
        user: &args.user,
        console,
    };
    place.may()?;
    if place.has_systemd() {
        // Not there, or not enabled: then there is nothing to stop.
        let _ = place.run("systemctl", &["disable", "--now", UNITS[0], UNITS[1]]);
    }
    for name in UNITS {
        place.remove(&format!("{UNIT_FOLDER}/{name}"))?;
    }
    if place.has_systemd() {
        place.run("systemctl", &["daemon-reload"])?;
    }
    place.remove(PROGRAM)?;
    place.remove(RUN)?;
    if !args.data {
        let kept = [CONFIG, STATE].map(|path| place.at(path).display().to_string());
        place.note(&format!("kept: {}", kept.join(", ")));
        return Ok(());
    }
    place.remove(CONFIG)?;
    place.remove(STATE)?;
    if place.is_real() && User::from_name(place.user)?.is_some() {
        place.run("userdel", &[place.user])?;
    }
    Ok(())
}

impl Place<'_> {
    fn is_real(&self) -> bool {
        self.root == Path::new("/")
    }

    fn has_systemd(&self) -> bool {
        self.is_real() && Path::new("/run/systemd/system").is_dir()
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    fn note(&self, said: &str) {
        self.console.note(said);
    }

    fn may(&self) -> Result<(), Failure> {
        match self.is_real() && !rustix::process::geteuid().is_root() {
            true => Err(Failure::new("this needs root").hint("sudo hotclub install")),
            false => Ok(()),
        }
    }

    fn make_user(&self) -> Result<(), Failure> {
        if User::from_name(self.user)?.is_some() {
            self.note(&format!("the user {} is there", self.user));
            return Ok(());
        }
        let home = self.at(STATE).display().to_string();
        let options = ["--system", "--user-group", "--no-create-home", "--shell"];
        let rest = ["/usr/sbin/nologin", "--home-dir", &home, self.user];
        self.run("useradd", &[&options[..], &rest[..]].concat())
    }

    fn make_folder(&self, path: &str, mode: u32) -> Result<(), Failure> {
        let path = self.at(path);
        if path.is_dir() {
            self.note(&format!("{} is there", path.display()));
            return Ok(());
        }
        fs::create_dir_all(&path).map_err(|error| unwritable(&path, &error))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(mode))?;
        self.note(&format!("made {}", path.display()));
        Ok(())
    }

    fn own(&self, path: &str) -> Result<(), Failure> {
        let user = User::from_name(self.user)?.filter(|_| self.is_real());
        if let Some(user) = user {
            chown(
                self.at(path),
                Some(user.uid.as_raw()),
                Some(user.gid.as_raw()),
            )?;
        }
        Ok(())
    }

    /// Ours, unless it is where it belongs already.
    fn copy_program(&self) -> Result<(), Failure> {
        let (from, to) = (std::env::current_exe()?, self.at(PROGRAM));
        if from == to {
            return Ok(());
        }
        let folder = to.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        // A program that runs cannot be written to, but replaced.
        let fresh = to.with_extension("new");
        fs::copy(&from, &fresh).map_err(|error| unwritable(&fresh, &error))?;
        fs::rename(&fresh, &to)?;
        self.note(&format!("copied {} to {}", from.display(), to.display()));
        Ok(())
    }

    fn write_new(&self, path: &str, text: &str) -> Result<(), Failure> {
        if self.at(path).exists() {
            self.note(&format!("{} is there", self.at(path).display()));
            return Ok(());
        }
        self.write(path, text)
    }

    fn write(&self, path: &str, text: &str) -> Result<(), Failure> {
        let path = self.at(path);
        let folder = path.parent().unwrap_or(Path::new("/"));
        fs::create_dir_all(folder).map_err(|error| unwritable(folder, &error))?;
        let mut fresh = tempfile::Builder::new()
            .permissions(fs::Permissions::from_mode(0o644))
            .tempfile_in(folder)
            .map_err(|error| unwritable(folder, &error))?;
        fresh.write_all(text.as_bytes())?;
        fresh.persist(&path)?;
        self.note(&format!("wrote {}", path.display()));
        Ok(())
    }

    fn remove(&self, path: &str) -> Result<(), Failure> {
        let path = self.at(path);
        let removed = match path.is_dir() {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
        match removed {
            Ok(()) => {
                self.note(&format!("removed {}", path.display()));
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
            Err(error) => Err(unwritable(&path, &error)),
        }
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<(), Failure> {
        let shown = format!("{program} {}", arguments.join(" "));
        let output = Command::new(program).args(arguments).output();
        let output = output.map_err(|error| Failure::new(format!("{shown}: {error}")))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(Failure::new(format!("{shown} failed")).detail(said));
        }
        self.note(&shown);
        Ok(())
    }
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
}
