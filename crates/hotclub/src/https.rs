//! HTTPS of a site: which certificates the front is given, by whom, and when.

mod own;

use std::sync::Arc;

use hotclub_config::{CertificateSource, Fault, Site};
use hotclub_front::{Certificates, Https as Rules, Keyring};
use tokio::task::JoinSet;

use crate::console::Failure;
use crate::listeners::Listeners;

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

/// How the site wants to be reached, given what it listens on.
pub(crate) fn rules(site: &Site, listeners: &Listeners) -> Rules {
    let mut rules = Rules::default();
    if let Some(port) = listeners.https_port().filter(|_| site.https.redirect) {
        rules = rules.redirecting(port);
    }
    match site.https.hsts {
        Some(age) => rules.strict(age),
        None => rules,
    }
}

/// Sees to the certificates while the site is served; ends when dropped.
#[derive(Debug, Default)]
pub(crate) struct Certifier {
    _tasks: JoinSet<()>,
}

impl Certifier {
    /// Puts what is there already on the keyring, and sees to the rest.
    pub(crate) fn start(
        site: &Site,
        listeners: &Listeners,
        keyring: &Arc<Keyring>,
    ) -> Result<Self, Failure> {
        if listeners.https_port().is_none() {
            return Ok(Self::default());
        }
        match &site.https.certificates {
            CertificateSource::Own { certificate, key } => {
                Self::own(OwnFiles::new(certificate.clone(), key.clone()), keyring)
            }
            CertificateSource::Local | CertificateSource::Acme => {
                Err(Failure::new("an https listener needs a certificate")
                    .hint("write certificate = \"cert.pem\" and key = \"key.pem\" under [https]"))
            }
        }
    }

    /// Of files that somebody else looks after.
    pub(crate) fn own(files: OwnFiles, keyring: &Arc<Keyring>) -> Result<Self, Failure> {
        let seen = files.stamp();
        let certificate = files
            .load()
            .map_err(|wrong| Failure::new(wrong.to_string()).hint(wrong.hint()))?;
        let mut certificates = Certificates::default();
        certificates.set_fallback(&certificate);
        keyring.set_certificates(certificates);
        let mut tasks = JoinSet::new();
        tasks.spawn(own::follow(files, seen, Arc::clone(keyring)));
        Ok(Self { _tasks: tasks })
    }
}
