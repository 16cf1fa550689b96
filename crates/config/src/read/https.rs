//! `[https]` and `[https.acme]`.

use toml::de::DeValue;

use super::app::path;
use super::reader::{Reader, Section};
use crate::defaults;
use crate::https::{Acme, CertificateSource, ChallengeKind, ExternalAccount, HmacSource, Https};
use crate::value::{self, Wrong};

pub(super) fn https(reader: &mut Reader, top: &mut Section<'_>) -> Https {
    let mut table = reader.table(top, "https");
    let section = &mut table;
    let certificates = certificates(reader, section);
    let https = Https {
        certificates,
        redirect: reader
            .get(section, "redirect", value::boolean)
            .unwrap_or(defaults::HTTPS_REDIRECT),
        hsts: reader
            .get(section, "hsts", value::long_duration)
            .filter(|age| !age.is_zero()),
        acme: acme(reader, section),
    };
    reader.end(table);
    https
}

fn certificates(reader: &mut Reader, section: &mut Section<'_>) -> CertificateSource {
    let certificate = path(reader, section, "certificate", "\"cert.pem\"");
    let key = path(reader, section, "key", "\"key.pem\"");
    let local = reader
        .get(section, "local", value::boolean)
        .unwrap_or(false);
    if local && (certificate.is_some() || key.is_some()) {
        let message = "`https.local` makes certificates, and `https.certificate` names one";
        let other = match certificate {
            Some(_) => "https.certificate",
            None => "https.key",
        };
        let hint = "remove local, or certificate and key".to_owned();
        reader.collision(("https.local", other), message.to_owned(), hint);
    }
    match (certificate, key) {
        (Some(certificate), Some(key)) => CertificateSource::Own { certificate, key },
        (Some(_), None) => {
            half(reader, "certificate", "key");
            CertificateSource::Acme
        }
        (None, Some(_)) => {
            half(reader, "key", "certificate");
            CertificateSource::Acme
        }
        (None, None) if local => CertificateSource::Local,
        (None, None) => CertificateSource::Acme,
    }
}

fn half(reader: &mut Reader, here: &str, missing: &str) {
    // A wrong value was reported by itself.
    if !reader.has(&format!("https.{missing}")) {
        let message = format!("`https.{here}` needs `https.{missing}`");
        let hint = format!("add {missing} = \"{missing}.pem\"");
        reader.fault(&format!("https.{here}"), message, Some(hint));
    }
}

fn acme(reader: &mut Reader, https: &mut Section<'_>) -> Acme {
    const CHALLENGES: [(&str, ChallengeKind); 2] = [
        ("http-01", ChallengeKind::Http01),
        ("tls-alpn-01", ChallengeKind::TlsAlpn01),
    ];
    let mut table = reader.table(https, "acme");
    let section = &mut table;
    let default = Acme::default();
    let acme = Acme {
        email: reader.get(section, "email", email),
        directories: directories(reader, section).unwrap_or(default.directories),
        external_account: external_account(reader, section),
        challenge: reader
            .get(section, "challenge", |v| value::word(v, &CHALLENGES))
            .unwrap_or(default.challenge),
        ca: path(reader, section, "ca", "\"ca.pem\""),
    };
    reader.end(table);
    acme
}

/// `directory`, `directories` or `staging`: at most one of them.
fn directories(reader: &mut Reader, section: &mut Section<'_>) -> Option<Vec<String>> {
    const EXAMPLE: &str = "[\"https://acme.example/directory\"]";
    let one = reader.get(section, "directory", directory);
    let many = reader.list(section, "directories", EXAMPLE, directory);
    let staging = reader.get(section, "staging", value::boolean);
    if many.as_ref().is_some_and(Vec::is_empty) {
        let key = section.key("directories");
        let message = "`https.acme.directories` names no authority".to_owned();
        let hint = "remove the key to ask Let's Encrypt".to_owned();
        reader.fault(&key, message, Some(hint));
    }
    let keys = ["directory", "directories", "staging"].map(|key| section.key(key));
    let set: Vec<_> = keys.iter().filter(|key| reader.has(key)).collect();
    if let [first, second, ..] = set[..] {
        let message = "the certificate authority is named twice".to_owned();
        reader.collision((first, second), message, "keep one of the two".to_owned());
    }
    match (one, many) {
        (Some(one), _) => Some(vec![one]),
        (None, Some(many)) if !many.is_empty() => Some(many),
        _ if staging == Some(true) => Some(vec![defaults::ACME_STAGING.to_owned()]),
        _ => None,
    }
}

fn directory(value: &DeValue<'_>) -> Result<String, Wrong> {
    const EXAMPLE: &str = "\"https://acme.example/directory\"";
    let text = value::text(value, EXAMPLE)?;
    match text.strip_prefix("https://") {
        Some(rest) if !rest.is_empty() && !text.contains(char::is_whitespace) => Ok(text),
        _ => Err(
            Wrong::value("the https:// URL of an ACME directory", "this is none").example(EXAMPLE),
        ),
    }
}

fn email(value: &DeValue<'_>) -> Result<String, Wrong> {
    const EXAMPLE: &str = "\"you@example.com\"";
    let text = value::text(value, EXAMPLE)?;
    let parts = text.split_once('@');
    let fine = parts.is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !host.contains('@') && !text.contains(' ')
    });
    match fine && !text.starts_with("mailto:") {
        true => Ok(text),
        false => Err(Wrong::value("an e-mail address", "this is none").example(EXAMPLE)),
    }
}

fn external_account(reader: &mut Reader, section: &mut Section<'_>) -> Option<ExternalAccount> {
    let key_id = reader.get(section, "eab_key_id", |v| value::text(v, "\"kid-1\""));
    let file = path(reader, section, "eab_hmac_file", "\"eab.key\"");
    let variable = reader.get(section, "eab_hmac_env", |v| value::text(v, "\"EAB_HMAC\""));
    let keys = ["eab_hmac_file", "eab_hmac_env"].map(|key| section.key(key));
    let hmac = match (file, variable) {
        (Some(_), Some(_)) => {
            let message = "the key of the external account is named twice".to_owned();
            let hint = "keep one of the two".to_owned();
            reader.collision((&keys[0], &keys[1]), message, hint);
            None
        }
        (Some(file), None) => Some(HmacSource::File(file)),
        (None, Some(variable)) => Some(HmacSource::Variable(variable)),
        (None, None) => None,
    };
    match (key_id, hmac) {
        (Some(key_id), Some(hmac)) => Some(ExternalAccount { key_id, hmac }),
        (Some(_), None) if !keys.iter().any(|key| reader.has(key)) => {
            let message = "`https.acme.eab_key_id` needs the account's key".to_owned();
            let hint = "add eab_hmac_file = \"eab.key\", or eab_hmac_env = \"EAB_HMAC\"".to_owned();
            reader.fault(&section.key("eab_key_id"), message, Some(hint));
            None
        }
        (None, Some(_)) if !reader.has(&section.key("eab_key_id")) => {
            let set = keys.iter().find(|key| reader.has(key));
            let message = "the key of an external account needs `https.acme.eab_key_id`".to_owned();
            let hint = Some("the authority gives both together".to_owned());
            reader.fault(set.map_or("", String::as_str), message, hint);
            None
        }
        _ => None,
    }
}
