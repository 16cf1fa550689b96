//! `--pid FILE`.

use std::path::{Path, PathBuf};

use crate::console::Failure;

/// A file that holds our process id and goes with us.
#[derive(Debug)]
pub(crate) struct PidFile(PathBuf);

impl PidFile {
    /// Writes it, whole or not at all.
    pub(crate) fn write(path: &Path) -> Result<Self, Failure> {
        let path = std::path::absolute(path)?;
        let fresh = path.with_extension(format!("{}.new", std::process::id()));
        std::fs::write(&fresh, format!("{}\n", std::process::id()))
            .and_then(|()| std::fs::rename(&fresh, &path))
            .map_err(|error| {
                Failure::new(format!(
                    "--pid {} cannot be written: {error}",
                    path.display()
                ))
            })?;
        Ok(Self(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        let ours = format!("{}\n", std::process::id());
        if std::fs::read_to_string(&self.0).is_ok_and(|text| text == ours) {
            // A successor's stays. Whoever removed it before us had a reason.
            let _ = std::fs::remove_file(&self.0);
        }
    }
}
