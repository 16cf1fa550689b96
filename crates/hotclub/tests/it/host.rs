//! `hotclub host` and the commands that talk to it.

mod cache;
mod deploys;
pub(crate) mod django;
mod docs;
mod env;
mod install;
pub(crate) mod postgres;
mod processes;
mod rollback;
mod top;

use std::path::{Path, PathBuf};
use std::time::Duration;

use hotclub_testkit::{Ended, Launch, Program, Project};
use serde_json::Value;

use crate::hotclub;

/// A command under load, with an environment to build.
const PATIENCE: Duration = Duration::from_secs(240);

/// A server without sites: `host.toml` and a folder for what lasts.
pub(crate) fn server() -> Project {
    let server = Project::empty();
    // No app runs as root.
    let users = match rustix::process::geteuid().is_root() {
        true => "[users]\nnotes = \"nobody\"\n",
        false => "",
    };
    server.write("host.toml", users);
    server
}

pub(crate) fn host(server: &Project) -> Launch {
    beside(server).of(server)
}

/// The same while another one works in the server's folders, which are not its own then.
pub(crate) fn beside(server: &Project) -> Launch {
    hotclub()
        .arg("host")
        .arg("--config")
        .arg(server.path("host.toml"))
        .arg("--state")
        .arg(server.state())
        .args(["--listen", "127.0.0.1:0", "--json"])
}

/// `hotclub COMMAND … --json` at the server's own host.
pub(crate) fn command(server: &Project, words: &[&str]) -> Launch {
    let (first, rest) = words.split_first().expect("a command has a name");
    hotclub()
        .arg(first)
        .arg("--control")
        .arg(server.state().join("control.sock"))
        .arg("--json")
        .args(rest)
}

/// Runs it; its last line, which is its answer.
#[track_caller]
pub(crate) fn done(server: &Project, words: &[&str]) -> Value {
    let ended = command(server, words).end_within(PATIENCE);
    assert_eq!(
        ended.code,
        Some(0),
        "{words:?}\n{}\n{}",
        ended.stdout,
        ended.stderr
    );
    ended.events().pop().unwrap_or_default()
}

/// Runs it, which must fail; its error.
#[track_caller]
pub(crate) fn refused(server: &Project, words: &[&str]) -> Value {
    let ended: Ended = command(server, words).end_within(PATIENCE);
    assert_eq!(
        ended.code,
        Some(1),
        "{words:?}\n{}\n{}",
        ended.stdout,
        ended.stderr
    );
    let mut events = ended.events();
    events.retain(|event| event["event"] == "error");
    events.pop().unwrap_or_default()
}

/// What the site's home page says, and with which status.
#[track_caller]
pub(crate) fn home(program: &Program, host: &str) -> (u16, String) {
    let answer = program.get_with("/", &[("Host", host)]);
    (answer.status, answer.text().to_owned())
}

/// The site's folder among the host's state.
pub(crate) fn kept(server: &Project, site: &str) -> PathBuf {
    server.state().join("sites").join(site)
}

/// Numbers of the releases that lie there.
pub(crate) fn releases(server: &Project, site: &str) -> Vec<String> {
    let listed = std::fs::read_dir(kept(server, site).join("releases"));
    let names = listed.into_iter().flatten().flatten();
    let mut names: Vec<_> = names
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().expect("the path is text")
}

/// A folder of pages for `HOST`, which say `words`.
pub(crate) fn pages(server: &Project, name: &str, words: &str) -> PathBuf {
    let config = format!("hosts = [\"{name}.example\"]\n[static]\nroot = \"public\"\n");
    server
        .write(&format!("{name}/hotclub.toml"), &config)
        .write(&format!("{name}/public/index.html"), words);
    server.path(name)
}
