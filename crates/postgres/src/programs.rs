//! Where PostgreSQL's programs are: on PATH, or in Debian's folders, which are not on PATH. A set counts
//! when it can make and run a cluster (`initdb` and `postgres` side by side).

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

use crate::error::Error;

/// Where Debian and Ubuntu keep one folder for each major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A version as `postgres --version` says it: `15.14`, `18beta1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    pub major: u32,
    pub text: String,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One installed PostgreSQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Programs {
    /// The folder that holds them.
    pub bin: PathBuf,
    pub version: Version,
}

impl Programs {
    /// The path of one program: `initdb`, `pg_dump`… A folder on PATH may have links to some of them only;
    /// then the others are where those lead, or in Debian's folder of the same version.
    pub fn path(&self, program: &str) -> PathBuf {
        let server = self.bin.join("postgres").canonicalize().ok();
        let linked = server.and_then(|server| Some(server.parent()?.to_path_buf()));
        let debian = Path::new(DEBIAN).join(format!("{}/bin", self.version.major));
        let others = linked.into_iter().chain([debian]);
        [self.bin.clone()]
            .into_iter()
            .chain(others)
            .map(|bin| bin.join(program))
            .find(|path| path.exists())
            .unwrap_or_else(|| self.bin.join(program))
    }
}

/// The highest version installed, or exactly the major version that is wanted. Runs `postgres
/// --version` for each candidate, which takes milliseconds.
pub fn find(wanted: Option<u32>) -> Result<Programs, Error> {
    let mut installed = installed();
    let found: Vec<u32> = installed.keys().copied().collect();
    let chosen = match wanted {
        Some(major) => installed.remove(&major),
        None => installed.pop_last().map(|(_, programs)| programs),
    };
    chosen.ok_or(Error::NotInstalled { wanted, found })
}

/// All installed versions by major; what is on PATH comes before Debian's folders.
pub fn installed() -> BTreeMap<u32, Programs> {
    installed_in(folders())
}

/// The same without running anything: where they are, and of which size and age.
pub fn places() -> Vec<(PathBuf, u64, Option<SystemTime>)> {
    let sets = folders().filter(|bin| bin.join("initdb").is_file());
    let server = sets.map(|bin| bin.join("postgres"));
    let found = server.filter_map(|program| {
        let metadata = std::fs::metadata(&program).ok()?;
        Some((program, metadata.len(), metadata.modified().ok()))
    });
    found.collect()
}

fn folders() -> impl Iterator<Item = PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path: Vec<PathBuf> = std::env::split_paths(&path)
        .filter(|dir| dir.is_absolute())
        .collect();
    on_path.into_iter().chain(debian_folders(Path::new(DEBIAN)))
}

fn installed_in(folders: impl Iterator<Item = PathBuf>) -> BTreeMap<u32, Programs> {
    let mut installed = BTreeMap::new();
    for programs in folders.filter_map(|bin| look_at(&bin)) {
        installed.entry(programs.version.major).or_insert(programs);
    }
    installed
}

fn debian_folders(root: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root).into_iter().flatten().flatten();
    entries.map(|entry| entry.path().join("bin")).collect()
}

fn look_at(bin: &Path) -> Option<Programs> {
    if !bin.join("initdb").is_file() || !bin.join("postgres").is_file() {
        return None;
    }
    let output = Command::new(bin.join("postgres"))
        .arg("--version")
        .output()
        .ok()?;
    let version = parse_version(&String::from_utf8_lossy(&output.stdout))?;
    Some(Programs {
        bin: bin.to_path_buf(),
        version,
    })
}

/// `postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)` → 15.14
fn parse_version(line: &str) -> Option<Version> {
    let text = line
        .split_once("(PostgreSQL)")?
        .1
        .split_whitespace()
        .next()?;
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    Some(Version {
        major: digits.parse().ok()?,
        text: text.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn versions_are_read_in_all_their_shapes() {
        for (line, major, text) in [
            (
                "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)\n",
                15,
                "15.14",
            ),
            ("postgres (PostgreSQL) 18beta1", 18, "18beta1"),
        ] {
            let version = parse_version(line).unwrap();
            assert_eq!((version.major, version.text.as_str()), (major, text));
        }
        assert_eq!(parse_version("bash: no"), None);
    }

    #[test]
    fn the_highest_version_wins_unless_one_is_pinned() {
        let root = tempfile::tempdir().unwrap();
        for major in ["13", "9", "16"] {
            let bin = root.path().join(major).join("bin");
            std::fs::create_dir_all(&bin).unwrap();
            for program in ["initdb", "postgres"] {
                let script = format!("#!/bin/sh\necho 'postgres (PostgreSQL) {major}.1'\n");
                std::fs::write(bin.join(program), script).unwrap();
                std::fs::set_permissions(bin.join(program), std::fs::Permissions::from_mode(0o755))
                    .unwrap();
            }
        }
        std::fs::create_dir_all(root.path().join("17/bin")).unwrap();
        let found = installed_in(debian_folders(root.path()).into_iter());
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [9, 13, 16]);
    }

    #[test]
    fn what_is_not_installed_names_the_package() {
        let error = find(Some(8)).unwrap_err();
        assert_eq!(error.to_string(), "PostgreSQL 8 is not installed");
        assert!(
            error
                .hint()
                .unwrap()
                .contains("apt-get install postgresql-8")
        );
    }
}
