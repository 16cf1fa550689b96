//! `kill -9` of PostgreSQL under writes, and of upgrades to a newer major version at random moments: what was committed
//! is there, the site serves again by itself, and nothing half is left.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hotclub_testkit::{Outcome, Postgres, Program, Project, need, process, python, until_within};
use serde_json::json;

use super::backups::Writer;
use super::{count, kill, random, record};
use crate::db::{db, good};
use crate::host::django::notes_of;
use crate::host::postgres::notes_on_postgres;
use crate::host::{done, host, kept, server, text};
use crate::up::postgres::{DB_SETTINGS, project};
use crate::up::up;

/// A pause before a site is raised again, recovery, and a machine that does other things.
const BACK: Duration = Duration::from_secs(120);

#[test]
fn a_postgres_that_is_killed_under_writes_loses_no_committed_row() {
    let python = need!(python());
    need!(Postgres::available());
    let server = server();
    let folder = notes_on_postgres(&server, &python);
    // Requests amid a crash fail, and say so.
    let mut program = host(&server).allow("").serve();
    done(&server, &["deploy", text(&folder)]);
    let writer = Writer::start(program.address(), "/notes");
    let began = Instant::now();
    let times = count(2, 200);
    for turn in 0..times {
        writes_go_on(&writer);
        std::thread::sleep(Duration::from_millis(random(200) as u64));
        // The whole of it, or one session, after whose end it starts itself anew.
        kill_some_of_it(&server, turn % 2 == 0);
    }
    writes_go_on(&writer);
    let written = writer.finish();
    let notes = notes_of(&program);
    let there: std::collections::BTreeSet<&str> = notes.split(',').collect();
    let lost: Vec<_> = written
        .iter()
        .filter(|row| !there.contains(&***row))
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} lost: {lost:?}",
        lost.len(),
        written.len()
    );
    let outcome = Outcome {
        good: written.len() as u64,
        took: began.elapsed(),
        ..Outcome::default()
    };
    record("kills_postgres", times, &outcome, &json!({}));
    program.forget_descriptors();
    program.stop();
}

#[track_caller]
fn writes_go_on(writer: &Writer) {
    let before = writer.count();
    until_within(BACK, "rows to be written again", || {
        (writer.count() > before + 3).then_some(())
    });
}

fn kill_some_of_it(server: &Project, whole: bool) {
    let file = kept(server, "notes").join("state/postgres/data/postmaster.pid");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let pid = text
        .lines()
        .next()
        .and_then(|line| line.trim().parse().ok());
    let Some(server) = pid.and_then(process) else {
        return;
    };
    let children = hotclub_testkit::children(server.pid);
    let sessions: Vec<_> = children
        .into_iter()
        .filter(|child| child.command().contains("notes notes"))
        .collect();
    match sessions.is_empty() || whole {
        true => kill(&server),
        false => kill(&sessions[random(sessions.len())]),
    }
}

#[test]
fn killed_upgrades_to_a_newer_major_of_postgres_leave_the_data_whole() {
    let python = need!(python());
    need!(Postgres::available());
    let (bin, newer) = need!(Postgres::newer());
    let project = project(&python, DB_SETTINGS, &[]);
    let program = up(&project).serve();
    crate::db::post(&program, 3);
    program.stop();
    let began = Instant::now();
    let upgrades = Upgrades {
        project,
        bin,
        to: newer.to_string(),
    };
    let took = upgrades.took();
    let (times, mut done) = (count(3, 200), 0);
    for _ in 0..times {
        let command = match upgrades.is_newer() {
            true => upgrades.undo(),
            false => upgrades.upgrade(),
        };
        let killed = command.start();
        std::thread::sleep(took.mul_f64(random(110) as f64 / 100.0));
        killed.kill();
        assert_eq!(upgrades.rows(), "3");
        if upgrades.is_newer() {
            done += 1;
            good(upgrades.undo());
            good(db(&upgrades.project, "drop-old", &[]).on_path(&upgrades.bin));
        }
        upgrades.nothing_is_left();
    }
    let outcome = Outcome {
        good: times as u64,
        took: began.elapsed(),
        ..Outcome::default()
    };
    let more = json!({ "came_to_their_end": done });
    record("kills_database_upgrades", times, &outcome, &more);
    let program: Program = up(&upgrades.project).serve();
    program.get("/").expect(200);
    program.stop();
}

struct Upgrades {
    project: Project,
    bin: PathBuf,
    to: String,
}

impl Upgrades {
    fn upgrade(&self) -> hotclub_testkit::Launch {
        db(&self.project, "upgrade", &[&self.to]).on_path(&self.bin)
    }

    fn undo(&self) -> hotclub_testkit::Launch {
        db(&self.project, "undo", &[]).on_path(&self.bin)
    }

    /// How long a whole one takes; undone again.
    fn took(&self) -> Duration {
        let began = Instant::now();
        good(self.upgrade());
        let took = began.elapsed();
        good(self.undo());
        good(db(&self.project, "drop-old", &[]).on_path(&self.bin));
        took
    }

    fn cluster(&self) -> PathBuf {
        self.project.path(".hotclub/postgres")
    }

    fn is_newer(&self) -> bool {
        let version = std::fs::read_to_string(self.cluster().join("data/PG_VERSION"));
        version.is_ok_and(|version| version.trim() == self.to)
    }

    /// Asked of whichever is live; what a kill has left is settled by that.
    fn rows(&self) -> String {
        let words = [
            "--",
            "-A",
            "-t",
            "-c",
            "SELECT count(*) FROM django_session",
        ];
        let shell = good(db(&self.project, "shell", &words).on_path(&self.bin));
        shell.stdout.trim().to_owned()
    }

    #[track_caller]
    fn nothing_is_left(&self) {
        let is_left = |name: &str| Path::exists(&self.cluster().join(name));
        assert!(!is_left("upgrade") && !is_left("upgrade.json"));
    }
}
