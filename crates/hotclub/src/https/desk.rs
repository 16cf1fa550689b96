//! Where the certificates of all sites come together before the front is given them.

use std::sync::{Arc, Mutex, PoisonError};

use hotclub_front::{Certificate, Certificates, Challenges, Keyring};

#[derive(Debug)]
pub(crate) struct Desk {
    keyring: Arc<Keyring>,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    certificates: Certificates,
    challenges: Challenges,
    /// The hosts of the site whose certificate those see who send no name.
    fallback_of: Option<Vec<String>>,
}

impl Desk {
    /// Takes everything off the keyring with the first certificate that comes.
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
        self.keyring.set_certificates(held.certificates.clone());
    }

    /// Changes what certificate authorities find.
    #[expect(dead_code, reason = "for the authorities, which come next")]
    pub(super) fn challenge(&self, change: impl FnOnce(&mut Challenges)) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut held.challenges);
        self.keyring.set_challenges(held.challenges.clone());
    }
}
