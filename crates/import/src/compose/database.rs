//! A PostgreSQL service: a managed cluster takes its place, and its data has to be brought over.

use super::service::Service;
use super::tree::Leaf;
use crate::stack::OldDatabase;
use crate::{Reading, environment};

const SEEN: [&str; 10] = [
    "image",
    "build",
    "volumes",
    "environment",
    "env_file",
    "ports",
    "healthcheck",
    "command",
    "entrypoint",
    "expose",
];

pub(super) fn read(service: &Service<'_>, reading: &mut Reading<'_>) {
    let vars = environment::values(service, reading);
    let value = |name: &str| {
        vars.iter()
            .rev()
            .find(|var| var.name == name)
            .map(|var| var.value.clone())
    };
    let old = OldDatabase {
        service: service.name.to_owned(),
        user: value("POSTGRES_USER"),
        name: value("POSTGRES_DB").or_else(|| value("POSTGRES_USER")),
    };
    reading.draft.table("database").set("engine", "postgres");
    for (key, leaf) in service.leaf.entries() {
        match key.as_str() {
            "image" | "build" => image(leaf, reading),
            "volumes" => volumes(&old, leaf, reading),
            "environment" | "env_file" => reading.ledger.taken(
                leaf.id,
                "not needed: the cluster of a site has one role and one database, with a password that Hotclub makes",
            ),
            "ports" => ports(leaf, reading),
            "healthcheck" => reading.ledger.taken(leaf.id, "Hotclub asks the database a query, and waits for its answer"),
            "command" | "entrypoint" => reading.ledger.open(
                leaf.id,
                "options of the server are not taken over: the cluster is tuned for the machine and the workers",
                "if one of them is needed, set it with ALTER SYSTEM in `hotclub db shell`",
            ),
            "expose" => reading.ledger.taken(leaf.id, "not needed: the cluster listens on a Unix socket only"),
            _ => {}
        }
    }
    reading.stack.database = Some(old);
    service.rest(&SEEN, reading);
}

fn image(leaf: &Leaf, reading: &mut Reading<'_>) {
    let image = leaf.text().unwrap_or_default();
    let tag = image.rsplit_once(':').map_or("", |(_, tag)| tag);
    let major: String = tag.chars().take_while(char::is_ascii_digit).collect();
    let said = match major.is_empty() {
        true => {
            "[database] engine = \"postgres\": a cluster of the newest PostgreSQL that is installed"
                .to_owned()
        }
        false => format!(
            "[database] engine = \"postgres\": a cluster of the newest PostgreSQL that is installed; a dump of {major} \
             loads into any later one"
        ),
    };
    reading.ledger.taken(leaf.id, said);
    if ["postgis", "pgvector", "timescale"]
        .iter()
        .any(|word| image.contains(word))
    {
        reading.ledger.open(
            leaf.id,
            "the image brings an extension",
            "install its package on the host: postgresql-15-postgis-3, postgresql-15-pgvector or the like",
        );
    }
}

fn volumes(old: &OldDatabase, leaf: &Leaf, reading: &mut Reading<'_>) {
    for entry in leaf.list() {
        let (_, target) = super::app::volume(entry).unwrap_or(("", ""));
        if target.contains("initdb") {
            reading.ledger.open(
                entry.id,
                "scripts that make a first database are not run",
                "what they make is in the dump; extensions and roles of their own are not",
            );
        } else {
            let hint = dump(old);
            reading.ledger.open(
                entry.id,
                "the data stays in the old database until it is brought over",
                hint,
            );
        }
    }
}

/// How the data gets out.
pub(crate) fn dump(old: &OldDatabase) -> String {
    let user = old.user.as_deref().unwrap_or("postgres");
    let name = old.name.as_deref().unwrap_or(user);
    format!(
        "docker compose exec -T {} pg_dump -Fc --no-owner --no-acl -U {user} {name} > old.dump",
        old.service
    )
}

fn ports(leaf: &Leaf, reading: &mut Reading<'_>) {
    reading.ledger.mended(
        leaf.id,
        "the database had a port, around the firewall: the cluster listens on a Unix socket only (`hotclub db shell` gets in)",
    );
}
