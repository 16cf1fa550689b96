//! `up` that root starts in a folder of somebody else's.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use hotclub_testkit::{Postgres, Program, Project, descendants, need, process, python};

use super::postgres::{DB_SETTINGS, count, project};
use super::{plain, up};
use crate::hotclub;

/// A user with an account on every Debian system.
const NOBODY: u32 = 65534;

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// Everything below the project's folder, itself included.
fn all(project: &Project) -> Vec<PathBuf> {
    let (mut found, mut folders) = (
        vec![project.dir().to_owned()],
        vec![project.dir().to_owned()],
    );
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            }
            found.push(entry.path());
        }
    }
    found
}

fn give_away(project: &Project) {
    all(project)
        .iter()
        .for_each(|path| std::os::unix::fs::lchown(path, Some(NOBODY), Some(NOBODY)).unwrap());
}

fn owner(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().uid()
}

/// Every user id of the program and of all that it has started.
fn users(program: &Program) -> Vec<String> {
    let family = descendants(program.pid()).into_iter();
    let family = family.chain(process(program.pid()));
    let uids = family.filter_map(|member| member.status("Uid"));
    let mut uids: Vec<_> = uids
        .flat_map(|uids| {
            uids.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .collect();
    uids.sort_unstable();
    uids.dedup();
    uids
}

#[test]
fn started_by_root_everything_and_its_postgres_run_as_the_owner_of_the_folder() {
    if !is_root() {
        return hotclub_testkit::skip("this is not root");
    }
    let python = need!(python());
    need!(Postgres::available());
    let project = project(&python, DB_SETTINGS, &[]);
    give_away(&project);
    let program = up(&project).serve();
    let notes = program.events("note");
    assert!(
        notes
            .iter()
            .any(|note| note["message"].to_string().contains("as nobody")),
        "{notes:?}"
    );
    count(&program, "postgresql 0");
    assert_eq!(users(&program), [NOBODY.to_string()]);
    let line = program.stdout.count();
    program.signal(hotclub_testkit::Signal::HUP);
    assert_eq!(program.event(line, "reloaded")["generation"], 2);
    count(&program, "postgresql 0");
    // Commands beside it become the owner, too.
    let who = "import os; print('I am', os.getuid(), os.environ['USER'])";
    let ended = hotclub()
        .arg("manage")
        .arg(project.dir())
        .args(["--", "shell", "-c", who])
        .end_within(std::time::Duration::from_secs(60));
    assert!(ended.stdout.contains("I am 65534 nobody"), "{ended:?}");
    program.stop();
    let roots: Vec<_> = all(&project)
        .into_iter()
        .filter(|path| owner(path) != NOBODY)
        .collect();
    assert_eq!(roots, Vec::<PathBuf>::new(), "files that are root's");
    // The next start goes on with the same data.
    let program = up(&project).serve();
    assert_eq!(super::state_of(&program, "migrations"), "skipped");
    program.stop();
}

#[test]
fn root_stays_root_where_it_has_served_before_and_says_so() {
    if !is_root() {
        return hotclub_testkit::skip("this is not root");
    }
    let python = need!(python());
    let project = plain(&python);
    let warned = |program: &Program, reason: &str| {
        let warnings = program.events("warning");
        let found = warnings.iter().any(|warning| {
            let text = warning["message"].as_str().unwrap_or_default();
            text.contains("running as root") && text.contains(reason)
        });
        assert!(found, "{reason:?} is not in {warnings:?}");
    };
    let program = up(&project).serve();
    warned(&program, "the project's folder is root's");
    program.stop();
    chown(project.dir(), Some(NOBODY), Some(NOBODY)).unwrap();
    let program = up(&project).serve();
    warned(&program, "an earlier start as root");
    assert_eq!(users(&program), ["0"]);
    program.stop();
    // Given away as a whole, it is the owner's.
    give_away(&project);
    let program = up(&project).serve();
    assert_eq!(users(&program), [NOBODY.to_string()]);
    program.get("/admin/login/").expect(200);
    program.stop();
}
