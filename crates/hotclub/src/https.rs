//! HTTPS of the sites: which certificates the front is given, by whom, and when.

mod authority;
pub(crate) mod clerk;
mod desk;
mod local;
mod own;

use std::path::Path;
use std::sync::Arc;

use hotclub_acme::{Office, Shower, Wish};
use hotclub_config::{CertificateSource, Fault, Https, Site};
use hotclub_front::{Front, Https as Rules, Keyring};
use tokio::task::JoinSet;

use crate::console::Failure;
use crate::listeners::Listeners;
use desk::Desk;

pub(crate) use own::OwnFiles;

/// What is wrong with `[https]` beyond its text: files that cannot be used.
pub(crate) fn faults(site: &Site) -> Vec<Fault> {
    match &site.https.certificates {
        CertificateSource::Own { certificate, key } => {
            let files = OwnFiles::new(certificate.clone(), key.clone());
            let wrong = files.load().err().into_iter();
            let fault = |wrong: own::Unusable| {
                let key = format!("https.{}", wrong.key());
                site.fault_at(&key, wrong.to_string()).hint(wrong.hint())
            };
            wrong.map(fault).collect()
        }
        CertificateSource::Acme => authority::faults(site),
        CertificateSource::Local => local::faults(site),
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
#[derive(Default)]
pub(crate) struct Certifier {
    tasks: JoinSet<()>,
    wishes: Vec<(Wish, Shower)>,
}

impl Certifier {
    /// Puts what is there already on the front's keyring, and sees to the rest. `state` is the folder for what is
    /// to be kept.
    pub(crate) fn start<'s>(
        sites: impl IntoIterator<Item = &'s Site>,
        (keyring, listeners): (Arc<Keyring>, &Listeners),
        state: &Path,
    ) -> Result<Self, Failure> {
        let desk = Arc::new(Desk::new(keyring));
        let mut certifier = Self::default();
        if !listeners.any_https() {
            return Ok(certifier);
        }
        for site in sites {
            let hosts: Vec<String> = site.all_hosts().map(str::to_owned).collect();
            let local = local::is_needed(site, listeners.https_is_only_here());
            match &site.https.certificates {
                CertificateSource::Own { certificate, key } => {
                    let files = OwnFiles::new(certificate.clone(), key.clone());
                    certifier.follow(files, hosts, &desk)?;
                }
                CertificateSource::Acme if !local => {
                    let wish = authority::wish(site, hosts, state)?;
                    let show = authority::shower(&wish, &desk);
                    certifier.wishes.push((wish, show));
                }
                CertificateSource::Acme | CertificateSource::Local => {}
            }
            if let Some(local) = local::Names::of(site, local)? {
                local.put(&desk)?;
                certifier.tasks.spawn(local.keep(Arc::clone(&desk)));
            }
        }
        desk.open();
        Ok(certifier)
    }

    /// From here on visitors are let in, and so are certificate authorities: asks them for what is missing.
    pub(crate) fn begin(&mut self, office: &Office) {
        for (wish, show) in self.wishes.drain(..) {
            self.tasks
                .spawn(hotclub_acme::keep(wish, show, office.clone()));
        }
    }

    /// One certificate for whatever name is asked for.
    pub(crate) fn of_files(files: OwnFiles, front: &Front) -> Result<Self, Failure> {
        let desk = Arc::new(Desk::new(front.keyring()));
        let mut certifier = Self::default();
        certifier.follow(files, Vec::new(), &desk)?;
        desk.open();
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
