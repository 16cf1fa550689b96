//! Reads a project's `hotclub.toml`: what `up`, `inspect` and `check` have in common.

use std::path::Path;

use hotclub_config::{Faults, Site, unsupported};

use crate::console::{Console, Failure};

/// The site of a folder, with its doubts said.
pub(crate) fn load(dir: &Path, console: &Console) -> Result<Site, Failure> {
    let dir = std::path::absolute(dir)?;
    if !dir.is_dir() {
        return Err(Failure::new(format!("{}: no such folder", dir.display())));
    }
    let site = hotclub_config::load(&dir).map_err(|faults| faults_of(&faults))?;
    let mut missing = Faults::default();
    unsupported(&site)
        .into_iter()
        .chain(crate::https::faults(&site))
        .for_each(|fault| missing.push(fault));
    if !missing.is_empty() {
        return Err(faults_of(&missing));
    }
    if !site.warnings.is_empty() {
        console.doubts(&site.warnings.to_string());
    }
    Ok(site)
}

fn faults_of(faults: &Faults) -> Failure {
    Failure::new("hotclub.toml is not as it should be").detail(faults.to_string())
}
