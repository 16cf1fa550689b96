//! `return`, `rewrite` and the `if` around them: redirects to HTTPS, to another host, to other paths.

use hotclub_config::Mount;

use super::block::Block;
use super::server::Around;
use crate::Reading;
use crate::draft::Keys;

/// Whether a server does nothing but lead elsewhere.
pub(super) fn is_only_redirect(server: &Block) -> bool {
    let leads = |block: &Block| {
        is_redirect(block)
            || (block.name == "location" && block.find("return").is_some_and(is_redirect))
    };
    let conditional =
        |block: &Block| block.name == "if" && block.find("return").is_some_and(is_redirect);
    let serves = server.inside.iter().any(|block| {
        matches!(
            block.name.as_str(),
            "proxy_pass" | "root" | "try_files" | "uwsgi_pass"
        ) || (block.name == "location"
            && !block.find("return").is_some_and(is_redirect)
            && !is_challenge(block))
    });
    !serves
        && server.inside.iter().any(|block| {
            leads(block) || conditional(block) || block.name == "return" || block.name == "rewrite"
        })
}

/// certbot's folder beside a redirect.
pub(super) fn is_challenge(location: &Block) -> bool {
    location
        .args
        .iter()
        .any(|arg| arg.contains("/.well-known/acme-challenge"))
}

fn is_redirect(block: &Block) -> bool {
    match block.name.as_str() {
        "return" => {
            matches!(block.arg(0), "301" | "302" | "303" | "307" | "308")
                || block.arg(0).contains("://")
        }
        "rewrite" => {
            matches!(block.arg(2), "permanent" | "redirect") || block.arg(1).contains("://")
        }
        _ => false,
    }
}

/// Where a server's redirect leads, as it is written.
fn target(server: &Block) -> Option<&str> {
    let nested = |name: &'static str| server.all(name).flat_map(|block| &block.inside);
    let mut all = server
        .inside
        .iter()
        .chain(nested("if"))
        .chain(nested("location"));
    all.find(|block| is_redirect(block)).map(to)
}

/// The argument of a redirect that says where to.
fn to(block: &Block) -> &str {
    match (block.name.as_str(), block.arg(0).contains("://")) {
        ("return", true) => block.arg(0),
        _ => block.arg(1),
    }
}

/// The host of a redirect that names one.
pub(super) fn other_host(server: &Block) -> Option<String> {
    host_of(target(server)?)
}

fn host_of(target: &str) -> Option<String> {
    let rest = target.split_once("://")?.1;
    let host = rest.split(['/', '$', '?', ':']).next()?;
    (!host.is_empty()).then(|| host.to_ascii_lowercase())
}

pub(super) fn leads_to(server: &Block, names: &[String]) -> bool {
    other_host(server).is_some_and(|host| names.contains(&host))
}

/// A host whose server only leads to another.
pub(super) fn moved(host: &str, server: &Block, block: &Block, reading: &mut Reading<'_>) {
    let to = other_host(server).unwrap_or_default();
    if host == to || to.is_empty() {
        reading.draft.top.add("hosts", host);
        return reading.ledger.taken(block.id, "hosts");
    }
    let www = |a: &str, b: &str| a.strip_prefix("www.") == Some(b);
    if www(host, &to) || www(&to, host) {
        reading.draft.top.set("www", "redirect");
        return reading.ledger.taken(block.id, "www = \"redirect\"");
    }
    reading.draft.top.add("hosts", host);
    reading.draft.top.add("hosts", to.clone());
    reading.draft.top.set("canonical", to.clone());
    reading
        .ledger
        .taken(block.id, format!("canonical = \"{to}\""));
}

/// Redirects that stand in the server itself.
pub(super) fn of_server(server: &Block, around: &Around<'_>, reading: &mut Reading<'_>) {
    for block in &server.inside {
        match block.name.as_str() {
            "return" => returned(block, "/", around, reading),
            "rewrite" => rewrite(block, around, reading),
            "if" => condition(block, around, reading),
            _ => {}
        }
    }
}

fn condition(block: &Block, around: &Around<'_>, reading: &mut Reading<'_>) {
    let text = block.args.join(" ");
    let about_host = text.contains("$host")
        || text.contains("$scheme")
        || text.contains("$server_port")
        || text.contains("forwarded_proto");
    let returns = block.inside.iter().find(|inner| is_redirect(inner));
    match (about_host, returns) {
        (true, Some(inner)) if to_https(inner) => {
            reading.ledger.taken(
                block.id,
                "[https] redirect: HTTP leads to HTTPS by itself where there is an https listener",
            );
        }
        (true, Some(inner)) => {
            let to = host_of(
                inner
                    .args
                    .iter()
                    .find(|arg| arg.contains("://"))
                    .map_or("", String::as_str),
            );
            match to.filter(|to| around.names.contains(to)) {
                Some(to) => {
                    reading.draft.top.set("canonical", to.clone());
                    reading
                        .ledger
                        .taken(block.id, format!("canonical = \"{to}\""));
                }
                None => unsupported_if(block, reading),
            }
        }
        _ => unsupported_if(block, reading),
    }
}

