//! The only I/O of this crate: the project's `hotclub.toml` and the env files that it names.

use std::io;
use std::path::Path;

use crate::fault::{Fault, Faults};
use crate::model::{EnvVar, Origin, Site};
use crate::{FILE_NAME, Secret, env_file};

/// Longer than any file a person wrote; a device or a database given by mistake ends here.
const LONGEST: u64 = 4 << 20;

/// Reads a project's configuration with its env files. Without the file: the defaults.
pub fn load(dir: &Path) -> Result<Site, Faults> {
    if !dir.is_dir() {
        return Err(lone(Fault::without_place(format!(
            "there is no folder {}",
            dir.display()
        ))));
    }
    let file = dir.join(FILE_NAME);
    match read(&file) {
        Ok(text) => with_env_files(crate::parse(&text, &file)?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Site::detected(dir)),
        Err(error) => {
            let message = format!("{} cannot be read: {error}", file.display());
            Err(lone(Fault::without_place(message)))
        }
    }
}

pub(crate) fn with_env_files(mut site: Site) -> Result<Site, Faults> {
    let mut found = Faults::default();
    let set = std::mem::take(&mut site.env.vars);
    for (at, path) in site.env.files.iter().enumerate() {
        match read(path) {
            Ok(text) => match env_file::parse(&text, path) {
                Ok(file) => {
                    site.env
                        .vars
                        .extend(file.entries.into_iter().map(|entry| from_file(entry, path)));
                    found.extend(file.warnings);
                }
                Err(faults) => found.extend(faults),
            },
            Err(error) => found.push(unreadable(&site, at, path, &error)),
        }
    }
    site.env.vars.extend(set);
    site.warnings.extend(found.split()?);
    Ok(site)
}

/// Lays an env file over all that a site's own files say; without the file, nothing.
///
/// # Errors
/// Whatever is wrong in it.
pub fn lay_over(site: &mut Site, file: &Path) -> Result<(), Faults> {
    let text = match read(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            let message = format!("{} cannot be read: {error}", file.display());
            return Err(lone(Fault::without_place(message)));
        }
    };
    let read = env_file::parse(&text, file)?;
    let entries = read.entries.into_iter();
    site.env
        .vars
        .extend(entries.map(|entry| from_file(entry, file)));
    site.warnings.extend(read.warnings);
    Ok(())
}

fn from_file(entry: env_file::Entry, path: &Path) -> (String, EnvVar) {
    let origin = Origin::File {
        path: path.to_path_buf(),
        line: entry.line,
    };
    (
        entry.name,
        EnvVar {
            value: Secret::new(entry.value.expose()),
            origin,
        },
    )
}

fn unreadable(site: &Site, at: usize, path: &Path, error: &io::Error) -> Fault {
    let key = format!("env.files.{at}");
    let path = path.display();
    if error.kind() == io::ErrorKind::NotFound {
        let fault = site.fault_at(&key, format!("there is no file {path}"));
        return fault.hint(
            "create it, or remove it from `env.files`; paths start at hotclub.toml's folder",
        );
    }
    site.fault_at(&key, format!("{path} cannot be read: {error}"))
}

pub(crate) fn read(path: &Path) -> io::Result<String> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if metadata.len() > LONGEST {
        return Err(io::Error::other("it is longer than 4 MiB"));
    }
    let bytes = std::fs::read(path)?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
        io::Error::other(format!("line {line} is not UTF-8"))
    })
}

pub(crate) fn lone(fault: Fault) -> Faults {
    Faults::from(vec![fault])
}
