//! What a certificate says of itself: until when it is valid, for which names, and how its authority calls it;
//! and whether one that a clerk brings is the one that was asked for.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use instant_acme::CertificateIdentifier;
use rcgen::{KeyPair, PublicKeyData as _};
use x509_parser::extensions::GeneralName;
use x509_parser::pem::Pem;

use crate::LONGEST_CHAIN;
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

/// A chain as it is kept: its certificates and no other text. It is for this key and all these names, and valid for a
/// while yet; else why not.
pub(crate) fn checked(chain: &str, names: &[String], key: &KeyPair) -> Result<String, String> {
    if chain.len() > LONGEST_CHAIN {
        return Err("it is too long".to_owned());
    }
    let blocks: Vec<Pem> = Pem::iter_from_buffer(chain.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| format!("it is no chain: {error}"))?;
    let certificate = blocks.first().ok_or("it holds no certificate")?;
    if blocks.iter().any(|block| block.label != "CERTIFICATE") {
        return Err("it holds something else than certificates".to_owned());
    }
    let parsed = certificate.parse_x509();
    let parsed = parsed.map_err(|error| format!("it is no certificate: {error}"))?;
    if parsed.public_key().raw != key.subject_public_key_info() {
        return Err("it is for another key".to_owned());
    }
    let text: String = blocks.iter().map(written).collect();
    let leaf = Leaf::read(&text).ok_or("it is no chain")?;
    if !leaf.covers(names) {
        return Err(format!("it is not for {}", names.join(", ")));
    }
    if leaf.validity.until <= SystemTime::now() {
        return Err("it has expired".to_owned());
    }
    Ok(text)
}

/// RFC 7468: lines of 64 characters.
fn written(block: &Pem) -> String {
    let text = BASE64_STANDARD.encode(&block.contents);
    let mut lines = vec!["-----BEGIN CERTIFICATE-----"];
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        lines.push(line);
        rest = more;
    }
    lines.push("-----END CERTIFICATE-----\n");
    lines.join("\n")
}

fn time(seconds: i64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use rcgen::CertificateParams;

    use super::*;

    fn made(key: &KeyPair, names: &[&str], is_old: bool) -> String {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        if is_old {
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        }
        params.self_signed(key).unwrap().pem()
    }

    #[test]
    fn only_the_chain_that_was_asked_for_is_taken_and_no_other_text_with_it() {
        let (key, other) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let names = ["a.example".to_owned(), "b.example".to_owned()];
        let good = made(&key, &["a.example", "b.example", "c.example"], false);
        let secret = other.serialize_pem();
        let rewritten = checked(&good, &names, &key).unwrap();
        assert_eq!(rewritten, good.replace("\r\n", "\n"));
        // Before, between and after the certificates.
        let talk = format!("Dear server,\n{good}yours\n{good}");
        assert_eq!(
            checked(&talk, &names, &key).unwrap(),
            format!("{good}{good}")
        );
        for (case, chain) in [
            ("nothing", String::new()),
            (
                "no certificate",
                "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".to_owned(),
            ),
            ("a key behind it", format!("{good}{secret}")),
            ("a key before it", format!("{secret}{good}")),
            ("cut off", good[..good.len() / 2].to_owned()),
            (
                "another's key",
                made(&other, &["a.example", "b.example"], false),
            ),
            ("a name less", made(&key, &["a.example"], false)),
            ("expired", made(&key, &["a.example", "b.example"], true)),
            ("endless", good.repeat(LONGEST_CHAIN / good.len() + 1)),
        ] {
            assert!(checked(&chain, &names, &key).is_err(), "{case}");
        }
    }
}
