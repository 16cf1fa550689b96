//! Certificates of the local authority (`hotclub trust`), for the names by which a developer reaches a site: localhost,
//! and those of its hosts that lead to this machine.

use std::sync::Arc;
use std::time::Duration;

use hotclub_config::{CertificateSource, Fault, Site};

use super::desk::Desk;
use crate::console::Failure;
use crate::trust::{Authority, CERTIFICATE_DAYS, authority_folder, is_local};

/// A new one is made long before the old one ends.
const RENEWAL: Duration = Duration::from_secs(CERTIFICATE_DAYS as u64 * 86_400 / 3);
/// What every developer types.
const EVERYBODYS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The names of one site that the local authority vouches for.
pub(super) struct Names {
    authority: Authority,
    names: Vec<String>,
}

/// Whether nobody but the local authority could vouch for the site: it says so, or has no hosts and is reached
/// from this machine only.
pub(super) fn is_needed(site: &Site, only_here: bool) -> bool {
    match site.https.certificates {
        CertificateSource::Local => true,
        CertificateSource::Acme => only_here && site.all_hosts().next().is_none(),
        CertificateSource::Own { .. } => false,
    }
}

/// `local = true`, and no host for which that could be.
pub(super) fn faults(site: &Site) -> Vec<Fault> {
    let mut hosts = site.hosts.iter().peekable();
    if hosts.peek().is_none() || hosts.any(|host| is_local(host)) {
        return Vec::new();
    }
    let message = "none of the site's hosts leads to this machine alone";
    let hint = "the local authority vouches for localhost and for names that end with .localhost or .test: add one to hosts";
    vec![site.fault_at("https.local", message).hint(hint)]
}

impl Names {
    /// `None`: the site has certificates of its own, or there is no local authority and no need of one.
    pub(super) fn of(site: &Site, is_needed: bool) -> Result<Option<Self>, Failure> {
        if matches!(site.https.certificates, CertificateSource::Own { .. }) {
            return Ok(None);
        }
        let authority = match is_needed {
            true => Some(needed()?),
            // HOME may not be set where real certificates are all that is wanted.
            false => authority_folder()
                .ok()
                .and_then(|folder| Authority::open(&folder).ok()?),
        };
        let hosts = site.all_hosts();
        let hosts = hosts.filter(|host| is_local(host) && !EVERYBODYS.contains(host));
        let mut names: Vec<String> = EVERYBODYS.map(str::to_owned).to_vec();
        names.extend(hosts.map(str::to_owned));
        Ok(authority.map(|authority| Self { authority, names }))
    }

    pub(super) fn put(&self, desk: &Desk) -> Result<(), Failure> {
        desk.put_local(&self.names, &self.authority.certify(&self.names)?);
        Ok(())
    }

    /// Makes new ones for as long as the program runs.
    pub(super) async fn keep(self, desk: Arc<Desk>) {
        loop {
            tokio::time::sleep(RENEWAL).await;
            if let Err(failure) = self.put(&desk) {
                tracing::error!(
                    "the certificate for localhost is not renewed: {}",
                    failure.message
                );
            }
        }
    }
}

/// The authority, made if it is not there.
fn needed() -> Result<Authority, Failure> {
    let folder = authority_folder()?;
    if let Some(authority) = Authority::open(&folder)? {
        return Ok(authority);
    }
    let authority = Authority::open_or_make(&folder)?;
    tracing::warn!(
        "no browser believes the certificate for localhost yet\nhint: run hotclub trust, once on this machine"
    );
    Ok(authority)
}
