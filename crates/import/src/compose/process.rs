//! Services that run the app's code beside it, or once before it.

use super::service::{Service, command_text};
use crate::launch::{self, Runs};
use crate::{Reading, environment, words};

const SEEN: [&str; 9] = [
    "build",
    "image",
    "command",
    "entrypoint",
    "volumes",
    "environment",
    "env_file",
    "healthcheck",
    "working_dir",
];

pub(super) fn read(service: &Service<'_>, reading: &mut Reading<'_>) {
    let Some(leaf) = service.leaf.get("command") else {
        return service.unknown(reading);
    };
    let text = command_text(leaf).unwrap_or_default();
    for line in launch::lines(&text) {
        match line.runs {
            Runs::Process => {
                launch::process(service.name, &words::joined(&line.words), leaf.id, reading)
            }
            Runs::Migrate | Runs::Collect => reading
                .ledger
                .mended(leaf.id, "done once a release, not by every service"),
            Runs::Wait => reading.ledger.mended(
                leaf.id,
                "not needed: the database is ready before anything is started",
            ),
            Runs::Nothing => {}
            _ => reading.ledger.open(
                leaf.id,
                "a part of this command is not run",
                "put it under [release] command if it is needed",
            ),
        }
    }
    same_as_app(service, "it has the app's code and environment", reading);
}

/// Migrates, and ends.
pub(super) fn release(service: &Service<'_>, reading: &mut Reading<'_>) {
    if let Some(leaf) = service.leaf.get("command") {
        let text = command_text(leaf).unwrap_or_default();
        for line in launch::lines(&text) {
            if line.runs == Runs::Manage {
                let release = reading.draft.table("release");
                release.add("command", "python manage.py migrate --noinput");
                release.add("command", words::joined(&line.words));
            }
        }
        reading
            .ledger
            .taken(leaf.id, "done once a release, before anything is served");
    }
    same_as_app(
        service,
        "a release has the app's code and environment",
        reading,
    );
}

fn same_as_app(service: &Service<'_>, said: &str, reading: &mut Reading<'_>) {
    for (key, leaf) in service.leaf.entries() {
        match key.as_str() {
            "build" | "image" | "volumes" | "working_dir" | "entrypoint" => {
                reading.ledger.taken(leaf.id, said)
            }
            "healthcheck" => reading.ledger.taken(leaf.id, "what dies is started again"),
            _ => {}
        }
    }
    environment::of_other_service(service, reading);
    service.rest(&[&SEEN[..], &["restart"]].concat(), reading);
}