fn unsupported_if(block: &Block, reading: &mut Reading<'_>) {
    reading.ledger.unsupported(
        block.id,
        "conditions are not evaluated",
        "decide it in the app (a middleware), or by hosts, [[redirect]] and [[access]]",
    );
}

/// The same host and path, with another scheme.
fn to_https(block: &Block) -> bool {
    block.args.iter().any(|arg| arg.starts_with("https://$"))
}

/// `return` for everything below a path.
pub(super) fn returned(block: &Block, path: &str, around: &Around<'_>, reading: &mut Reading<'_>) {
    let (status, to) = match block.arg(0) {
        url if url.contains("://") => (302, url),
        status => (status.parse::<u16>().unwrap_or(0), block.arg(1)),
    };
    let to = to.to_owned();
    match status {
        301 | 302 | 303 | 307 | 308 if to_https(block) && path == "/" => reading.ledger.taken(
            block.id,
            "[https] redirect: HTTP leads to HTTPS by itself where there is an https listener and a certificate",
        ),
        301 | 302 | 303 | 307 | 308 => {
            let mine = host_of(&to).is_some_and(|host| path == "/" && (around.names.contains(&host) || is_moved(&host, reading)));
            match mine {
                true => reading.ledger.taken(block.id, "the other names lead to the site's own: canonical, or www"),
                false => below(block, path, &to, status, reading),
            }
        }
        403 | 404 | 410 | 444 if path == "/" => {
            reading.ledger.taken(block.id, "a host that is no site's is answered 421");
        }
        403 | 404 | 410 | 444 => refused(block, path, reading),
        _ => reading.ledger.unsupported(block.id, "fixed answers are not given", "let a view of the app, or a file, answer this path"),
    }
}

fn is_moved(host: &str, reading: &Reading<'_>) -> bool {
    let hosts = match reading.draft.top.get("hosts") {
        Some(crate::draft::Toml::List(hosts)) => hosts.as_slice(),
        _ => &[],
    };
    hosts.iter().any(|known| known == host)
}

/// Nobody may come here: 403, where NGINX may have said 404.
pub(super) fn refused(block: &Block, path: &str, reading: &mut Reading<'_>) {
    let Some(mount) = mount(path) else {
        return reading.ledger.open(
            block.id,
            "this path is not read",
            "write [[access]] with deny = [\"0.0.0.0/0\", \"::/0\"]",
        );
    };
    let access = reading.draft.access(&mount);
    access.set("deny", vec!["0.0.0.0/0".to_owned(), "::/0".to_owned()]);
    reading.ledger.taken(
        block.id,
        format!("[[access]] {mount}: nobody may come, 403"),
    );
}

fn below(block: &Block, path: &str, to: &str, status: u16, reading: &mut Reading<'_>) {
    let Some(mount) = mount(path) else {
        return reading
            .ledger
            .open(block.id, "this path is not read", "write a [[redirect]]");
    };
    let (from, to) = match to
        .strip_suffix("$request_uri")
        .or_else(|| to.strip_suffix("$uri"))
    {
        // The whole path is kept.
        Some(front) => (format!("{mount}*"), format!("{front}{mount}*")),
        None => (format!("{mount}*"), to.to_owned()),
    };
    put(block, &from, &to, status, reading);
}

/// `location = /x { return 301 /y; }`
pub(super) fn exact(block: &Block, path: &str, reading: &mut Reading<'_>) {
    let status = block.arg(0).parse::<u16>().unwrap_or(302);
    let to = if block.args.len() > 1 {
        block.arg(1)
    } else {
        block.arg(0)
    };
    let to = match to.strip_suffix("$request_uri") {
        Some(front) => format!("{front}{path}"),
        None => to.to_owned(),
    };
    match status {
        301 | 302 | 303 | 307 | 308 => put(block, path, &to, status, reading),
        403 | 404 | 410 | 444 => refused(block, path, reading),
        _ => reading.ledger.unsupported(
            block.id,
            "fixed answers are not given",
            "let a view of the app answer this path",
        ),
    }
}

