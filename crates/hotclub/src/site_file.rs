//! Reads a project's `hotclub.toml`: what `up`, `inspect` and `check` have in common.

use std::path::Path;
use std::sync::Arc;

use hotclub_config::{Fault, Faults, Site, unsupported};

use crate::console::{Console, Failure};
use crate::face;
use crate::releases::{Home, Release};

/// The site of a folder, with its doubts said.
pub(crate) fn load(dir: &Path, console: &Console) -> Result<Site, Failure> {
    let dir = std::path::absolute(dir)?;
    if !dir.is_dir() {
        return Err(Failure::new(format!("{}: no such folder", dir.display())));
    }
    let mut site = hotclub_config::load(&dir).map_err(|faults| faults_of(&faults))?;
    if let Some(home) = Release::around(&dir).and_then(|release| release.home()) {
        as_deployed(&mut site, &home)?;
    }
    let missing = faults(&site);
    if !missing.is_empty() {
        return Err(faults_of(&missing));
    }
    if !site.warnings.is_empty() {
        console.doubts(&site.warnings.to_string());
    }
    Ok(site)
}

/// A release's own file does not say as what it was deployed, and with which variables over its own.
fn as_deployed(site: &mut Site, home: &Home) -> Result<(), Failure> {
    site.name = home.name();
    hotclub_config::lay_over(site, &home.env_file()).map_err(|faults| faults_of(&faults))
}

/// The same during a reload: whoever started us has read the doubts.
pub(crate) fn reread(dir: &Path) -> Result<Arc<Site>, Failure> {
    load(dir, &Console::quiet()).map(Arc::new)
}

/// What only a look beyond the file shows: what is not built, folders that are not there.
pub(crate) fn faults(site: &Site) -> Faults {
    let mut found = Faults::from(unsupported(site));
    found.extend(Faults::from(crate::https::faults(site)));
    found.extend(Faults::from(face::proxy_faults(site)));
    if let Some(pages) = site.pages.as_ref().filter(|pages| !pages.root.is_dir()) {
        let message = format!("there is no folder {}", pages.root.display());
        let fault = site.fault_at("static.root", message);
        found.push(
            fault.hint(
                "build the site first, or correct the path; it starts at hotclub.toml's folder",
            ),
        );
    }
    if !site.processes.is_empty() && !face::has_app(site) {
        let fault = site.fault_at(
            "process.0.name",
            "a [[process]] needs an app beside which it runs",
        );
        found.push(fault.hint("remove the entry: this site has no app"));
    }
    for (at, files) in site.files.iter().enumerate() {
        if files.path.exists() && !files.path.is_dir() {
            let message = format!("{} is not a folder", files.path.display());
            let fault = site.fault_at(&format!("files.{at}.path"), message);
            found.push(fault.hint("name the folder that holds the files"));
        }
    }
    for fault in face::guards(&site.gate, None, None)
        .err()
        .unwrap_or_default()
    {
        let found_at = site.fault_at(&fault.key, fault.message);
        found.push(fault.hint.into_iter().fold(found_at, Fault::hint));
    }
    found
}

pub(crate) fn faults_of(faults: &Faults) -> Failure {
    Failure::new("hotclub.toml is not as it should be").detail(faults.to_string())
}
