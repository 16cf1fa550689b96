//! Who on this machine believes which authorities: the system's store, and those of browsers (NSS). What each
//! distribution wants is a row in a table.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One store.
#[derive(Debug)]
pub(super) enum Store {
    /// `None`: none that is known.
    System(Option<System>),
    /// A folder with `cert9.db`.
    Nss(PathBuf),
    /// Browsers there are, and no store was found.
    NoBrowser,
}

/// Where a distribution wants certificates to be put, and what it wants to be told then.
#[derive(Debug)]
pub(super) struct System {
    folder: &'static str,
    ending: &'static str,
    update: &'static [&'static str],
}

#[derive(Debug)]
pub(super) enum Outcome {
    Done,
    /// There was nothing to be taken away.
    Nothing,
    Failed {
        why: String,
        hint: String,
    },
}

/// The first whose folder is there is this machine's.
const SYSTEMS: [System; 4] = [
    // Debian, Ubuntu, Alpine
    System {
        folder: "/usr/local/share/ca-certificates",
        ending: "crt",
        update: &["update-ca-certificates"],
    },
    // Fedora, RHEL
    System {
        folder: "/etc/pki/ca-trust/source/anchors",
        ending: "pem",
        update: &["update-ca-trust", "extract"],
    },
    // Arch
    System {
        folder: "/etc/ca-certificates/trust-source/anchors",
        ending: "crt",
        update: &["trust", "extract-compat"],
    },
    // openSUSE
    System {
        folder: "/usr/share/pki/trust/anchors",
        ending: "pem",
        update: &["update-ca-certificates"],
    },
];

/// Below the home folder: where Chromium and Chrome look, and the folders of Firefox's profiles.
const CHROMIUM: [&str; 2] = [".pki/nssdb", "snap/chromium/current/.pki/nssdb"];
const FIREFOX: [&str; 3] = [
    ".mozilla/firefox",
    "snap/firefox/common/.mozilla/firefox",
    ".var/app/org.mozilla.firefox/.mozilla/firefox",
];

pub(super) fn system() -> Store {
    let here = |system: &System| Path::new(system.folder).is_dir();
    Store::System(SYSTEMS.into_iter().find(here))
}

pub(super) fn browsers() -> Vec<Store> {
    let Some(home) = std::env::var_os("HOME").map(PathBuf::from) else {
        return vec![Store::NoBrowser];
    };
    let chromium = CHROMIUM.iter().map(|folder| home.join(folder));
    let profiles = FIREFOX.iter().flat_map(|folder| {
        let entries = fs::read_dir(home.join(folder)).into_iter().flatten();
        entries.flatten().map(|entry| entry.path())
    });
    let found = chromium
        .chain(profiles)
        .filter(|folder| folder.join("cert9.db").is_file());
    let found: Vec<_> = found.map(Store::Nss).collect();
    match found.is_empty() {
        true => vec![Store::NoBrowser],
        false => found,
    }
}

impl Store {
    pub(super) fn name(&self) -> String {
        match self {
            Self::System(_) => "the system's store".to_owned(),
            Self::Nss(folder) => format!("the browser's store {}", folder.display()),
            Self::NoBrowser => "browsers".to_owned(),
        }
    }

    /// Has `file` believed, under `name`.
    pub(super) fn install(&self, name: &str, file: &Path) -> Outcome {
        match self {
            Self::System(Some(system)) => system.install(name, file),
            Self::System(None) => Outcome::failed(
                "its place is not known on this system",
                format!("add {} by the system's own means", file.display()),
            ),
            Self::Nss(folder) => {
                let mut certutil = nss(folder, name);
                certutil.args(["-A", "-t", "C,,", "-i"]).arg(file);
                run(&mut certutil)
            }
            Self::NoBrowser => Outcome::failed(
                "no store was found",
                "start the browser once, so that it makes its store, and come back".to_owned(),
            ),
        }
    }

    /// Has it forgotten.
    pub(super) fn remove(&self, name: &str) -> Outcome {
        match self {
            Self::System(Some(system)) => system.remove(name),
            Self::Nss(folder) if holds(folder, name) => run(nss(folder, name).arg("-D")),
            Self::System(None) | Self::Nss(_) | Self::NoBrowser => Outcome::Nothing,
        }
    }
}

impl System {
    fn place(&self, name: &str) -> PathBuf {
        let file = name.to_lowercase().replace(' ', "-");
        Path::new(self.folder).join(format!("{file}.{}", self.ending))
    }

    fn install(&self, name: &str, file: &Path) -> Outcome {
        let place = self.place(name);
        match fs::copy(file, &place) {
            Ok(_) => self.update(),
            Err(error) => {
                let command = format!("cp {} {}", file.display(), place.display());
                self.by_root(&error, &command)
            }
        }
    }

    fn remove(&self, name: &str) -> Outcome {
        let place = self.place(name);
        if !place.exists() {
            return Outcome::Nothing;
        }
        match fs::remove_file(&place) {
            Ok(()) => self.update(),
            Err(error) => self.by_root(&error, &format!("rm {}", place.display())),
        }
    }

    fn update(&self) -> Outcome {
        match self.update {
            [program, arguments @ ..] => run(Command::new(program).args(arguments)),
            [] => Outcome::Done,
        }
    }

    fn by_root(&self, error: &std::io::Error, command: &str) -> Outcome {
        let update = self.update.join(" ");
        Outcome::failed(
            &format!("{}: {error}", self.folder),
            format!("as root: sudo sh -c '{command} && {update}'"),
        )
    }
}

impl Outcome {
    fn failed(why: &str, hint: String) -> Self {
        Self::Failed {
            why: why.to_owned(),
            hint,
        }
    }
}

fn nss(folder: &Path, name: &str) -> Command {
    let mut certutil = Command::new("certutil");
    certutil.args(["-d", &format!("sql:{}", folder.display()), "-n", name]);
    certutil
}

fn holds(folder: &Path, name: &str) -> bool {
    let listed = nss(folder, name).arg("-L").output();
    listed.is_ok_and(|output| output.status.success())
}

fn run(command: &mut Command) -> Outcome {
    let program = command.get_program().to_string_lossy().into_owned();
    match command.stdin(std::process::Stdio::null()).output() {
        Ok(output) if output.status.success() => Outcome::Done,
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            Outcome::failed(
                &format!("{program}: {said}"),
                "close the browser, and try again".to_owned(),
            )
        }
        Err(error) => Outcome::failed(
            &format!("{program} cannot be started: {error}"),
            match program.as_str() {
                "certutil" => {
                    "install it (Debian: libnss3-tools; Fedora: nss-tools), and try again"
                        .to_owned()
                }
                _ => format!("install {program}, and try again"),
            },
        ),
    }
}
