//! A site's certificate from an authority, by ACME: what the configuration says, as the client wants it.

use std::path::Path;
use std::sync::Arc;

use hotclub_acme::{Challenge, ExternalAccount, Issued, Show, Shower, Wish, stored};
use hotclub_config::{ChallengeKind, Fault, HmacSource, Listen, Site};
use hotclub_front::{Certificate, CertificateError, Challenges};

use super::desk::Desk;
use crate::console::Failure;

/// What no authority could do for this site.
pub(super) fn faults(site: &Site) -> Vec<Fault> {
    let https = site.server.listen.iter().filter_map(|listen| match listen {
        Listen::Https(address) => Some(address.ip().is_loopback()),
        Listen::Tcp(_) | Listen::Unix(_) => None,
    });
    let only_here: Vec<bool> = https.collect();
    if only_here.is_empty() {
        return Vec::new();
    }
    let own = "give a certificate of your own: certificate and key under [https]";
    if site.all_hosts().next().is_none() {
        // Then the local authority vouches for localhost.
        if only_here.iter().all(|here| *here) {
            return Vec::new();
        }
        let fault = site.fault_at(
            "server.listen",
            "no host says what a certificate would be for",
        );
        return vec![fault.hint(format!("write hosts = [\"example.com\"], or {own}"))];
    }
    let wildcards = site.hosts.iter().enumerate();
    let wildcards = wildcards.filter(|(_, host)| host.starts_with("*."));
    let fault = |(at, host): (usize, &String)| {
        let message = format!("no certificate can be ordered for `{host}`");
        let why = "authorities prove a wildcard by DNS, which is not supported";
        site.fault_at(&format!("hosts.{at}"), message)
            .hint(format!("{why}; name each host, or {own}"))
    };
    wildcards.map(fault).collect()
}

/// The site's wish; `state` is the folder for what is kept.
pub(super) fn wish(site: &Site, hosts: Vec<String>, state: &Path) -> Result<Wish, Failure> {
    let acme = &site.https.acme;
    let names: Vec<String> = hosts
        .into_iter()
        .filter(|host| !host.starts_with("*."))
        .collect();
    if names.is_empty() {
        return Err(Failure::new(format!(
            "{} listens for https, and no host says what a certificate would be for",
            site.name
        ))
        .hint("write hosts = [\"example.com\"], or certificate and key under [https], or local = true while you develop"));
    }
    let external = acme.external_account.as_ref().map(|external| {
        Ok::<_, Failure>(ExternalAccount {
            key_id: external.key_id.clone(),
            hmac: hmac(&external.hmac)?,
        })
    });
    Ok(Wish {
        site: site.name.clone(),
        names,
        folder: state.join("https"),
        directories: acme.directories.clone(),
        ca: acme.ca.clone(),
        email: acme.email.clone(),
        external_account: external.transpose()?,
        challenge: match acme.challenge {
            ChallengeKind::Http01 => Challenge::Http01,
            ChallengeKind::TlsAlpn01 => Challenge::TlsAlpn01,
        },
    })
}

fn hmac(source: &HmacSource) -> Result<String, Failure> {
    match source {
        HmacSource::File(path) => std::fs::read_to_string(path).map_err(|error| {
            Failure::new(format!("{} cannot be read: {error}", path.display()))
                .hint("https.acme.eab_hmac_file names the key that the authority gave")
        }),
        HmacSource::Variable(name) => std::env::var(name).map_err(|_| {
            Failure::new(format!("the variable {name} is not set"))
                .hint("https.acme.eab_hmac_env names the variable that holds the authority's key")
        }),
    }
}

/// Shows at the front what the authority is to find; begins with the certificate that is kept.
pub(super) fn shower(wish: &Wish, desk: &Arc<Desk>) -> Shower {
    let (names, desk) = (wish.names.clone(), Arc::clone(desk));
    if let Some(issued) = stored(&wish.folder, &wish.site) {
        put(&desk, &names, &issued);
    }
    let site = wish.site.clone();
    Arc::new(move |show| match show {
        Show::Text { token, text } => desk.challenge(&site, |it| it.add_text(&token, text)),
        Show::Handshake { name, answer } => match proof(&answer) {
            Ok(answer) => desk.challenge(&site, |it| it.add_certificate(&name, &answer)),
            Err(error) => tracing::error!(site, "no answer for the authority: {error}"),
        },
        Show::NoChallenge => desk.forget_challenges(&site),
        Show::Certificate(issued) => put(&desk, &names, &issued),
    })
}

fn put(desk: &Desk, names: &[String], issued: &Issued) {
    match usable(issued) {
        Ok(certificate) => desk.put(names, &certificate),
        Err(error) => tracing::error!("the authority's certificate cannot be used: {error}"),
    }
}

fn proof(issued: &Issued) -> Result<Certificate, CertificateError> {
    Certificate::of_challenge(issued.chain.as_bytes(), issued.key.as_bytes())
}

fn usable(issued: &Issued) -> Result<Certificate, CertificateError> {
    Certificate::from_pem(issued.chain.as_bytes(), issued.key.as_bytes())
}

/// What all sites together show to authorities.
pub(super) fn together<'c>(all: impl Iterator<Item = &'c Challenges>) -> Challenges {
    all.fold(Challenges::default(), |mut sum, more| {
        sum.extend(more);
        sum
    })
}
