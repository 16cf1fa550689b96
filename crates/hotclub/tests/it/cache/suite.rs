//! The public suite http-cache-tests against `[[proxy]]` with `[cache]`: what fails is what is listed, with its
//! reason, in `tests/http_cache/expected.txt`.

use std::collections::BTreeMap;
use std::io::{BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use hotclub_testkit::{Project, need, repository};
use serde_json::Value;

use crate::hotclub;

/// Node with the suite.
fn suite() -> Result<PathBuf, String> {
    let folder = std::env::var_os("HOTCLUB_TEST_HTTP_CACHE_TESTS").map(PathBuf::from);
    let folder = folder.filter(|folder| folder.join("node_modules/http-cache-tests").exists());
    folder.ok_or_else(|| "http-cache-tests is not installed (cargo xtask setup)".to_owned())
}

/// Ended with the test, however that ends.
struct Runner(Child);

impl Drop for Runner {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Runner {
    fn start(folder: &PathBuf) -> (Self, BufReader<std::process::ChildStdout>) {
        let mut child = Command::new("node")
            .arg("--no-warnings")
            .arg(repository().join("tests/http_cache/run.mjs"))
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is installed with the suite");
        let output = BufReader::new(child.stdout.take().unwrap());
        (Self(child), output)
    }
}

fn line(output: &mut impl std::io::BufRead) -> Value {
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

/// Ids and their reasons.
fn expected() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(repository().join("tests/http_cache/expected.txt")).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    let pair = |line: &str| {
        let (id, reason) = line
            .split_once(' ')
            .unwrap_or_else(|| panic!("no reason: {line}"));
        (id.to_owned(), reason.trim().to_owned())
    };
    lines.map(pair).collect()
}

#[test]
fn the_public_suite_fails_only_where_it_is_listed_why() {
    let folder = need!(suite());
    let (mut runner, mut output) = Runner::start(&folder);
    let port = line(&mut output)["origin"].as_u64().unwrap();
    let project = Project::empty();
    project.write(
        "hotclub.toml",
        &format!(
            "[[proxy]]\nurl = \"/\"\nto = \"http://127.0.0.1:{port}\"\nmax_fails = 0\n\n[cache]\n"
        ),
    );
    let launch = hotclub().arg("up").arg(project.dir());
    let mut program = launch
        .args(["--listen", "127.0.0.1:0", "--json"])
        .of(&project)
        .serve();
    // Origins that hang up, or answer what is no answer, are part of it.
    program.allow("upstream http://127.0.0.1");
    let stdin = runner.0.stdin.as_mut().unwrap();
    writeln!(stdin, "http://{}", program.address()).unwrap();
    let results = line(&mut output);
    let results = results["results"].as_array().unwrap();
    assert!(results.len() > 200, "only {} tests ran", results.len());
    let mut expected = expected();
    let mut news = Vec::new();
    for result in results {
        // A question how caches behave, to which no answer is wrong.
        if result["kind"] == "check" {
            continue;
        }
        let id = result["id"].as_str().unwrap();
        match (result["error"].as_str(), expected.remove(id)) {
            (Some(error), None) => news.push(format!("{id} ({}) fails: {error}", result["kind"])),
            (None, Some(_)) => news.push(format!("{id} passes, and is listed")),
            _ => {}
        }
    }
    news.extend(
        expected
            .into_keys()
            .map(|id| format!("{id} is listed, and does not exist")),
    );
    assert!(news.is_empty(), "{}", news.join("\n"));
    program.stop();
}
