//! What a certificate says of itself: until when it is valid, for which names, and how its authority calls it.

use std::time::{Duration, SystemTime};

use instant_acme::CertificateIdentifier;
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;

use crate::schedule::Validity;

/// The first certificate of a chain.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) validity: Validity,
    pub(crate) names: Vec<String>,
    /// For renewal information (RFC 9773, 4.1).
    pub(crate) id: Option<CertificateIdentifier<'static>>,
}

impl Leaf {
    /// `None`: this is no chain.
    pub(crate) fn read(chain: &str) -> Option<Self> {
        let pem = Pem::iter_from_buffer(chain.as_bytes()).next()?.ok()?;
        let certificate = pem.parse_x509().ok()?;
        let names = certificate.subject_alternative_name().ok().flatten();
        let names = names
            .into_iter()
            .flat_map(|names| &names.value.general_names);
        let names = names.filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        });
        let der = pem.contents.as_slice().into();
        Some(Self {
            validity: Validity {
                from: time(certificate.validity().not_before.timestamp()),
                until: time(certificate.validity().not_after.timestamp()),
            },
            names: names.collect(),
            id: CertificateIdentifier::try_from(&der)
                .ok()
                .map(|id| id.into_owned()),
        })
    }

    pub(crate) fn covers(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.names.contains(name))
    }
}

fn time(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
