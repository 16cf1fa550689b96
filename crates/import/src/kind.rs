//! Which kind of file an input is: by its name, then by its content.

use crate::Input;

/// In the order in which they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Compose,
    Procfile,
    Dockerfile,
    Gunicorn,
    Nginx,
}

pub(crate) fn of(input: &Input) -> Option<Kind> {
    let name = input
        .path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let lower = name.to_ascii_lowercase();
    let ending = lower.rsplit_once('.').map_or("", |(_, ending)| ending);
    match (lower.as_str(), ending) {
        (_, "yml" | "yaml") => Some(Kind::Compose),
        ("procfile", _) | (_, "procfile") => Some(Kind::Procfile),
        (_, "py") => Some(Kind::Gunicorn),
        (name, _) if name.starts_with("dockerfile") || name.starts_with("containerfile") => {
            Some(Kind::Dockerfile)
        }
        (name, _) if name.starts_with("procfile") => Some(Kind::Procfile),
        (_, "conf" | "nginx") => Some(Kind::Nginx),
        _ => by_content(&input.text),
    }
}

fn by_content(text: &str) -> Option<Kind> {
    let mut lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let first = lines.next()?;
    let words: Vec<&str> = first
        .split([' ', '{', '\t'])
        .filter(|word| !word.is_empty())
        .collect();
    match words.first().copied()? {
        "server" | "upstream" | "http" | "events" | "user" | "worker_processes" | "map"
        | "limit_req_zone" => Some(Kind::Nginx),
        "FROM" | "ARG" => Some(Kind::Dockerfile),
        "services:" | "version:" => Some(Kind::Compose),
        "web:" | "release:" | "worker:" => Some(Kind::Procfile),
        _ => None,
    }
}
