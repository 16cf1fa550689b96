//! A keyring on its way to another process: who gets the certificates is not who shows them.

use std::collections::HashMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::store::{Certificate, CertificateError, Certificates, Source};
use super::{Challenges, Keyring};

/// Everything on a keyring, each certificate once.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct PackedKeys {
    certificates: Vec<Source>,
    /// Indices of these.
    by_name: Vec<(String, usize)>,
    fallback: Option<usize>,
    /// Tokens and texts.
    texts: Vec<(String, String)>,
    proofs: Vec<(String, usize)>,
}

/// Certificates that are packed, by where they are in memory.
#[derive(Default)]
struct Packing {
    sources: Vec<Source>,
    known: HashMap<*const Source, usize>,
}

impl Packing {
    fn add(&mut self, certificate: &Certificate) -> usize {
        let source = certificate.source();
        let next = self.sources.len();
        let index = *self.known.entry(source).or_insert(next);
        if index == next {
            self.sources.push(source.clone());
        }
        index
    }
}

impl Keyring {
    /// Told whenever something on it changes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// All that is on it now.
    #[must_use]
    pub fn pack(&self) -> PackedKeys {
        let mut packing = Packing::default();
        let certificates = self.certificates.load();
        let (names, fallback) = certificates.all();
        let by_name = names.map(|(name, one)| (name, packing.add(one))).collect();
        let fallback = fallback.map(|one| packing.add(one));
        let challenges = self.challenges.load();
        let (texts, proofs) = challenges.all();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        PackedKeys {
            by_name,
            fallback,
            texts: texts
                .map(|(token, answer)| (text(token), text(answer)))
                .collect(),
            proofs: proofs
                .map(|(name, one)| (name.clone(), packing.add(one)))
                .collect(),
            certificates: packing.sources,
        }
    }

    /// Takes what another keyring had, and nothing else.
    ///
    /// # Errors
    /// When a certificate cannot be used; nothing is changed then.
    pub fn unpack(&self, packed: &PackedKeys) -> Result<(), CertificateError> {
        let read = packed.certificates.iter().map(Source::read);
        let all: Vec<Certificate> = read.collect::<Result<_, _>>()?;
        let mut certificates = Certificates::default();
        for (name, index) in &packed.by_name {
            all.get(*index)
                .into_iter()
                .for_each(|one| certificates.insert(name, one));
        }
        if let Some(one) = packed.fallback.and_then(|index| all.get(index)) {
            certificates.set_fallback(one);
        }
        let mut challenges = Challenges::default();
        for (token, text) in &packed.texts {
            challenges.add_text(token, text.clone());
        }
        for (name, index) in &packed.proofs {
            all.get(*index)
                .into_iter()
                .for_each(|one| challenges.add_certificate(name, one));
        }
        self.certificates.store(Arc::new(certificates));
        self.set_challenges(challenges);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> Certificate {
        let made = rcgen::generate_simple_self_signed(["a.example".to_owned()]).unwrap();
        let key = made.signing_key.serialize_pem();
        Certificate::from_pem(made.cert.pem().as_bytes(), key.as_bytes()).unwrap()
    }

    #[test]
    fn what_is_unpacked_answers_as_what_was_packed() {
        let keyring = Keyring::default();
        let one = certificate();
        let mut certificates = Certificates::default();
        for name in ["a.example", "*.a.example"] {
            certificates.insert(name, &one);
        }
        certificates.set_fallback(&certificate());
        keyring.set_certificates(certificates);
        let mut challenges = Challenges::default();
        challenges.add_text("token", "text".to_owned());
        challenges.add_certificate("b.example", &one);
        keyring.set_challenges(challenges);

        let packed = keyring.pack();
        assert_eq!(packed.certificates.len(), 2);
        assert!(!format!("{packed:?}").contains("key"));
        let other = Keyring::default();
        let mut changes = other.changes();
        other.unpack(&packed).unwrap();
        assert!(changes.has_changed().unwrap());
        changes.mark_unchanged();
        let found = |name: &[u8]| other.certificates().find(Some(name));
        let chain = |name: &[u8]| found(name).unwrap().cert.clone();
        assert_eq!(chain(b"a.example"), one.key().cert);
        assert_eq!(chain(b"x.a.example"), one.key().cert);
        assert_ne!(chain(b"c.example"), one.key().cert);
        let waiting = other.challenges.load();
        assert_eq!(waiting.answer(b"token").unwrap(), "text");
        assert!(waiting.certificate("b.example").is_some());
    }
}
