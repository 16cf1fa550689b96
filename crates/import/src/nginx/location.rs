//! `location`: by prefix, exact, by regular expression, named.

use super::block::Block;
use super::plain::Scope;
use super::server::Around;
use super::{access, folder, pass, plain, redirect};
use crate::draft::Keys;
use crate::{Reading, shelf};

/// What a location matches.
enum Matches<'b> {
    Prefix(&'b str),
    Exact(&'b str),
    Regex(&'b str),
    Named,
}

fn matches(location: &Block) -> Matches<'_> {
    match (location.arg(0), location.arg(1)) {
        ("=", path) => Matches::Exact(path),
        ("~" | "~*", pattern) => Matches::Regex(pattern),
        ("^~", path) => Matches::Prefix(path),
        (name, _) if name.starts_with('@') => Matches::Named,
        (path, _) => Matches::Prefix(path),
    }
}

pub(super) fn read(location: &Block, around: &Around<'_>, reading: &mut Reading<'_>) {
    if redirect::is_challenge(location) {
        return reading.ledger.taken(
            location.id,
            "certificates are ordered and renewed by Hotclub, which answers this itself",
        );
    }
    match matches(location) {
        Matches::Prefix(path) => prefix(location, path, around, reading),
        Matches::Exact(path) => exact(location, path, around, reading),
        Matches::Regex(pattern) => regex(location, pattern, reading),
        Matches::Named => prefix(location, "/", around, reading),
    }
}

fn prefix(location: &Block, path: &str, around: &Around<'_>, reading: &mut Reading<'_>) {
    // What answers decides what the other directives mean, so it is read first.
    for block in &location.inside {
        match block.name.as_str() {
            "proxy_pass" | "uwsgi_pass" | "fastcgi_pass" | "grpc_pass" => {
                pass::read(block, location, path, around, reading)
            }
            "alias" | "root" if path != "/" => folder::read(block, location, path, reading),
            "return" => redirect::returned(block, path, around, reading),
            "rewrite" => redirect::rewrite(block, around, reading),
            "if" => reading.ledger.unsupported(
                block.id,
                "conditions are not evaluated",
                "decide it in the app (a middleware), or by hosts, [[redirect]] and [[access]]",
            ),
            "location" => read(block, around, reading),
            "stub_status" => reading.ledger.unsupported(
                block.id,
                "there is no status page",
                "[server] metrics tells Prometheus",
            ),
            _ => {}
        }
    }
    try_files(location, path, around, reading);
    let rest: Vec<&Block> = location.inside.iter().collect();
    access::read(&rest, path, reading);
    body_limit(location, path, reading);
    let scope = if path == "/" {
        Scope::Root
    } else {
        Scope::Part
    };
    plain::take(&rest, scope, reading);
    if location.inside.is_empty() {
        reading
            .ledger
            .taken(location.id, "an empty location changes nothing");
    }
}

/// `client_max_body_size` for a part of the site.
fn body_limit(location: &Block, path: &str, reading: &mut Reading<'_>) {
    let Some(block) = location.find("client_max_body_size") else {
        return;
    };
    if path == "/" {
        return;
    }
    match (
        redirect::mount(path),
        plain::size(block.arg(0)).filter(|size| *size > 0),
    ) {
        (Some(mount), Some(bytes)) => {
            reading
                .draft
                .access(&mount)
                .set("max_body", plain::written_size(bytes));
            reading
                .ledger
                .taken(block.id, format!("[[access]] {mount}: max_body"));
        }
        _ => reading.ledger.open(
            block.id,
            "this size is not read",
            "write [[access]] max_body = \"20MB\"",
        ),
    }
}

fn exact(location: &Block, path: &str, around: &Around<'_>, reading: &mut Reading<'_>) {
    if path == "/" {
        return prefix(location, path, around, reading);
    }
    let mut answers = false;
    for block in &location.inside {
        match block.name.as_str() {
            "return" => {
                answers = true;
                redirect::exact(block, path, reading);
            }
            "alias" | "root" | "try_files" => {
                answers = true;
                reading.ledger.unsupported(
                    block.id,
                    "a single file has no URL of its own",
                    format!("put it among the static files, and redirect: [[redirect]] from = \"{path}\", to = \"/static/…\""),
                );
            }
            "proxy_pass" if reading.stack.has_app => {
                answers = true;
                reading.ledger.taken(block.id, "the app answers it");
            }
            "proxy_pass" => {
                answers = true;
                reading.ledger.unsupported(
                    block.id,
                    "a single path is not proxied",
                    "[[proxy]] takes a folder: url = \"/api/\"",
                );
            }
            _ => {}
        }
    }
    let rest: Vec<&Block> = location.inside.iter().collect();
    access::read(&rest, path, reading);
    plain::take(&rest, Scope::Part, reading);
    if !answers {
        reading.ledger.taken(
            location.id,
            "it changes only what is logged or cached: the app, or its files, answer",
        );
    }
}

fn regex(location: &Block, pattern: &str, reading: &mut Reading<'_>) {
    let denies = location.inside.iter().any(|block| {
        block.name == "deny"
            || (block.name == "return" && matches!(block.arg(0), "403" | "404" | "444"))
    });
    let is_dotfiles = pattern.contains("/\\.") || pattern.contains("/[.]");
    let only_caches = location.inside.iter().all(|block| {
        matches!(
            block.name.as_str(),
            "expires"
                | "add_header"
                | "access_log"
                | "log_not_found"
                | "etag"
                | "gzip_static"
                | "tcp_nodelay"
                | "open_file_cache"
        )
    });
    let by_ending = pattern.starts_with("\\.") || pattern.contains("\\.(");
    if denies && is_dotfiles {
        reading.ledger.taken(
            location.id,
            "files and folders whose names begin with a dot are never served",
        );
    } else if only_caches && by_ending {
        reading.ledger.taken(
            location.id,
            "a file whose name Django hashed is kept for a year, others for as long as is safe",
        );
    } else if denies && by_ending {
        reading.ledger.taken(
            location.id,
            "only collected static files and uploads are served, never the project's own",
        );
    } else {
        reading.ledger.unsupported(
            location.id,
            "paths are not matched by regular expressions",
            "write the paths: [[files]], [[proxy]], [[redirect]] and [[access]] take whole folders",
        );
    }
}

fn try_files(location: &Block, path: &str, around: &Around<'_>, reading: &mut Reading<'_>) {
    let Some(block) = location.find("try_files") else {
        return;
    };
    let root = location.find("root").or(location.find("alias"));
    let last = block.args.last().map_or("", String::as_str);
    let to_app =
        last.starts_with('@') || (reading.stack.has_app && location.find("proxy_pass").is_some());
    let folder = root.map(|root| root.arg(0)).or(around.root);
    match (to_app, folder) {
        (true, Some(folder)) => {
            let said = format!(
                "files in {folder} went before the app: only folders with a URL of their own do"
            );
            reading.ledger.unsupported(
                block.id,
                said,
                "static files and uploads need nothing; others: [[files]] url, path",
            );
        }
        (true, None) => reading.ledger.taken(block.id, "the app answers"),
        (false, Some(folder)) if path == "/" && !reading.stack.has_app => {
            let root = root.map_or(block, |root| root);
            pages(root, folder, block, reading);
        }
        (false, _) => reading
            .ledger
            .taken(block.id, "a file that is missing is answered 404"),
    }
}

/// A server without an app whose `root` is the site.
pub(super) fn whole_root(server: &Block, around: &Around<'_>, reading: &mut Reading<'_>) {
    let Some(block) = server.find("root") else {
        return;
    };
    let passes = server
        .all("location")
        .any(|location| location.find("proxy_pass").is_some() && location.arg(0) == "/");
    if reading.stack.has_app || passes {
        return reading
            .ledger
            .taken(block.id, "not needed: the app answers what no folder does");
    }
    if around.root.is_some() && reading.draft.table("static").get("root").is_none() {
        pages(block, block.arg(0), block, reading);
    } else {
        reading.ledger.taken(block.id, "[static] root");
    }
}

/// `[static]`: the folder is the site.
fn pages(block: &Block, root: &str, tries: &Block, reading: &mut Reading<'_>) {
    let Some(folder) = folder::host_path(root, reading) else {
        return reading.ledger.open(
            block.id,
            format!("`{root}` is not a folder of this machine"),
            "write [static] root = \"public\"",
        );
    };
    let shown = shelf::relative(reading.options.dir, &folder);
    let fallback = tries
        .args
        .last()
        .filter(|last| last.ends_with(".html"))
        .map(|last| last.trim_start_matches('/').to_owned());
    let mut keys = Keys::default().with("root", shown.as_str());
    if let Some(fallback) = fallback {
        keys.set("fallback", fallback);
    }
    *reading.draft.table("static") = keys;
    reading
        .ledger
        .taken(block.id, format!("[static] root = \"{shown}\""));
    reading.ledger.taken(
        tries.id,
        "[static]: a page without its .html, and a folder's index.html, are found",
    );
}
