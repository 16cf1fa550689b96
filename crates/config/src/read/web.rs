//! `[static]` and `[[redirect]]`: sites, and parts of sites, without an app.

use toml::de::DeValue;

use super::edge::{Mounts, mount};
use super::reader::{Reader, Section};
use crate::defaults;
use crate::mount::Mount;
use crate::value::{self, Wrong};
use crate::web::{From, Redirect, Static};

pub(super) fn pages(
    reader: &mut Reader,
    top: &mut Section<'_>,
    mounts: &mut Mounts,
) -> Option<Static> {
    const EXAMPLE: &str = "\"public\"";
    let mut section = reader.table(top, "static");
    if !section.is_written() {
        return None;
    }
    let root = reader.require(&mut section, "root", |v| value::text(v, EXAMPLE), EXAMPLE);
    let url = reader.get(&mut section, "url", mount);
    let index = reader.get(&mut section, "index", value::boolean);
    let fallback = reader.get(&mut section, "fallback", file);
    let not_found = reader.get(&mut section, "not_found", file);
    let cache = reader.get(&mut section, "cache", cache_control);
    let url = url.or_else(|| Mount::parse("/").ok())?;
    let key = match reader.has(&section.key("url")) {
        true => section.key("url"),
        false => section.key("root"),
    };
    mounts.add(reader, key, &url);
    reader.end(section);
    Some(Static {
        url,
        root: reader.dir().join(root?),
        index: index.unwrap_or(false),
        fallback,
        not_found: not_found.unwrap_or_else(|| defaults::NOT_FOUND.to_owned()),
        cache,
    })
}

/// A file in the folder, by its name there.
fn file(value: &DeValue<'_>) -> Result<String, Wrong> {
    const EXAMPLE: &str = "\"index.html\"";
    let text = value::text(value, EXAMPLE)?;
    let odd = |segment: &str| segment.is_empty() || segment.starts_with('.');
    match text.split('/').any(odd) || text.contains('\\') {
        true => Err(Wrong::value(
            "a file in the folder of `root`",
            "this leads elsewhere or to a hidden file",
        )
        .example(EXAMPLE)),
        false => Ok(text),
    }
}