/// Only what Hotclub reads is written; everything else is reported.
fn put(block: &Block, from: &str, to: &str, status: u16, reading: &mut Reading<'_>) {
    // `$is_args$args` is what happens to the query by itself.
    let to = to
        .replace("$is_args$args", "")
        .replace("$scheme://$host", "")
        .replace("$scheme://$http_host", "");
    let keys = Keys::default()
        .with("from", from)
        .with("to", to.as_str())
        .with("status", u64::from(status));
    if to.contains('$') || !reads("redirect", &keys) {
        let hint = "write a [[redirect]] whose `to` is a path or a URL; `/*` at its end takes the rest of the path";
        return reading
            .ledger
            .unsupported(block.id, "this redirect has no equal", hint);
    }
    match reading.draft.push("redirect", keys) {
        true => reading
            .ledger
            .taken(block.id, format!("[[redirect]] {from} → {to}")),
        false => reading
            .ledger
            .open(block.id, format!("{from} is redirected twice"), "keep one"),
    }
}

/// Whether hotclub.toml takes an entry.
pub(super) fn reads(name: &'static str, keys: &Keys) -> bool {
    let mut draft = crate::draft::Draft::default();
    draft.push(name, keys.clone());
    hotclub_config::parse(&draft.written(), std::path::Path::new("/hotclub.toml")).is_ok()
}

/// `rewrite` of the shapes that are in use.
pub(super) fn rewrite(block: &Block, around: &Around<'_>, reading: &mut Reading<'_>) {
    let (pattern, to, flag) = (block.arg(0), block.arg(1), block.arg(2));
    let status = match flag {
        "permanent" => 301,
        "redirect" => 302,
        _ if to.contains("://") => 302,
        _ => {
            return reading.ledger.unsupported(
                block.id,
                "paths are not rewritten within the server",
                "let the app answer the old path, or redirect it: [[redirect]]",
            );
        }
    };
    if to.starts_with("https://$") {
        return reading.ledger.taken(
            block.id,
            "[https] redirect: HTTP leads to HTTPS by itself where there is an https listener",
        );
    }
    if host_of(to).is_some_and(|host| around.names.contains(&host))
        && matches!(pattern, "^" | "^(.*)$" | "^(.*)" | "^/(.*)$" | ".*")
    {
        return reading.ledger.taken(
            block.id,
            "the other names lead to the site's own: canonical, or www",
        );
    }
    match shape(pattern, to) {
        Some((from, to)) => put(block, &from, &to, status, reading),
        None => reading.ledger.unsupported(
            block.id,
            "this regular expression has no equal",
            "write a [[redirect]]: from = \"/old/*\", to = \"/new/*\"",
        ),
    }
}

/// `^/old/(.*)$ /new/$1`, `^/old/?$ /new/`, `^ https://x$request_uri?` as a redirect's two ends.
fn shape(pattern: &str, to: &str) -> Option<(String, String)> {
    let to = to.trim_end_matches('?');
    let path = pattern.strip_prefix('^')?;
    if path.is_empty() || path == "(.*)$" || path == "(.*)" {
        let front = to
            .strip_suffix("$request_uri")
            .or_else(|| to.strip_suffix("$1"))?;
        return Some((
            "/*".to_owned(),
            format!("{}/*", front.trim_end_matches('/')),
        ));
    }
    let is_literal = |text: &str| {
        !text.contains([
            '(', ')', '[', ']', '*', '+', '?', '|', '\\', '^', '$', '{', '}',
        ])
    };
    for rest in ["(.*)$", "(.*)", "(.+)$"] {
        if let Some(literal) = path
            .strip_suffix(rest)
            .filter(|literal| literal.ends_with('/') && is_literal(literal))
        {
            let front = to.strip_suffix("$1")?;
            return (front.ends_with('/')).then(|| (format!("{literal}*"), format!("{front}*")));
        }
    }
    let literal = path
        .strip_suffix("/?$")
        .map(|path| format!("{path}/"))
        .or_else(|| path.strip_suffix('$').map(str::to_owned))?;
    (is_literal(&literal) && !to.contains('$')).then(|| (literal, to.to_owned()))
}

/// A path as a mount: with a slash at its end.
pub(super) fn mount(path: &str) -> Option<String> {
    let slashed = match path.ends_with('/') {
        true => path.to_owned(),
        false => format!("{path}/"),
    };
    Mount::parse(&slashed)
        .ok()
        .map(|mount| mount.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rewrites_of_the_usual_shapes_are_redirects() {
        for (pattern, to, is) in [
            ("^/old/(.*)$", "/new/$1", Some(("/old/*", "/new/*"))),
            ("^/old/?$", "/new/", Some(("/old/", "/new/"))),
            (
                "^/a$",
                "https://b.example/c",
                Some(("/a", "https://b.example/c")),
            ),
            (
                "^",
                "https://b.example$request_uri?",
                Some(("/*", "https://b.example/*")),
            ),
            ("^/p/(\\d+)$", "/q/$1", None),
            ("/anywhere", "/x", None),
        ] {
            let found = shape(pattern, to);
            assert_eq!(
                found.as_ref().map(|(a, b)| (a.as_str(), b.as_str())),
                is,
                "{pattern}"
            );
        }
    }
}
