//! The grammar of names (sites, processes) and of hosts.

use std::path::Path;

use crate::defaults;

/// Longest name: PostgreSQL cuts identifiers at 63 bytes, and so does DNS.
const LONGEST: usize = 63;

/// Whether a text may name a site or a process: it becomes a folder, a role, a label of a metric.
pub(crate) fn is_name(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    starts_well && text.len() <= LONGEST && text.chars().all(inside)
}

/// The nearest name to any text, or none when nothing of it is left.
pub(crate) fn nearest_name(text: &str) -> Option<String> {
    let replaced: String = text
        .to_lowercase()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '-'
            }
        })
        .collect();
    let name: String = replaced
        .trim_matches(['-', '_'])
        .chars()
        .take(LONGEST)
        .collect();
    is_name(&name).then_some(name)
}

/// A site's name when none is written: the folder's. A link keeps the name it is called by; only `.` and
/// the like have to be looked up.
pub(crate) fn from_folder(dir: &Path) -> String {
    let called = dir.file_name().map(ToOwned::to_owned);
    let looked_up = || dir.canonicalize().ok()?.file_name().map(ToOwned::to_owned);
    let folder = called.or_else(looked_up);
    let name = folder.and_then(|name| nearest_name(&name.to_string_lossy()));
    name.unwrap_or_else(|| defaults::NAME.to_owned())
}

/// Why a text is no host, or nothing when it is one (an exact name, an address, or `*.` and a name).
pub(crate) fn host_problem(text: &str) -> Option<&'static str> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let label_is_bad = |label: &str| {
        label.is_empty() || label.len() > LONGEST || label.starts_with('-') || label.ends_with('-')
    };
    if text.contains("://") || text.contains('/') {
        return Some("it is a URL, but a host name is wanted");
    }
    if !text.is_ascii() {
        return Some("a name outside ASCII is written in its `xn--` form");
    }
    if text.starts_with('[') || text.parse::<std::net::Ipv6Addr>().is_ok() {
        return text
            .trim_matches(['[', ']'])
            .parse::<std::net::Ipv6Addr>()
            .err()
            .map(|_| "it is no address");
    }
    if text.contains(':') {
        return Some("it holds a port, but a host name is wanted");
    }
    if name.contains('*') {
        return Some("`*` stands only for the first label, as in `*.example.com`");
    }
    let odd = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if name.len() > 253 || name.contains(odd) || name.split('.').any(label_is_bad) {
        return Some("it is no host name");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_name_becomes_a_sites_name() {
        assert_eq!(from_folder(Path::new("/srv/My Portfolio!")), "my-portfolio");
        assert_eq!(from_folder(Path::new("/")), "site");
        assert_eq!(
            from_folder(Path::new(".")),
            "config",
            "tests run in the crate's folder"
        );
        assert_eq!(from_folder(Path::new("/srv/日本")), "site");
    }

    #[test]
    fn hosts_are_names_and_nothing_more() {
        for good in [
            "example.com",
            "*.example.com",
            "localhost",
            "127.0.0.1",
            "[::1]",
            "a_b.example",
        ] {
            assert_eq!(host_problem(good), None, "{good}");
        }
        for bad in [
            "",
            "https://a.b",
            "a.b:80",
            "*",
            "a.*.b",
            "a..b",
            "-a.b",
            "a b",
            "münchen.de",
            "a/b",
        ] {
            assert!(host_problem(bad).is_some(), "{bad}");
        }
    }
}
