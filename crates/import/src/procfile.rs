//! Procfiles: `name: command`. `web` is the app, `release` runs once a release, the others stay beside the app.

use std::path::Path;

use crate::launch::{self, At, Runs};
use crate::ledger::Place;
use crate::{Input, Reading, launch::Line};

pub(crate) fn read(input: &Input, reading: &mut Reading<'_>) {
    let dir = input.path.parent().unwrap_or(Path::new("/")).to_path_buf();
    for (at, line) in input.text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let place = Place {
            file: input.shown.clone(),
            line: at + 1,
        };
        let split = line
            .split_once(':')
            .map(|(name, command)| (name.trim(), command.trim()));
        let Some((name, command)) =
            split.filter(|(name, command)| !name.is_empty() && !command.is_empty())
        else {
            let id = reading.ledger.enter(None, &place, "line".to_owned());
            reading
                .ledger
                .open(id, "this is no `name: command`", "correct the line");
            continue;
        };
        let id = reading.ledger.enter(None, &place, name.to_owned());
        entry(
            name,
            command,
            &At {
                id,
                place: &place,
                dir: &dir,
            },
            reading,
        );
    }
}

fn entry(name: &str, command: &str, at: &At<'_>, reading: &mut Reading<'_>) {
    match name {
        "web" => {
            let launched = launch::take(command, at, reading);
            reading.stack.has_app = true;
            reading.stack.app_at.extend(launched.bind);
        }
        "release" => release(command, at, reading),
        name => launch::process(name, command, at.id, reading),
    }
}

/// Every command of a release is run as it is written, in its order.
fn release(command: &str, at: &At<'_>, reading: &mut Reading<'_>) {
    let lines = launch::lines(command);
    let plain = |line: &Line| {
        matches!(
            line.runs,
            Runs::Migrate | Runs::Collect | Runs::Nothing | Runs::Wait
        )
    };
    if lines.iter().all(plain) {
        return reading.ledger.taken(
            at.id,
            "migrating and collecting static files is what a release does",
        );
    }
    for line in lines {
        match line.runs {
            Runs::Collect | Runs::Nothing | Runs::Wait => {}
            _ => reading
                .draft
                .table("release")
                .add("command", crate::words::joined(&line.words)),
        }
    }
    reading.ledger.taken(at.id, "[release] command");
}
