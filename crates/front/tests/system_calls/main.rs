//! What a request to an app takes of the kernel, counted by strace. Counts do not depend on what else the machine does.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../allocations/app.rs"]
mod app;

use std::collections::BTreeMap;
use std::process::Command;

/// Set in the process that is counted: how often it asks.
const TIMES: &str = "HOTCLUB_TEST_TIMES";
const TEST: &str = "a_request_takes_no_more_system_calls_than_its_budget_by_strace";
const FEW: u32 = 200;
const MANY: u32 = 700;

/// The front: read, send to the queue, read the answer, write. The client and the worker, which are threads of the same
/// process: two each. What happens by the clock is a fraction.
const BUDGET: f64 = 8.1;
/// Of the front alone, one request at a time: it sleeps before the request and before the answer, and looks up now and
/// then without sleeping.
const SLEEPS: f64 = 3.0;

#[test]
fn a_request_takes_no_more_system_calls_than_its_budget_by_strace() {
    if let Some(times) = std::env::var(TIMES).ok().and_then(|text| text.parse().ok()) {
        let served = app::serve();
        served.connect().ask(times);
        println!("{} thread", served.front.runtimes().len());
        return;
    }
    let (Some(few), Some(many)) = (counted(FEW), counted(MANY)) else {
        // Containers and hardened kernels forbid it.
        println!("skipped: strace may not trace here");
        return;
    };
    let mut sleeps = 0.0;
    let mut others = 0.0;
    for (name, calls) in &many {
        let before = few.get(name).copied().unwrap_or_default();
        let each = (calls - before) / f64::from(MANY - FEW);
        if each >= 0.01 {
            println!("{each:.2} {name}");
        }
        match name.as_str() {
            "epoll_wait" => sleeps += each,
            // Only of threads that have nothing to do with it.
            "futex" => {}
            _ => others += each,
        }
    }
    assert!(others <= BUDGET, "{others:.2}; the budget is {BUDGET}");
    assert!(sleeps <= SLEEPS, "{sleeps:.2} sleeps; not over {SLEEPS}");
}

/// Calls by name of a process that asks so many times; `None` where nobody may trace.
fn counted(times: u32) -> Option<BTreeMap<String, f64>> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let mut strace = Command::new("strace");
    strace.args(["-f", "-c", "-o"]).arg(file.path());
    strace.arg(std::env::current_exe().unwrap());
    strace.args(["--exact", TEST]).env(TIMES, times.to_string());
    let output = strace.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    if said.contains("Operation not permitted") || said.contains("PTRACE") {
        return None;
    }
    assert!(output.status.success(), "{said}");
    let text = std::fs::read_to_string(file.path()).unwrap();
    // Share, seconds, each, calls, perhaps errors, name.
    let row = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let calls = words.get(3)?.parse().ok()?;
        Some(((*words.last()?).to_owned(), calls))
    };
    let counts = text.lines().filter_map(row);
    Some(counts.filter(|(name, _)| name != "total").collect())
}
