//! Where the certificates of all sites come together before the front is given them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hotclub_front::{Certificate, Certificates, Challenges, Keyring};

use super::authority::together;

#[derive(Debug)]
pub(crate) struct Desk {
    keyring: Arc<Keyring>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    certificates: Certificates,
    /// By site.
    challenges: BTreeMap<String, Challenges>,
    /// The hosts of the site whose certificate those see who send no name.
    fallback_of: Option<Vec<String>>,
    /// Handshakes see what is here.
    is_open: bool,
}

impl Desk {
    /// Changes nothing on the keyring until it is opened.
    pub(super) fn new(keyring: Arc<Keyring>) -> Self {
        Self {
            keyring,
            held: Mutex::default(),
        }
    }

    /// This certificate answers for `hosts`; without any, for every name. Clients that send no name see the
    /// first that came.
    pub(super) fn put(&self, hosts: &[String], certificate: &Certificate) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for host in hosts {
            held.certificates.insert(host, certificate);
        }
        let is_fallback = held.fallback_of.as_ref().is_none_or(|of| of == hosts);
        if is_fallback || hosts.is_empty() {
            held.certificates.set_fallback(certificate);
            held.fallback_of = Some(hosts.to_vec());
        }
        self.show(&held);
    }

    /// The same for names by which only this machine reaches us: who sends no name sees it as long as there is nothing
    /// better.
    pub(super) fn put_local(&self, hosts: &[String], certificate: &Certificate) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        for host in hosts {
            held.certificates.insert(host, certificate);
        }
        if held.fallback_of.is_none() {
            held.certificates.set_fallback(certificate);
        }
        self.show(&held);
    }

    fn show(&self, held: &Held) {
        if held.is_open {
            self.keyring.set_certificates(held.certificates.clone());
        }
    }

    /// Puts what has come, and from here on what comes, in the place of everything that is on the keyring: a
    /// reload never shows half of the certificates.
    pub(super) fn open(&self) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.is_open = true;
        self.show(&held);
    }

    /// Adds to what authorities find for a site.
    pub(super) fn challenge(&self, site: &str, change: impl FnOnce(&mut Challenges)) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        change(held.challenges.entry(site.to_owned()).or_default());
        self.keyring
            .set_challenges(together(held.challenges.values()));
    }

    pub(super) fn forget_challenges(&self, site: &str) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.challenges.remove(site);
        self.keyring
            .set_challenges(together(held.challenges.values()));
    }
}
