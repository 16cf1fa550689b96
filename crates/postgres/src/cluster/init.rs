//! Makes the data directory: beside its place, renamed when complete, so that a kill leaves either
//! nothing or a whole cluster. Also decides which version's programs fit what is there.

use std::fs::File;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hotclub_config::Secret;

use super::make_dir;
use crate::command::{command, run};
use crate::error::Error;
use crate::programs::{self, Programs};
use crate::user::RunAs;
use crate::{password, role};

/// A cluster in the making; whatever has this beginning was never finished.
pub(crate) const UNFINISHED: &str = "making.";

/// The programs of the version that the data has, which must be the wanted one; without data the wanted
/// one, or the newest.
pub(super) fn programs_for(dir: &Path, wanted: Option<u32>) -> Result<Programs, Error> {
    let data_dir = dir.join("data");
    if !data_dir.exists() {
        return programs::find(wanted);
    }
    let data = major_of(&data_dir)?;
    if wanted.is_some_and(|wanted| wanted != data) {
        return Err(Error::WrongVersion {
            dir: data_dir,
            data,
            wanted,
            installed: Vec::new(),
        });
    }
    programs::find(Some(data)).map_err(|error| match error {
        Error::NotInstalled { found, .. } if !found.is_empty() => Error::WrongVersion {
            dir: data_dir,
            data,
            wanted: None,
            installed: found,
        },
        other => other,
    })
}

pub(crate) fn major_of(data: &Path) -> Result<u32, Error> {
    let text = std::fs::read_to_string(data.join("PG_VERSION")).unwrap_or_default();
    // Before 10 the major version had two parts; those are far out of Hotclub's reach anyway.
    let major = text
        .trim()
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    major.ok_or_else(|| Error::NotACluster {
        dir: data.to_path_buf(),
    })
}

/// Removes what earlier runs left unfinished. Called under the lock. An `initdb` that outlived its killed
/// Hotclub may still be writing; it fails as soon as its files are gone, so a second try finds peace.
pub(super) async fn sweep(dir: &Path) -> Result<(), Error> {
    let entries = std::fs::read_dir(dir).map_err(Error::io("list", dir))?;
    for entry in entries.flatten() {
        let path = entry.path();
        if !entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            continue;
        }
        let mut tries = 50;
        while let Err(error) = std::fs::remove_dir_all(&path) {
            tries -= 1;
            if tries == 0 {
                return Err(Error::io("remove", path)(error));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    Ok(())
}

/// Sees to a whole data directory and returns the superuser's password.
pub(super) async fn complete(
    dir: &Path,
    programs: &Programs,
    user: Option<&RunAs>,
) -> Result<Secret, Error> {
    let file = dir.join("secrets/admin.password");
    let known = password::read(&file)?;
    match (dir.join("data").exists(), known) {
        (true, Some(password)) => Ok(password),
        (true, None) => {
            let password = password::create(&file)?;
            reset_password(dir, programs, user, &password).await?;
            Ok(password)
        }
        (false, known) => {
            // Kept before it is used: a kill after the rename must not leave a cluster nobody can enter.
            let password = known.map_or_else(|| password::create(&file), Ok)?;
            make(dir, programs, user, &password).await?;
            Ok(password)
        }
    }
}

async fn make(
    dir: &Path,
    programs: &Programs,
    user: Option<&RunAs>,
    password: &Secret,
) -> Result<(), Error> {
    let suffix = password::random(4).map_err(Error::io("make a name in", dir))?;
    let making = dir.join(format!("{UNFINISHED}{suffix}"));
    make_dir(&making, 0o700, user)?;
    let password_file = making.join("password");
    password::write_private(&password_file, password.expose())
        .map_err(Error::io("write", &password_file))?;
    if let Some(user) = user {
        chown(&password_file, Some(user.uid), Some(user.gid))
            .map_err(Error::io("give away", &password_file))?;
    }
    let result = initdb(&making, programs, user).await;
    let result = result.and_then(|()| settle(dir, &making));
    let _ = std::fs::remove_dir_all(&making);
    result
}

/// `C.UTF-8` sorts by code point, the same on every C library: an update of the system can never
/// corrupt an index. Where it is missing, `C` sorts alike and only knows fewer letters' cases.
async fn initdb(making: &Path, programs: &Programs, user: Option<&RunAs>) -> Result<(), Error> {
    match initdb_with(making, programs, user, "C.UTF-8").await {
        Err(Error::Failed { output, .. }) if output.contains("locale") => {
            initdb_with(making, programs, user, "C").await
        }
        other => other,
    }
}

async fn initdb_with(
    making: &Path,
    programs: &Programs,
    user: Option<&RunAs>,
    locale: &str,
) -> Result<(), Error> {
    let mut initdb = command(&programs.path("initdb"), user);
    initdb
        .arg("--pgdata")
        .arg(making.join("data"))
        .arg("--pwfile")
        .arg(making.join("password"));
    initdb.args([
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--data-checksums",
    ]);
    initdb
        .arg(format!("--locale={locale}"))
        .arg(format!("--username={}", role::ADMIN));
    run(initdb, "initdb", "").await
}

fn settle(dir: &Path, making: &Path) -> Result<(), Error> {
    let (made, place) = (making.join("data"), dir.join("data"));
    std::fs::rename(&made, &place).map_err(Error::io("move into place", &place))?;
    sync(dir)
}

/// Makes a rename last through a power cut.
pub(super) fn sync(dir: &Path) -> Result<(), Error> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(Error::io("sync", dir))
}

/// The way back in when the password file was lost: the server's single-user mode asks for none.
async fn reset_password(
    dir: &Path,
    programs: &Programs,
    user: Option<&RunAs>,
    password: &Secret,
) -> Result<(), Error> {
    let data: PathBuf = dir.join("data");
    let mut postgres = command(&programs.path("postgres"), user);
    postgres.arg("--single").arg("-D").arg(data).arg("postgres");
    let statement = format!(
        "ALTER ROLE {} PASSWORD {}\n",
        role::identifier(role::ADMIN),
        role::verifier(password)
    );
    run(postgres, "postgres", &statement).await
}
