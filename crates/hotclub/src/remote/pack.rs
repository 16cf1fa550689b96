//! What `hotclub deploy` sends: a folder, an archive or a repository, as one tar.
//!
//! Everything goes but what tools keep for themselves: version control, `.hotclub`, virtualenvs, compiled Python.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use flate2::read::GzDecoder;
use tempfile::TempDir;
use tokio::process::Command;

use crate::console::Failure;

const LEFT_OUT: [&str; 5] = [".git", ".hg", ".svn", ".hotclub", "__pycache__"];
/// Of a tar for each file, beside its bytes.
const HEAD: u64 = 1024;

/// A folder to be sent.
#[derive(Debug)]
pub(super) struct Source {
    dir: PathBuf,
    from: String,
    /// What it is called where the folder's own name says nothing.
    called: Option<String>,
    _fetched: Option<TempDir>,
}

impl Source {
    /// Fetches what is not a folder yet into one.
    pub(super) async fn find(what: &str) -> Result<Self, Failure> {
        let path = Path::new(what);
        if path.is_dir() {
            let dir = std::path::absolute(path)?;
            return Ok(Self {
                from: dir.display().to_string(),
                dir,
                called: None,
                _fetched: None,
            });
        }
        if path.is_file() {
            return of_archive(path).await;
        }
        if what.contains("://") || what.starts_with("git@") || what.ends_with(".git") {
            return of_repository(what).await;
        }
        Err(Failure::new(format!("{what}: no such folder or archive"))
            .hint("name a project's folder, an archive of it, or a Git repository's URL"))
    }

    /// The site's name: what its file says, or what it is called.
    pub(super) fn name(&self) -> Result<String, Failure> {
        let site = hotclub_config::load(&self.dir)
            .map_err(|faults| crate::site_file::faults_of(&faults))?;
        Ok(match &self.called {
            Some(called) if !site.sets("name") => called.clone(),
            _ => site.name,
        })
    }

    pub(super) fn from(&self) -> &str {
        &self.from
    }

    /// Bytes of the tar, about.
    pub(super) fn size(&self) -> io::Result<u64> {
        let mut total = HEAD;
        walk(&self.dir, Path::new(""), &mut |_, _, metadata| {
            total += metadata.len() + HEAD;
            Ok(())
        })?;
        Ok(total)
    }

    /// The tar, in a file that goes when it is closed.
    pub(super) async fn pack(&self) -> Result<File, Failure> {
        let dir = self.dir.clone();
        Ok(tokio::task::spawn_blocking(move || tar_of(&dir)).await??)
    }
}

fn tar_of(dir: &Path) -> io::Result<File> {
    let mut tar = tar::Builder::new(io::BufWriter::new(tempfile::tempfile()?));
    tar.follow_symlinks(false);
    walk(dir, Path::new(""), &mut |path, name, _| {
        tar.append_path_with_name(path, name)
    })?;
    let buffered = tar.into_inner()?;
    buffered
        .into_inner()
        .map_err(io::IntoInnerError::into_error)
}

/// Every file, folder and link that is sent, in the order of the names.
fn walk(
    dir: &Path,
    below: &Path,
    each: &mut impl FnMut(&Path, &Path, &Metadata) -> io::Result<()>,
) -> io::Result<()> {
    let mut entries: Vec<_> = fs::read_dir(dir)?.collect::<io::Result<_>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let (path, name) = (entry.path(), below.join(entry.file_name()));
        let metadata = match entry.metadata() {
            // It went in this moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata?,
        };
        let kind = metadata.file_type();
        let is_sent = kind.is_dir() || kind.is_file() || kind.is_symlink();
        if !is_sent || is_left_out(&path) {
            continue;
        }
        each(&path, &name, &metadata)?;
        if kind.is_dir() {
            walk(&path, &name, each)?;
        }
    }
    Ok(())
}

fn is_left_out(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    LEFT_OUT.contains(&&*name) || name.ends_with(".pyc") || path.join("pyvenv.cfg").is_file()
}

#[derive(Clone, Copy)]
enum Kind {
    Tar,
    TarGz,
    Zip,
}

