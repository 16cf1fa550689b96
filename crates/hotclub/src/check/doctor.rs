//! What makes visitors suffer although every file is valid: settings that do not fit the site's hosts or its way to
//! https, uploads that nobody serves, data that nobody saves, ports that the world can reach.

use std::net::IpAddr;
use std::time::Duration;

use hotclub_config::{Engine, Listen, Site};
use hotclub_django::inspection::Inspection;

use crate::project::Project;
use crate::up::site::media;

/// Something that should be otherwise, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    pub(super) message: String,
    pub(super) hint: String,
}

fn doubt(message: impl Into<String>, hint: impl Into<String>) -> Doubt {
    Doubt {
        message: message.into(),
        hint: hint.into(),
    }
}

/// Photos of today's telephones.
const AN_UPLOAD: u64 = 10 << 20;
/// Below this part of the disk somebody should know.
const LITTLE_ROOM: u64 = 20;
/// A name that is asked for longer has no answer.
const PATIENCE: Duration = Duration::from_secs(3);
/// What listens there is meant for this machine alone.
const PRIVATE_PORTS: [(u16, &str); 6] = [
    (3306, "MySQL"),
    (5432, "PostgreSQL"),
    (6379, "Redis"),
    (8000, "an app server"),
    (11211, "memcached"),
    (27017, "MongoDB"),
];
/// Names that never lead to this machine (RFC 2606, 6761).
const RESERVED: [&str; 5] = ["example", "test", "invalid", "localhost", "local"];

/// Of the project, from what its settings answered.
pub(super) fn of_project(project: &Project) -> Vec<Doubt> {
    let (site, settings) = (&project.site, &project.inspection);
    let mut doubts: Vec<Doubt> = hosts(site, settings).into_iter().collect();
    doubts.extend(https(site, settings));
    doubts.extend(origins(settings));
    doubts.extend(uploads(project));
    doubts.extend(backups(site, settings));
    doubts
}

fn hosts(site: &Site, settings: &Inspection) -> Option<Doubt> {
    let allowed = |host: &String| {
        settings.allowed_hosts.iter().any(|allowed| {
            let below = allowed.strip_prefix('.');
            allowed == "*"
                || allowed.eq_ignore_ascii_case(host)
                || below
                    .is_some_and(|domain| *host == domain || host.ends_with(&format!(".{domain}")))
        })
    };
    // With DEBUG and an empty list Django lets localhost in.
    let is_local = |host: &&String| settings.debug && *host == "localhost";
    let missing: Vec<&str> = site
        .hosts
        .iter()
        .filter(|host| !host.starts_with("*.") && !allowed(host) && !is_local(host))
        .map(String::as_str)
        .collect();
    (!missing.is_empty()).then(|| {
        doubt(
            format!(
                "ALLOWED_HOSTS lacks {}: visitors get 400",
                missing.join(", ")
            ),
            format!("ALLOWED_HOSTS = {:?}", site.hosts),
        )
    })
}

fn https(site: &Site, settings: &Inspection) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    let listens = site.server.listen.iter();
    let has_https = listens
        .clone()
        .any(|listen| matches!(listen, Listen::Https(_)));
    let is_behind = !site.server.trusted_proxies.is_empty();
    if settings.secure_ssl_redirect && !has_https && !is_behind {
        doubts.push(doubt(
            "SECURE_SSL_REDIRECT sends visitors to https, and nothing here takes them: a loop, or no answer",
            "listen = [\":80\", \"https:443\"] under [server], or trusted_proxies where another server ends TLS",
        ));
    }
    if let Some((header, _)) = &settings.secure_proxy_ssl_header
        && header != "HTTP_X_FORWARDED_PROTO"
    {
        doubts.push(doubt(
            format!("SECURE_PROXY_SSL_HEADER names {header}, which Hotclub does not send: every visit looks like http"),
            "SECURE_PROXY_SSL_HEADER = (\"HTTP_X_FORWARDED_PROTO\", \"https\"), or leave it out",
        ));
    }
    doubts
}

fn origins(settings: &Inspection) -> Option<Doubt> {
    let origins = settings.csrf_trusted_origins.iter();
    let wrong: Vec<&str> = origins
        .filter(|origin| !origin.contains("://"))
        .map(String::as_str)
        .collect();
    (!wrong.is_empty()).then(|| {
        doubt(
            format!(
                "CSRF_TRUSTED_ORIGINS has {}, which is no origin",
                wrong.join(", ")
            ),
            "write a scheme, as https://example.com; behind Hotclub the site's own hosts need none",
        )
    })
}

fn uploads(project: &Project) -> Vec<Doubt> {
    let (site, settings) = (&project.site, &project.inspection);
    let mut doubts = Vec::new();
    let url = settings.media_url.as_deref().filter(|url| url.len() > 1);
    let is_served = |url: &str| site.files.iter().any(|files| files.url.as_str() == url);
    if let Some(url) = url
        && media(project).is_none()
        && !is_served(url)
        && !url.contains("://")
    {
        doubts.push(doubt(
            format!("MEDIA_URL is {url}, and MEDIA_ROOT names no folder beside the code: uploads are not served"),
            "MEDIA_ROOT = BASE_DIR / \"media\"",
        ));
    }
    if url.is_some() && site.limits.max_body < AN_UPLOAD {
        doubts.push(doubt(
            format!(
                "[limits] max_body is {} MiB: larger uploads get 413",
                site.limits.max_body >> 20
            ),
            "max_body = \"100MB\", which is the default",
        ));
    }
    doubts
}

