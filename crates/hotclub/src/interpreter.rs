//! Which Python `hotclub serve` runs.

use std::path::{Path, PathBuf};

use crate::console::Failure;

/// `wanted`, else the active virtualenv's, else `python3` on PATH.
pub(crate) fn find(wanted: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(wanted) = wanted {
        return named(wanted);
    }
    let active = std::env::var_os("VIRTUAL_ENV").map(|env| Path::new(&env).join("bin/python"));
    if let Some(python) = active.filter(|python| python.exists()) {
        return Ok(python);
    }
    ["python3", "python"]
        .iter()
        .find_map(|name| on_path(name))
        .ok_or_else(|| {
            Failure::new("there is no Python on PATH")
                .hint("install it (`apt install python3`), or name it with --python")
        })
}

fn named(wanted: &Path) -> Result<PathBuf, Failure> {
    let found = if wanted.components().count() > 1 {
        Some(std::path::absolute(wanted)?).filter(|file| file.exists())
    } else {
        wanted.to_str().and_then(on_path)
    };
    found.ok_or_else(|| {
        Failure::new(format!("--python {}: no such program", wanted.display()))
            .hint("give a path, or the name of a Python on PATH, such as python3")
    })
}

fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}