/// A whole Cache-Control.
pub(super) fn cache_control(value: &DeValue<'_>) -> Result<String, Wrong> {
    const EXAMPLE: &str = "\"public, max-age=3600\"";
    let text = value::text(value, EXAMPLE)?;
    let directive = |word: &str| {
        let name = word.trim().split('=').next().unwrap_or_default();
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    match text.is_ascii() && text.split(',').all(directive) {
        true => Ok(text),
        false => Err(
            Wrong::value("the directives of Cache-Control", "this cannot be read").example(EXAMPLE),
        ),
    }
}

pub(super) fn redirects(
    reader: &mut Reader,
    top: &mut Section<'_>,
    mounts: &mut Mounts,
) -> Vec<Redirect> {
    let mut all: Vec<(String, Redirect)> = Vec::new();
    for mut section in reader.tables(top, "redirect") {
        let from = reader.require(&mut section, "from", from, "\"/old/\"");
        let to = reader.require(&mut section, "to", to, "\"/new/\"");
        let status = reader.get(&mut section, "status", status);
        let keys = (section.key("from"), section.key("to"));
        reader.end(section);
        let (Some(from), Some(to)) = (from, to) else {
            continue;
        };
        match &from {
            From::Below(url) => mounts.add(reader, keys.0.clone(), url),
            From::Exact(_) => {
                if let Some((earlier, _)) = all.iter().find(|(_, other)| other.from == from) {
                    let message = "this path is redirected twice".to_owned();
                    reader.collision((earlier, &keys.0), message, "remove one of them".to_owned());
                }
            }
        }
        let redirect = Redirect {
            from,
            to,
            status: status.unwrap_or(defaults::REDIRECT_STATUS),
        };
        fits(reader, &keys, &redirect);
        all.push((keys.0, redirect));
    }
    all.into_iter().map(|(_, redirect)| redirect).collect()
}

/// What only both ends together show.
fn fits(reader: &mut Reader, (from, to): &(String, String), redirect: &Redirect) {
    let advise = |hint: &str| Some(hint.to_owned());
    match &redirect.from {
        From::Exact(path) if redirect.to.ends_with('*') => {
            let message = "`to` ends with `*`, but `from` is one path".to_owned();
            let hint = format!("write from = {}", value::quoted(&format!("{path}*")));
            reader.fault(to, message, Some(hint).filter(|_| path.ends_with('/')));
        }
        From::Exact(path) if *path == redirect.to => {
            let message = "this redirect leads to itself".to_owned();
            reader.fault(from, message, advise("remove it, or correct `to`"));
        }
        From::Below(url) if redirect.to.starts_with(url.as_str()) => {
            let message = format!("this redirect leads to itself: `to` is below {url}");
            reader.fault(to, message, advise("redirect to a path outside of `from`"));
        }
        _ => {}
    }
}

fn from(value: &DeValue<'_>) -> Result<From, Wrong> {
    const EXPECTED: &str = "a path, or a path that ends with `/*`";
    const EXAMPLE: &str = "\"/old/*\"";
    let text = value::text(value, EXAMPLE)?;
    if let Some(url) = text.strip_suffix('*') {
        let url = Mount::parse(url);
        return url.map(From::Below).map_err(|error| {
            let meant = error
                .suggestion
                .map(|url| value::quoted(&format!("{url}*")));
            Wrong::value(EXPECTED, error.reason).example(meant.unwrap_or(EXAMPLE.to_owned()))
        });
    }
    if text.contains("://") {
        return Err(Wrong::value(EXPECTED, "this is a whole URL").example(EXAMPLE));
    }
    if !text.starts_with('/') {
        let meant = value::quoted(&format!("/{text}"));
        return Err(Wrong::value(EXPECTED, "this does not begin with `/`").example(meant));
    }
    if text.contains(['?', '#', '%', '*', '\\']) {
        let wrong = Wrong::value(EXPECTED, "this holds `?`, `#`, `%`, `*` or a backslash");
        return Err(wrong.hint("write the path decoded; the query plays no part"));
    }
    Ok(From::Exact(text))
}

fn to(value: &DeValue<'_>) -> Result<String, Wrong> {
    const EXPECTED: &str = "a path, or a URL with http:// or https://";
    const EXAMPLE: &str = "\"https://example.com/new/\"";
    let text = value::text(value, EXAMPLE)?;
    let wrong = |found: &str| Err(Wrong::value(EXPECTED, found).example(EXAMPLE));
    let absolute = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    match absolute {
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '*', '?', ':']) => {
            return wrong("this names no host");
        }
        Some(rest) if rest.ends_with('*') && !rest.ends_with("/*") => {
            return wrong("`*` stands only behind a `/`");
        }
        None if !text.starts_with('/') || text.starts_with("//") => {
            return wrong("this is neither");
        }
        None if text.ends_with('*') && !text.ends_with("/*") => {
            return wrong("`*` stands only behind a `/`");
        }
        _ => {}
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) || text.contains(['\\', '"', '<', '>']) {
        return wrong("this holds what no URL does: percent-encode it");
    }
    match text.trim_end_matches('*').contains('*') || text.ends_with("**") {
        true => wrong("`*` stands only at the end"),
        false => Ok(text),
    }
}

fn status(value: &DeValue<'_>) -> Result<u16, Wrong> {
    const STATUSES: [u32; 5] = [301, 302, 303, 307, 308];
    let number = value::whole(value, 301, 308)?;
    match u16::try_from(number) {
        Ok(status) if STATUSES.contains(&number) => Ok(status),
        _ => Err(Wrong::value("301, 302, 303, 307 or 308", "this is none of them").example("301")),
    }
}
