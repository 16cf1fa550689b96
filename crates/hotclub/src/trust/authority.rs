//! The local authority: a key, and a certificate that may vouch for names of this machine only (RFC 5280, 4.2.1.10),
//! so that whoever steals the key can imitate `localhost` and nobody's bank.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use hotclub_front::Certificate;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use time::{Duration, OffsetDateTime};

use crate::console::Failure;

/// The domains that lead nowhere but here (RFC 6761).
const DOMAINS: [&str; 2] = ["localhost", "test"];
/// The authority's own life: as long as a machine's.
const AUTHORITY_DAYS: i64 = 3650;
/// A certificate's: made anew at each start, and while Hotclub runs.
pub(crate) const CERTIFICATE_DAYS: i64 = 90;
/// Clocks of containers and virtual machines differ.
const BEFORE: Duration = Duration::days(1);

/// The authority, as it lies in its folder.
pub(crate) struct Authority {
    folder: PathBuf,
    certificate: String,
    key: String,
}

/// Whether the authority may vouch for this host.
pub(crate) fn is_local(host: &str) -> bool {
    let host = host.strip_prefix("*.").unwrap_or(host);
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => DOMAINS.iter().any(|domain| {
            let rest = host.strip_suffix(domain);
            rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        }),
    }
}

/// Where a user's authority lives.
pub(crate) fn folder() -> Result<PathBuf, Failure> {
    let data = std::env::var_os("XDG_DATA_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/share"));
    let base = data.or_else(home).ok_or_else(|| {
        Failure::new("there is no place for a local authority").hint("set HOME or XDG_DATA_HOME")
    })?;
    Ok(base.join("hotclub/authority"))
}

impl Authority {
    /// The one that is there.
    pub(crate) fn open(folder: &Path) -> Result<Option<Self>, Failure> {
        let read = |name: &str| match fs::read_to_string(folder.join(name)) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed(&folder.join(name), &error)),
        };
        let (certificate, key) = (read("authority.pem")?, read("authority.key")?);
        Ok(certificate.zip(key).map(|(certificate, key)| Self {
            folder: folder.to_owned(),
            certificate,
            key,
        }))
    }

    /// The one that is there, or a new one.
    pub(crate) fn open_or_make(folder: &Path) -> Result<Self, Failure> {
        match Self::open(folder)? {
            Some(authority) => Ok(authority),
            None => Self::make(folder),
        }
    }

    fn make(folder: &Path) -> Result<Self, Failure> {
        let (certificate, key) = made().map_err(|error| broken(&error))?;
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder
            .create(folder)
            .map_err(|error| failed(folder, &error))?;
        // The key first: a certificate without one is none that could be used.
        for (name, text, mode) in [
            ("authority.key", &key, 0o600),
            ("authority.pem", &certificate, 0o644),
        ] {
            let path = folder.join(name);
            write(&path, text, mode).map_err(|error| failed(&path, &error))?;
        }
        Ok(Self {
            folder: folder.to_owned(),
            certificate,
            key,
        })
    }

    pub(crate) fn certificate_file(&self) -> PathBuf {
        self.folder.join("authority.pem")
    }

    /// What stores list it under: no two authorities have the same name.
    pub(super) fn name(&self) -> String {
        let lines = self.certificate.lines();
        let body = lines.filter(|line| !line.starts_with("-----"));
        let letters = body
            .flat_map(str::chars)
            .filter(char::is_ascii_alphanumeric);
        // The end of the signature: no two are the same.
        let letters: String = letters.collect();
        let tail = &letters[letters.len().saturating_sub(12)..];
        format!("Hotclub local authority {tail}")
    }

    pub(super) fn delete(&self) -> Result<(), Failure> {
        fs::remove_dir_all(&self.folder).map_err(|error| failed(&self.folder, &error))
    }

    /// A certificate for these names, all of them local.
    pub(crate) fn certify(&self, names: &[String]) -> Result<Certificate, Failure> {
        let (chain, key) = self.issued(names).map_err(|error| broken(&error))?;
        Certificate::from_pem(chain.as_bytes(), key.as_bytes()).map_err(|error| broken(&error))
    }

    fn issued(&self, names: &[String]) -> Result<(String, String), rcgen::Error> {
        let issuer = Issuer::from_ca_cert_pem(&self.certificate, KeyPair::from_pem(&self.key)?)?;
        let mut params = CertificateParams::new(names)?;
        lasting(&mut params, CERTIFICATE_DAYS);
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let common = names.first().map_or("localhost", String::as_str);
        params.distinguished_name.push(DnType::CommonName, common);
        let key = KeyPair::generate()?;
        let made = params.signed_by(&key, &issuer)?;
        Ok((made.pem(), key.serialize_pem()))
    }
}

fn made() -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::new(Vec::<String>::new())?;
    lasting(&mut params, AUTHORITY_DAYS);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: permitted(),
        excluded_subtrees: Vec::new(),
    });
    let whose = rustix::system::uname();
    let machine = whose.nodename().to_string_lossy();
    let name = format!("Hotclub: local authority of {machine}");
    params.distinguished_name.push(DnType::CommonName, name);
    params
        .distinguished_name
        .push(DnType::OrganizationName, "Hotclub, for development");
    let key = KeyPair::generate()?;
    let made = params.self_signed(&key)?;
    Ok((made.pem(), key.serialize_pem()))
}

fn permitted() -> Vec<GeneralSubtree> {
    let names = DOMAINS.map(|domain| GeneralSubtree::DnsName(domain.to_owned()));
    let addresses = [
        CidrSubnet::from_v4_prefix([127, 0, 0, 0], 8),
        CidrSubnet::from_v6_prefix(std::net::Ipv6Addr::LOCALHOST.octets(), 128),
    ];
    let addresses = addresses.map(GeneralSubtree::IpAddress);
    names.into_iter().chain(addresses).collect()
}

fn lasting(params: &mut CertificateParams, days: i64) {
    let now = OffsetDateTime::now_utc();
    params.not_before = now - BEFORE;
    params.not_after = now + Duration::days(days);
}

/// Whole or not at all.
fn write(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let new = path.with_extension("new");
    // Of a start that was killed here.
    let _ = fs::remove_file(&new);
    let mut file = fs::File::options()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&new)?;
    io::Write::write_all(&mut file, text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{}: {error}", path.display()))
        .hint("the local authority is kept there; see to the folder's owner and disk")
}

fn broken(error: &dyn std::error::Error) -> Failure {
    Failure::new(format!("the local authority cannot be used: {error}"))
        .hint("make a new one: hotclub trust --uninstall, then hotclub trust")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_local() {
        for name in [
            "localhost",
            "a.localhost",
            "*.a.localhost",
            "shop.test",
            "127.0.0.1",
            "127.8.8.8",
            "::1",
        ] {
            assert!(is_local(name), "{name}");
        }
        for name in [
            "example.com",
            "notlocalhost",
            "contest",
            "localhost.example.com",
            "10.0.0.1",
            "",
        ] {
            assert!(!is_local(name), "{name}");
        }
    }

    #[test]
    fn a_key_is_for_its_owner_alone_and_an_authority_is_made_once() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("a/b");
        let one = Authority::open_or_make(&folder).unwrap();
        let again = Authority::open_or_make(&folder).unwrap();
        assert_eq!(one.certificate, again.certificate);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&folder.join("authority.key")), 0o600);
        assert_eq!(mode(&folder), 0o700);
        one.certify(&["localhost".to_owned(), "127.0.0.1".to_owned()])
            .unwrap();
        one.delete().unwrap();
        assert!(Authority::open(&folder).unwrap().is_none());
    }
}