/// Names that lead out of the folder are refused.
fn unzip(archive: File, into: &Path) -> io::Result<()> {
    let read = zip::ZipArchive::new(archive).and_then(|mut archive| archive.extract(into));
    read.map_err(io::Error::other)
}

async fn of_archive(path: &Path) -> Result<Source, Failure> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let endings = [
        (".tar.gz", Kind::TarGz),
        (".tgz", Kind::TarGz),
        (".tar", Kind::Tar),
        (".zip", Kind::Zip),
    ];
    let Some((stem, kind)) = endings
        .iter()
        .find_map(|(ending, kind)| Some((name.strip_suffix(ending)?, *kind)))
    else {
        return Err(Failure::new(format!(
            "{}: this is no archive that can be read",
            path.display()
        ))
        .hint("pack it as .tar.gz or .zip, or name the folder"));
    };
    let fetched = tempfile::tempdir()?;
    let (archive, into) = (File::open(path)?, fetched.path().to_owned());
    let unpacked = tokio::task::spawn_blocking(move || match kind {
        Kind::TarGz => tar::Archive::new(GzDecoder::new(archive)).unpack(&into),
        Kind::Tar => tar::Archive::new(archive).unpack(&into),
        Kind::Zip => unzip(archive, &into),
    });
    unpacked
        .await?
        .map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    Ok(Source {
        dir: only_folder(fetched.path())?,
        from: std::path::absolute(path)?.display().to_string(),
        called: Some(stem.to_owned()),
        _fetched: Some(fetched),
    })
}

/// Many archives hold one folder and nothing else.
fn only_folder(dir: &Path) -> io::Result<PathBuf> {
    let entries: Vec<_> = fs::read_dir(dir)?.flatten().collect();
    Ok(match &entries[..] {
        [only] if only.path().is_dir() => only.path(),
        _ => dir.to_owned(),
    })
}

async fn of_repository(what: &str) -> Result<Source, Failure> {
    let (url, branch) = match what.split_once('#') {
        Some((url, branch)) => (url, Some(branch)),
        None => (what, None),
    };
    let fetched = tempfile::tempdir()?;
    let mut clone = Command::new("git");
    clone.args(["clone", "--quiet", "--depth", "1"]);
    clone.args(branch.iter().flat_map(|branch| ["--branch", branch]));
    clone.arg("--").arg(url).arg(fetched.path().join("code"));
    run(&mut clone, &format!("{url} cannot be cloned")).await?;
    let mut head = Command::new("git");
    head.args(["rev-parse", "--short", "HEAD"])
        .current_dir(fetched.path().join("code"));
    let commit = run(&mut head, "git rev-parse").await?;
    let called = url.trim_end_matches('/').rsplit(['/', ':']).next();
    let called = called.map(|name| name.trim_end_matches(".git").to_owned());
    Ok(Source {
        dir: fetched.path().join("code"),
        from: format!("{what} at {}", commit.trim()),
        called,
        _fetched: Some(fetched),
    })
}

async fn run(command: &mut Command, what: &str) -> Result<String, Failure> {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = output.await.map_err(|error| {
        Failure::new(format!("{what}: {error}")).hint("install git: apt install git")
    })?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => {
            Err(Failure::new(what).detail(String::from_utf8_lossy(&output.stderr).into_owned()))
        }
    }
}

/// Bytes as a person says them.
pub(super) fn shown(bytes: u64) -> String {
    match bytes {
        0..10_240 => format!("{bytes} bytes"),
        10_240..10_485_760 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_tools_keep_for_themselves_is_not_sent() {
        let dir = tempfile::tempdir().unwrap();
        for file in [
            ".env.prod",
            ".git/config",
            "app/__pycache__/a.pyc",
            "app/a.py",
            "env/pyvenv.cfg",
            "env/lib/x.py",
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "1").unwrap();
        }
        let mut tar = tar::Archive::new(tar_of(dir.path()).map(rewound).unwrap());
        let names: Vec<_> = tar
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, [".env.prod", "app", "app/a.py"]);
    }

    fn rewound(mut file: File) -> File {
        io::Seek::rewind(&mut file).unwrap();
        file
    }
}