fn backups(site: &Site, settings: &Inspection) -> Option<Doubt> {
    let rules = &site.database.backup;
    let is_foreign = matches!(site.database.engine, Engine::Url(_));
    if is_foreign || settings.databases.is_empty() || rules.daily {
        return None;
    }
    let when = match rules.before_migrations {
        true => "only before migrations",
        false => "at no time",
    };
    Some(doubt(
        format!("a backup is made {when}"),
        "daily = true under [database.backup], which is the default",
    ))
}

/// Of the machine.
pub(super) async fn of_machine(site: &Site) -> Vec<Doubt> {
    let mut doubts: Vec<Doubt> = disk(site).into_iter().collect();
    doubts.extend(names(site).await);
    for (port, what) in open_ports() {
        doubts.push(doubt(
            format!("port {port} ({what}) listens on every address of this machine"),
            format!("have it listen on 127.0.0.1: with Docker, ports: \"127.0.0.1:{port}:{port}\", for it goes around the firewall"),
        ));
    }
    doubts
}

fn disk(site: &Site) -> Option<Doubt> {
    let disk = rustix::fs::statvfs(&site.dir).ok()?;
    let (free, all) = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
    (free < all / LITTLE_ROOM).then(|| {
        doubt(
            format!(
                "the disk of {} has {} MiB left",
                site.dir.display(),
                free >> 20
            ),
            "make room: a database that cannot write stops",
        )
    })
}

/// Hosts that lead nowhere.
async fn names(site: &Site) -> Vec<Doubt> {
    let mut doubts = Vec::new();
    for host in site.all_hosts() {
        let top = host.rsplit('.').next().unwrap_or(host);
        let second = host.rsplit('.').nth(1).unwrap_or_default();
        let is_no_name = host.parse::<IpAddr>().is_ok() || host.starts_with("*.");
        if is_no_name || RESERVED.contains(&top) || second == "example" {
            continue;
        }
        let asked = tokio::time::timeout(PATIENCE, tokio::net::lookup_host((host, 80)));
        if !matches!(asked.await, Ok(Ok(_))) {
            doubts.push(doubt(
                format!("{host} has no address in the DNS: nobody finds it, and no authority certifies it"),
                "add A and AAAA records that lead to this server",
            ));
        }
    }
    doubts
}

/// Of what is meant for this machine alone, what listens on all addresses.
fn open_ports() -> Vec<(u16, &'static str)> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    let tables = tables.map(|table| std::fs::read_to_string(table).unwrap_or_default());
    let open: Vec<u16> = tables
        .iter()
        .flat_map(|table| listening_everywhere(table))
        .collect();
    let known = PRIVATE_PORTS.into_iter();
    known.filter(|(port, _)| open.contains(port)).collect()
}

/// `0: 00000000:1538 00000000:0000 0A …`: local address, remote address, state.
fn listening_everywhere(table: &str) -> impl Iterator<Item = u16> {
    table.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (local, state) = (words.next()?, words.nth(1)?);
        let (address, port) = local.split_once(':')?;
        let is_everywhere = address.bytes().all(|digit| digit == b'0');
        let port = u16::from_str_radix(port, 16).ok()?;
        (state == "0A" && is_everywhere).then_some(port)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(text: &str) -> Site {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("hotclub.toml"), text).unwrap();
        hotclub_config::load(dir.path()).unwrap()
    }

    fn settings(allowed: &[&str]) -> Inspection {
        Inspection {
            allowed_hosts: allowed.iter().map(|host| (*host).to_owned()).collect(),
            ..Inspection::default()
        }
    }

    #[test]
    fn hosts_that_django_would_refuse_are_named_with_the_line_to_write() {
        let site = site("hosts = [\"a.com\", \"www.b.com\", \"*.c.com\"]\n");
        for fine in [&["*"][..], &["A.com", ".b.com"]] {
            assert_eq!(hosts(&site, &settings(fine)), None, "{fine:?}");
        }
        let said = hosts(&site, &settings(&["b.com"])).unwrap();
        assert!(said.message.contains("a.com, www.b.com"), "{said:?}");
        assert!(
            said.hint.starts_with("ALLOWED_HOSTS = [\"a.com\""),
            "{said:?}"
        );
    }

    #[test]
    fn https_that_nobody_takes_and_origins_without_a_scheme_are_doubted() {
        let mut settings = settings(&[]);
        settings.secure_ssl_redirect = true;
        settings.secure_proxy_ssl_header = Some(("HTTP_X_SCHEME".to_owned(), "https".to_owned()));
        settings.csrf_trusted_origins = vec!["*".to_owned(), "https://a.com".to_owned()];
        assert_eq!(https(&site(""), &settings).len(), 2);
        let proxied = site("[server]\ntrusted_proxies = [\"10.0.0.0/8\"]\n");
        assert_eq!(https(&proxied, &settings).len(), 1);
        assert!(origins(&settings).unwrap().message.contains("has *,"));
    }

    #[test]
    fn what_listens_everywhere_is_told_from_what_listens_here() {
        let table = "  sl  local_address rem_address   st\n   \
            0: 00000000:1538 00000000:0000 0A 0\n   \
            1: 0100007F:0CEA 00000000:0000 0A 0\n   \
            2: 00000000:18EB 0100007F:1234 01 0\n";
        assert_eq!(listening_everywhere(table).collect::<Vec<_>>(), [5432]);
    }
}
