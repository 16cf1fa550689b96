//! Which host a probe should name, so that ALLOWED_HOSTS lets it in.

use crate::inspection::Inspection;

/// How to ask the app as one of its visitors would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    pub host: String,
    /// Send `X-Forwarded-Proto: https` (or what SECURE_PROXY_SSL_HEADER names): the settings trust
    /// it, or would answer with a redirect.
    pub https: bool,
}

/// Django lets `localhost` in by itself only with DEBUG and an empty list; a host with a leading
/// dot stands for the domain and everything below it.
pub fn probe(inspection: &Inspection) -> Probe {
    let hosts = &inspection.allowed_hosts;
    let local = |host: &&String| matches!(host.as_str(), "localhost" | "127.0.0.1" | "[::1]");
    let public = hosts
        .iter()
        .find(|host| !local(host) && *host != "*" && !host.is_empty());
    let any = hosts.is_empty() || hosts.iter().any(|host| host == "*");
    let host = match (public, hosts.first()) {
        (Some(host), _) => host.trim_start_matches('.'),
        (None, Some(first)) if !any => first.as_str(),
        _ => "localhost",
    };
    let https = inspection.secure_proxy_ssl_header.is_some() || inspection.secure_ssl_redirect;
    Probe {
        host: host.to_owned(),
        https,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(hosts: &[&str]) -> Probe {
        let allowed_hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        probe(&Inspection {
            allowed_hosts,
            ..Inspection::default()
        })
    }

    #[test]
    fn a_host_of_the_sites_own_is_chosen_before_a_local_one() {
        assert_eq!(with(&["localhost", "example.com"]).host, "example.com");
        assert_eq!(with(&[".example.com"]).host, "example.com");
        assert_eq!(with(&["*"]).host, "localhost");
        assert_eq!(with(&["*", "example.com"]).host, "example.com");
        assert_eq!(with(&["127.0.0.1"]).host, "127.0.0.1");
        assert_eq!(with(&[]).host, "localhost");
    }

    #[test]
    fn https_is_claimed_when_the_settings_want_it() {
        let plain = Inspection::default();
        assert!(!probe(&plain).https);
        assert!(
            probe(&Inspection {
                secure_ssl_redirect: true,
                ..plain
            })
            .https
        );
    }
}
