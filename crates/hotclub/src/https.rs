//! HTTPS of the sites: which certificates the front is given, by whom, and when.

mod desk;
mod own;

use std::path::Path;
use std::sync::Arc;

use hotclub_config::{CertificateSource, Fault, Https, Site};
use hotclub_front::{Front, Https as Rules};
use tokio::task::JoinSet;

use crate::console::Failure;
use crate::listeners::Listeners;
use desk::Desk;

pub(crate) use own::OwnFiles;

/// What is wrong with `[https]` beyond its text: files that cannot be used.
pub(crate) fn faults(site: &Site) -> Vec<Fault> {
    let CertificateSource::Own { certificate, key } = &site.https.certificates else {
        return Vec::new();
    };
    let files = OwnFiles::new(certificate.clone(), key.clone());
    match files.load() {
        Ok(_) => Vec::new(),
        Err(wrong) => {
            let key = format!("https.{}", wrong.key());
            vec![site.fault_at(&key, wrong.to_string()).hint(wrong.hint())]
        }
    }
}

/// How a site wants to be reached.
pub(crate) fn rules(https: &Https) -> Rules {
    let mut rules = Rules::default();
    if https.redirect {
        rules = rules.redirecting();
    }
    match https.hsts {
        Some(age) => rules.strict(age),
        None => rules,
    }
}

/// Sees to the certificates while sites are served; ends when dropped.
#[derive(Debug, Default)]
pub(crate) struct Certifier {
    tasks: JoinSet<()>,
}

impl Certifier {
    /// Puts what is there already on the front's keyring, and sees to the rest. `state` is the folder for what is
    /// to be kept.
    pub(crate) fn start<'s>(
        sites: impl IntoIterator<Item = &'s Site>,
        (front, listeners): (&Front, &Listeners),
        _state: &Path,
    ) -> Result<Self, Failure> {
        let desk = Arc::new(Desk::new(front.keyring()));
        let mut certifier = Self::default();
        if !listeners.any_https() {
            return Ok(certifier);
        }
        for site in sites {
            let hosts: Vec<String> = site.all_hosts().map(str::to_owned).collect();
            match &site.https.certificates {
                CertificateSource::Own { certificate, key } => {
                    let files = OwnFiles::new(certificate.clone(), key.clone());
                    certifier.follow(files, hosts, &desk)?;
                }
                CertificateSource::Local | CertificateSource::Acme => {}
            }
        }
        Ok(certifier)
    }

    /// One certificate for whatever name is asked for.
    pub(crate) fn of_files(files: OwnFiles, front: &Front) -> Result<Self, Failure> {
        let desk = Arc::new(Desk::new(front.keyring()));
        let mut certifier = Self::default();
        certifier.follow(files, Vec::new(), &desk)?;
        Ok(certifier)
    }

    fn follow(
        &mut self,
        files: OwnFiles,
        hosts: Vec<String>,
        desk: &Arc<Desk>,
    ) -> Result<(), Failure> {
        let seen = files.stamp();
        let certificate = files
            .load()
            .map_err(|wrong| Failure::new(wrong.to_string()).hint(wrong.hint()))?;
        desk.put(&hosts, &certificate);
        self.tasks
            .spawn(own::follow(files, seen, hosts, Arc::clone(desk)));
        Ok(())
    }
}
