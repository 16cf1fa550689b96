//! Directives as entries of the ledger, with their includes in place.

use std::path::{Path, PathBuf};

use super::parse::{Directive, parse};
use crate::ledger::{Id, Ledger, Place};
use crate::{Options, shelf};

/// A directive that is entered.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) id: Id,
    pub(super) name: String,
    pub(super) args: Vec<String>,
    pub(super) inside: Vec<Block>,
    pub(super) is_block: bool,
}

impl Block {
    pub(super) fn arg(&self, at: usize) -> &str {
        self.args.get(at).map_or("", String::as_str)
    }

    pub(super) fn find(&self, name: &str) -> Option<&Block> {
        self.inside.iter().find(|block| block.name == name)
    }

    pub(super) fn all<'b>(&'b self, name: &'b str) -> impl Iterator<Item = &'b Block> {
        self.inside.iter().filter(move |block| block.name == name)
    }
}

/// How deep includes may lead, and how many directives there may be in all.
const MAX_INCLUDES: usize = 8;
const MAX_DIRECTIVES: usize = 20_000;

/// Files that every NGINX has and that say nothing about a site.
const STOCK: [&str; 9] = [
    "mime.types",
    "proxy_params",
    "uwsgi_params",
    "fastcgi_params",
    "fastcgi.conf",
    "scgi_params",
    "options-ssl-nginx.conf",
    "ssl-params.conf",
    "koi-utf",
];

pub(super) struct Gatherer<'a, 'o> {
    options: &'a Options<'o>,
    ledger: &'a mut Ledger,
    dir: &'a Path,
    depth: usize,
    left: usize,
}

impl<'a, 'o> Gatherer<'a, 'o> {
    pub(super) fn new(options: &'a Options<'o>, ledger: &'a mut Ledger, dir: &'a Path) -> Self {
        Gatherer {
            options,
            ledger,
            dir,
            depth: 0,
            left: MAX_DIRECTIVES,
        }
    }

    pub(super) fn gather(
        &mut self,
        directives: Vec<Directive>,
        file: &str,
        parent: Option<Id>,
        path: &str,
    ) -> Vec<Block> {
        let mut blocks = Vec::new();
        for directive in directives {
            if self.left == 0 {
                break;
            }
            self.left -= 1;
            let place = Place {
                file: file.to_owned(),
                line: directive.line,
            };
            let what = match path.is_empty() {
                true => shown(&directive),
                false => format!("{path} › {}", shown(&directive)),
            };
            let id = self.ledger.enter(parent, &place, what.clone());
            if directive.name == "include" {
                blocks.extend(self.included(&directive, id, parent, path));
                continue;
            }
            let is_block = directive.block.is_some();
            let inside = self.gather(directive.block.unwrap_or_default(), file, Some(id), &what);
            blocks.push(Block {
                id,
                name: directive.name,
                args: directive.args,
                inside,
                is_block,
            });
        }
        blocks
    }

    fn included(
        &mut self,
        directive: &Directive,
        id: Id,
        parent: Option<Id>,
        path: &str,
    ) -> Vec<Block> {
        let pattern = directive.args.first().map_or("", String::as_str);
        let name = Path::new(pattern)
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        let mut found = self.files(pattern);
        found.retain(|(path, _)| path.extension().is_none_or(|ending| ending != "types"));
        if found.is_empty() {
            if STOCK.contains(&name) {
                self.ledger
                    .taken(id, "not needed: Hotclub knows what this file says");
            } else if pattern.contains('*') {
                self.ledger
                    .taken(id, "no file fits here: nothing is included");
            } else {
                let hint = "put the file there, or beside this one, and import once more";
                self.ledger
                    .open(id, format!("{pattern} was not found"), hint);
            }
            return Vec::new();
        }
        if self.depth >= MAX_INCLUDES {
            self.ledger.open(
                id,
                "includes lead too deep here, or in a circle",
                "write the files' content in place",
            );
            return Vec::new();
        }
        self.ledger.taken(id, "read in place");
        self.depth += 1;
        let mut blocks = Vec::new();
        for (file, text) in found {
            let shown = shelf::relative(self.options.dir, &file);
            match parse(&text) {
                Ok(directives) => blocks.extend(self.gather(directives, &shown, parent, path)),
                Err(error) => self.ledger.open(
                    id,
                    format!("{shown}: {error}"),
                    "correct the file, and import once more",
                ),
            }
        }
        self.depth -= 1;
        blocks
    }

    /// Beside the configuration, and where NGINX itself looks.
    fn files(&self, pattern: &str) -> Vec<(PathBuf, String)> {
        let bases = [self.dir, Path::new("/etc/nginx")];
        let name = Path::new(pattern)
            .file_name()
            .map(|name| self.dir.join(name));
        let patterns = bases
            .into_iter()
            .map(|base| shelf::joined(base, pattern))
            .chain(name);
        for pattern in patterns {
            let paths = shelf::globbed(self.options.shelf, &pattern);
            let read = |path: PathBuf| self.options.shelf.read(&path).map(|text| (path, text));
            let found: Vec<_> = paths.into_iter().filter_map(read).collect();
            if !found.is_empty() {
                return found;
            }
        }
        Vec::new()
    }
}

/// The name, and for blocks their arguments: `location /static/`.
fn shown(directive: &Directive) -> String {
    let named = directive.block.is_some()
        || matches!(
            directive.name.as_str(),
            "include" | "add_header" | "proxy_set_header"
        );
    let first = match directive.name.as_str() {
        "add_header" | "proxy_set_header" => 1,
        _ => directive.args.len(),
    };
    match named && !directive.args.is_empty() {
        true => format!(
            "{} {}",
            directive.name,
            directive.args[..first.min(directive.args.len())].join(" ")
        ),
        false => directive.name.clone(),
    }
}
