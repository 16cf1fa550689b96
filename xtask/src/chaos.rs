//! `cargo xtask chaos`: the tests of `crates/hotclub/tests/it/chaos/` on the release build with their long counts,
//! a table of what each cost, and the rows as JSON in `bench/results/DATE/`.

mod compare;
mod rivals;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::bench::facts;
use crate::bench::results::without_local_paths;
use crate::setup::{self, Need, Tools};
use crate::{command, descendants, project};

const BUILD: Duration = Duration::from_secs(1800);
/// A thousand kills take two minutes; two hundred killed deploys, or crashes of PostgreSQL, half an hour each.
const PARTS: Duration = Duration::from_secs(3 * 3600);
const ALL: [&str; 14] = [
    "backups",
    "containers",
    "databases",
    "deploys",
    "kills",
    "reloads",
    "upgrades",
    "slow",
    "garbage",
    "hostile",
    "deadlines",
    "deaths",
    "oom",
    "soak",
];

/// How a row came about.
const ORIGIN: [&str; 3] = ["command", "commit", "date"];

/// Of a row, for the JSON only.
const DETAILS: [&str; 7] = [
    "log",
    "kinds",
    "ways",
    "rounds_without",
    "rounds_with",
    "seconds_without",
    "seconds_with",
];

#[derive(Args)]
pub(crate) struct Options {
    /// Length of the soak
    #[arg(long, value_name = "N", default_value = "60")]
    minutes: u64,
    /// Only these parts: backups, containers, databases, deploys, kills, reloads, upgrades, slow, garbage, hostile, deadlines, deaths, oom, soak
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// Fewer times than the full counts: whatever is done more often than this is done so often
    #[arg(long, value_name = "N", requires = "only")]
    times: Option<u32>,
    /// Keep the rows of parts in bench/results/, too, in the place of those of the same name
    #[arg(long, requires = "only")]
    keep: bool,
    /// Run nothing, and keep the rows that tests run by hand have left in this folder (HOTCLUB_CHAOS_RESULTS); each has
    /// to say its command, commit and date
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["only", "compare"])]
    rows: Option<PathBuf>,
    /// On the tests' own build, which is there sooner: counts mean as much, times do not
    #[arg(long, conflicts_with = "compare")]
    dev: bool,
    /// Instead, the same storms against Hotclub, Gunicorn, NGINX with Gunicorn, and Granian
    #[arg(long, conflicts_with = "only")]
    compare: bool,
    /// Rounds of the comparison, in each of which everyone has a turn
    #[arg(long, value_name = "N", default_value = "3", requires = "compare")]
    rounds: u32,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if let Some(unknown) = options.only.iter().find(|name| !ALL.contains(&&name[..])) {
        bail!(
            "no part is called {unknown:?}\n  hint: one of {}",
            ALL.join(", ")
        );
    }
    if let Some(folder) = &options.rows {
        return keep_rows(folder, options);
    }
    descendants::adopt_orphans();
    if options.compare {
        return compare(options);
    }
    let tools = setup::provide(&[
        Need::Compiler,
        Need::Python,
        Need::Postgres,
        Need::NewerPostgres,
        Need::Docker,
    ]);
    let rows = tempfile::tempdir()?;
    let mut test = Command::new("cargo");
    test.args([
        "test",
        "--locked",
        // As the bench and the tests build it: the same features, so that nothing is built twice.
        "--workspace",
        "--test",
        "it",
    ]);
    if !options.dev {
        test.arg("--release");
    }
    let mut build = Command::new("cargo");
    build
        .args(test.get_args())
        .arg("--no-run")
        .current_dir(project::root());
    if !command::shown(&mut build, BUILD)?.success {
        bail!("the build failed");
    }
    test.args(["--", "--test-threads=1"])
        .args(parts(&options.only));
    test.env("HOTCLUB_CHAOS_RESULTS", rows.path())
        .env("HOTCLUB_CHAOS_MINUTES", options.minutes.to_string())
        .current_dir(project::root());
    if let Some(times) = options.times {
        test.env("HOTCLUB_CHAOS_TIMES", times.to_string());
    }
    tools.export(&mut test);
    // At the start: who commits meanwhile does not change what is running.
    let facts = facts::machine(&tools);
    let finished = command::shown(&mut test, PARTS + Duration::from_secs(60 * options.minutes))?;
    for process in descendants::end_leftovers() {
        eprintln!("left behind, ended: {process}");
    }
    let rows = stamped(read(rows.path())?, &facts, finished.success);
    let table = save(&facts, &rows, options)?;
    println!("{table}");
    Ok(if finished.success {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn keep_rows(from: &Path, options: &Options) -> Result<ExitCode> {
    let rows = read(from)?;
    for (row, key) in rows.iter().flat_map(|row| ORIGIN.map(|key| (row, key))) {
        if row[key].as_str().is_none() {
            bail!("the row {} does not say its {key}", name(row));
        }
    }
    let facts = facts::machine(&Tools::default());
    let table = save(&facts, &rows, options)?;
    println!("{table}");
    Ok(ExitCode::SUCCESS)
}

fn compare(options: &Options) -> Result<ExitCode> {
    let tools = setup::provide(&[Need::Compiler, Need::Python, Need::Peers]);
    if let Some((need, error)) = tools.missing.first() {
        bail!("{} is missing: {error:#}", need.name());
    }
    let outcome = compare::run(&tools, options.rounds.max(1));
    for process in descendants::end_leftovers() {
        eprintln!("left behind, ended: {process}");
    }
    let comparison = outcome?;
    let facts = facts::all(&tools);
    let all = json!({"facts": facts, "comparison": comparison});
    let folder = folder(&project::root().join("bench/results"), &facts)?;
    let text = serde_json::to_string_pretty(&all)? + "\n";
    fs::write(folder.join("compare.json"), without_local_paths(&text))?;
    let table = comparison.markdown();
    fs::write(folder.join("compare.md"), &table)?;
    println!("{table}");
    eprintln!("kept in {}", folder.display());
    Ok(ExitCode::SUCCESS)
}

fn folder(parent: &Path, facts: &BTreeMap<String, String>) -> Result<PathBuf> {
    let date = facts.get("date").and_then(|date| date.split(' ').next());
    let folder = parent.join(date.unwrap_or("undated"));
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn parts(only: &[String]) -> Vec<String> {
    if only.is_empty() {
        return vec!["chaos::".to_owned()];
    }
    only.iter().map(|name| format!("chaos::{name}::")).collect()
}

/// Rows of several runs may stand in one table: each says how it came about.
fn stamped(mut rows: Vec<Value>, facts: &BTreeMap<String, String>, all_passed: bool) -> Vec<Value> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    for row in &mut rows {
        row["command"] = format!("cargo xtask {}", arguments.join(" ")).into();
        row["commit"] = facts.get("commit").cloned().into();
        row["date"] = facts.get("date").cloned().into();
        row["all_tests_of_the_run_passed"] = all_passed.into();
    }
    rows
}

fn read(folder: &Path) -> Result<Vec<Value>> {
    let mut rows = Vec::new();
    for entry in fs::read_dir(folder)? {
        rows.push(serde_json::from_str(&fs::read_to_string(entry?.path())?)?);
    }
    rows.sort_by_key(|row: &Value| row["name"].to_string());
    Ok(rows)
}

/// Whole runs are kept in the repository, parts below `target/` unless `--keep` is given.
fn save(facts: &BTreeMap<String, String>, rows: &[Value], options: &Options) -> Result<String> {
    let part_of_many = options.keep || options.rows.is_some();
    let parent = if options.only.is_empty() || part_of_many {
        project::root().join("bench/results")
    } else {
        project::target().join("chaos")
    };
    let folder = folder(&parent, facts)?;
    let file = folder.join("chaos.json");
    let rows = if part_of_many {
        joined(rows, &fs::read_to_string(&file).unwrap_or_default())
    } else {
        rows.to_vec()
    };
    let all = json!({"facts": facts, "rows": rows});
    fs::write(file, serde_json::to_string_pretty(&all)? + "\n")?;
    let table = table(&rows);
    fs::write(folder.join("chaos.md"), &table)?;
    eprintln!("kept in {}", folder.display());
    Ok(table)
}

/// The rows, and those of an earlier run of that day whose names are not among them.
fn joined(rows: &[Value], earlier: &str) -> Vec<Value> {
    let mut all = rows.to_vec();
    let earlier: Value = serde_json::from_str(earlier).unwrap_or_default();
    for row in earlier["rows"].as_array().into_iter().flatten() {
        if !rows.iter().any(|new| new["name"] == row["name"]) {
            all.push(row.clone());
        }
    }
    all.sort_by_key(|row| row["name"].to_string());
    all
}

/// The rows, how each came about, and what failed when.
fn table(rows: &[Value]) -> String {
    let mut text = String::from(
        "| what | times | good | failed | seconds | slowest ms | more |\n|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        text += &line(row);
    }
    text + "\n" + &origins(rows) + &failures(rows)
}

fn line(row: &Value) -> String {
    let more = row["more"].as_object().into_iter().flatten();
    let more: Vec<_> = more
        .filter(|(name, _)| !DETAILS.contains(&&name[..]))
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    format!(
        "| {} | {} | {} | {} | {} | {} | {} |\n",
        name(row),
        row["did"],
        row["good"],
        row["failed"],
        row["seconds"],
        row["slowest_ms"],
        more.join(", ")
    )
}

fn name(row: &Value) -> &str {
    row["name"].as_str().unwrap_or_default()
}

/// Which command on which commit brought about which rows.
fn origins(rows: &[Value]) -> String {
    let mut origins = BTreeMap::<_, Vec<_>>::new();
    for row in rows {
        let word = |key: &str| row[key].as_str().unwrap_or("unknown").to_owned();
        let verdict = match row["all_tests_of_the_run_passed"].as_bool() {
            Some(true) => "all passed",
            _ => "not all passed",
        };
        let origin = (word("date"), word("command"), word("commit"), verdict);
        origins.entry(origin).or_default().push(name(row));
    }
    let lines = origins
        .iter()
        .map(|((date, command, commit, verdict), rows)| {
            let rows = rows.join(", ");
            format!("- {rows}: `{command}` at {commit}, {date} UTC, {verdict}\n")
        });
    lines.collect()
}

/// Failed POSTs whose workers were killed are what is promised; they are not told one by one.
fn failures(rows: &[Value]) -> String {
    let mut text = String::new();
    for row in rows.iter().filter(|row| name(row) != "kills_posts") {
        for failure in row["failures"].as_array().into_iter().flatten() {
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "- {} failed: {}",
                name(row),
                failure.as_str().unwrap_or_default()
            );
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_table_has_what_was_recorded() {
        let row = json!({"name": "kills", "did": 3, "good": 9, "failed": 0, "seconds": 1.5,
                         "slowest_ms": 7.0, "more": {"twice": 0, "kinds": ["a"]}});
        let text = table(&[row]);
        let line = "| kills | 3 | 9 | 0 | 1.5 | 7.0 | twice 0 |\n";
        assert!(text.contains(line), "{text}");
    }

    #[test]
    fn a_row_says_how_it_came_about_and_what_failed_when() {
        let row = json!({"name": "kills", "command": "cargo xtask chaos", "commit": "abc", "date": "today",
                         "all_tests_of_the_run_passed": false, "failures": ["1.2 s: GET /x: 502: no"]});
        let text = table(&[row]);
        let origin = "- kills: `cargo xtask chaos` at abc, today UTC, not all passed\n";
        assert!(text.contains(origin), "{text}");
        assert!(
            text.ends_with("- kills failed: 1.2 s: GET /x: 502: no\n"),
            "{text}"
        );
    }

    #[test]
    fn a_part_that_is_run_again_takes_the_place_of_its_row() {
        let row = |name: &str, did: u32| json!({"name": name, "did": did});
        let earlier = json!({"rows": [row("kills", 1), row("soak", 1)]}).to_string();
        let all = joined(&[row("kills", 2), row("deaths", 2)], &earlier);
        assert_eq!(all, [row("deaths", 2), row("kills", 2), row("soak", 1)]);
        assert_eq!(joined(&[row("kills", 2)], ""), [row("kills", 2)]);
    }

    #[test]
    fn parts_are_names_of_modules() {
        assert_eq!(parts(&[]), ["chaos::"]);
        assert_eq!(parts(&["soak".to_owned()]), ["chaos::soak::"]);
    }
}
