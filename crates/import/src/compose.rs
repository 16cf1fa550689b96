//! Compose files: several are merged as Compose merges them, variables are filled in, and each service is given a
//! part in the site by what it runs.

mod app;
mod database;
mod merge;
mod part;
mod process;
mod service;
mod tree;
mod web;

use std::collections::BTreeMap;
use std::path::Path;

use hotclub_config::env_file;

use crate::ledger::Fate;
use crate::{ImportError, Input, Reading, yaml};
use part::Part;
use tree::Planter;

pub(crate) use app::folder_kind;
pub(crate) use database::dump;
pub(crate) use service::Service;
pub(crate) use tree::Leaf;

/// Reads all Compose files of a call as one project; later ones go over earlier ones.
pub(crate) fn read(inputs: &[&Input], reading: &mut Reading<'_>) -> Result<(), ImportError> {
    let Some(first) = inputs.first() else {
        return Ok(());
    };
    let mut merged = merge::Merged::default();
    for input in inputs {
        let node = yaml::parse(&input.text, &input.shown).map_err(|error| ImportError::Syntax {
            reason: error.to_string(),
        })?;
        merged.add(node);
    }
    let dir = first.path.parent().unwrap_or(Path::new("/")).to_path_buf();
    let vars = variables(&dir, reading);
    let (node, replaced) = merged.finish();
    for gone in replaced {
        let id = reading.ledger.enter(None, &gone.place, gone.path);
        let by = &gone.by;
        reading
            .ledger
            .taken(id, format!("replaced by {}:{}", by.file, by.line));
    }
    let Some(node) = node else {
        let what = first.shown.clone();
        reading.ledger.note(
            Fate::Open,
            &what,
            "the file is empty",
            Some("name the one with services".to_owned()),
        );
        return Ok(());
    };
    let top = Planter {
        vars: &vars,
        ledger: &mut reading.ledger,
    }
    .plant(node);
    reading.stack.from_compose = true;
    project(&top, &dir, reading);
    Ok(())
}

/// `.env` beside the first file; the environment goes before it.
fn variables(dir: &Path, reading: &Reading<'_>) -> BTreeMap<String, String> {
    let path = dir.join(".env");
    let text = reading.options.shelf.read(&path);
    let file = text.and_then(|text| env_file::parse(&text, &path).ok());
    let entries = file.into_iter().flat_map(|file| file.entries);
    let mut vars: BTreeMap<_, _> = entries
        .map(|entry| (entry.name, entry.value.expose().to_owned()))
        .collect();
    vars.extend(reading.options.vars.clone());
    vars
}

fn project(top: &Leaf, dir: &Path, reading: &mut Reading<'_>) {
    let mut services: &[(String, Leaf)] = &[];
    for (key, leaf) in top.entries() {
        match key.as_str() {
            "services" => services = leaf.entries(),
            "version" => reading.ledger.taken(leaf.id, "not needed: Compose itself ignores it, too"),
            "name" => name(leaf, reading),
            "volumes" => {
                reading.ledger.taken(leaf.id, "volumes stay where they are; what Hotclub needs of them is said at the services");
            }
            "networks" => reading.ledger.taken(leaf.id, "not needed: app and database meet on private sockets"),
            "include" => reading.ledger.unsupported(
                leaf.id,
                "included files are not followed",
                "name them on the command line, too: hotclub import docker-compose.yml other.yml",
            ),
            "secrets" | "configs" => reading.ledger.unsupported(
                leaf.id,
                "Hotclub mounts no secrets",
                "put the values into an env file of mode 0600, or let the settings read the files where they are",
            ),
            key if key.starts_with("x-") => {
                reading.ledger.taken(leaf.id, "an extension: what it holds counts where it is merged in");
            }
            _ => {}
        }
    }
    if services.is_empty() {
        let hint = "name the Compose file that has them".to_owned();
        reading.ledger.note(
            Fate::Open,
            "services",
            "there are no services in this file",
            Some(hint),
        );
    }
    each_service(services, dir, reading);
}

fn name(leaf: &Leaf, reading: &mut Reading<'_>) {
    match leaf.text() {
        Some(name) => {
            reading.stack.name = Some(name.to_owned());
            reading.ledger.taken(leaf.id, "name");
        }
        None => reading.ledger.taken(leaf.id, "empty"),
    }
}

/// The app last: what the others are decides about its environment.
fn each_service(services: &[(String, Leaf)], dir: &Path, reading: &mut Reading<'_>) {
    let parts = part::all(services, dir, reading);
    let rank = |part: Part| match part {
        Part::Database => 0,
        Part::Stranger => 1,
        Part::WebServer | Part::Certificates => 2,
        Part::App => 3,
        Part::Process | Part::Release | Part::SecondApp => 4,
    };
    let mut order: Vec<_> = services.iter().zip(&parts).collect();
    order.sort_by_key(|(_, part)| rank(**part));
    for ((name, leaf), part) in order {
        let service = service::Service { name, leaf, dir };
        match part {
            Part::App => app::read(&service, reading),
            Part::Database => database::read(&service, reading),
            Part::Process => process::read(&service, reading),
            Part::Release => process::release(&service, reading),
            Part::WebServer => web::read(&service, reading),
            Part::Certificates => web::certificates(&service, reading),
            Part::SecondApp => service.stranger(
                "a second app is a site of its own",
                "import it into a folder of its own, and let `hotclub host` run both",
                reading,
            ),
            Part::Stranger => service.unknown(reading),
        }
    }
}
