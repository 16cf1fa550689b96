//! The commands that the guides show, each run as it stands there, in their order, on a host with a site on PostgreSQL.

use std::path::Path;
use std::time::Duration;

use hotclub_testkit::{Ended, Launch, Postgres, Project, need, python, repository};
use serde_json::Value;

use super::django::{say, write};
use super::postgres::{notes_on_postgres, pins};
use super::{done, host, kept, server, text};

const LIMIT: Duration = Duration::from_secs(240);

/// Lines of code blocks that call Hotclub, without what they say of themselves.
fn commands_of(guide: &str) -> Vec<String> {
    let path = repository().join("docs").join(guide);
    let text = std::fs::read_to_string(path).unwrap();
    let mut is_code = false;
    let mut commands = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with("```") {
            is_code = !is_code;
        }
        let line = line.strip_prefix("$ ").unwrap_or(line);
        if is_code && line.starts_with("hotclub ") {
            let (command, _) = line.split_once(" #").unwrap_or((line, ""));
            commands.push(command.trim().to_owned());
        }
    }
    commands
}

struct Reader<'s> {
    server: &'s Project,
    /// What the guides' names stand for here.
    names: Vec<(String, String)>,
    path: String,
}

impl Reader<'_> {
    /// In the folder of the live release, or where no folder has the site's name.
    fn run(&self, command: &str) -> Ended {
        let mut here = command.to_owned();
        for (name, means) in &self.names {
            here = here.replace(name, means);
        }
        let folder = match here.contains(" . ") || here.ends_with(" .") {
            true => kept(self.server, "notes").join("current/source"),
            false => self.server.state(),
        };
        let ended = Launch::new("sh")
            .args(["-c", &here])
            .env("PATH", &self.path)
            .env("HOTCLUB_STATE", self.server.state())
            .env("HOTCLUB_SOCKET", self.server.state().join("control.sock"))
            .within(folder)
            .end_within(LIMIT);
        let said = format!("{here}\n{}\n{}", ended.stdout, ended.stderr);
        assert_eq!(ended.code, Some(0), "{said}");
        ended
    }
}

fn path(newer: &Path) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_hotclub")).parent().unwrap();
    let rest = std::env::var("PATH").unwrap_or_default();
    format!("{}:{}:{rest}", program.display(), newer.display())
}

#[test]
fn what_the_guides_show_runs_on_a_host_with_postgres_and_a_newer_major() {
    let python = need!(python());
    need!(Postgres::available());
    let (newer, major) = need!(Postgres::newer());
    let server = server();
    let folder = notes_on_postgres(&server, &python);
    // The newer one is there; what is new would be made with it.
    let (free, pinned) = pins();
    server.edit("notes/hotclub.toml", free, &pinned);
    let mut program = host(&server).on_path(&newer).serve();
    done(&server, &["deploy", text(&folder)]);
    server.edit("notes/hotclub.toml", &pinned, free);
    // The guides go back by one release.
    done(&server, &["deploy", text(&folder)]);
    write(&program, "first");
    say(&server, "one", "two");
    let dump = server.path("old.dump");
    let elsewhere = need!(Postgres::start());
    elsewhere.psql(
        "site",
        "CREATE TABLE notes_note (id int PRIMARY KEY, text text)",
    );
    elsewhere.dump("site", "custom", &dump);

    let mut reader = Reader {
        server: &server,
        names: vec![
            (
                "/srv/checkout/portfolio".to_owned(),
                text(&folder).to_owned(),
            ),
            ("portfolio 17".to_owned(), format!("portfolio {major}")),
            ("portfolio".to_owned(), "notes".to_owned()),
            ("old.dump".to_owned(), text(&dump).to_owned()),
        ],
        path: path(&newer),
    };
    let mut shown = 0;
    for command in ["deploys.md", "databases.md"]
        .into_iter()
        .flat_map(commands_of)
    {
        // Whose it is, is said in host.toml, and here by no user's name; its own tests run it.
        if command.starts_with("hotclub manage") {
            continue;
        }
        if command.ends_with("20261124-041022") {
            let listed = reader.run("hotclub db backups . --json").stdout;
            let listed: Value = serde_json::from_str(&listed).unwrap();
            let name = listed["backups"][0]["name"].as_str().unwrap().to_owned();
            reader.names.push(("20261124-041022".to_owned(), name));
        }
        reader.run(&command);
        shown += 1;
    }
    assert!(
        shown >= 15,
        "{shown} commands are few: how do the guides write them?"
    );
    program.forget_descriptors();
    program.allow("");
    program.stop();
}
