//! The task runner: `cargo xtask TASK`. One file per task; this one only lists them.

// A command-line tool for developers: printing is its job.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod chaos;
mod command;
mod descendants;
mod front_bench;
mod fuzz;
mod http;
mod interrupt;
mod project;
mod setup;
mod test;

use std::process::ExitCode;

use clap::Parser;

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Hotclub's task runner",
    disable_version_flag = true
)]
enum Task {
    /// Set up what is missing and run every check and test
    Test(test::Options),
    /// Only set up what the tests need: system packages, virtualenv, tools
    Setup,
    /// Measure Hotclub beside its peers, in one run
    Bench(bench::Options),
    /// Measure the front beside NGINX and Caddy: files, TLS, a proxy, idle connections
    BenchFront(front_bench::Options),
    /// Mistreat the release build under load, at length
    Chaos(chaos::Options),
    /// Feed the parsers what nobody would send
    Fuzz(fuzz::Options),
}

fn main() -> ExitCode {
    let task = Task::parse();
    let outcome = interrupt::watch().and_then(|()| match &task {
        Task::Test(options) => test::run(options),
        Task::Setup => setup::run(),
        Task::Bench(options) => bench::run(options),
        Task::BenchFront(options) => front_bench::run(options),
        Task::Chaos(options) => chaos::run(options),
        Task::Fuzz(options) => fuzz::run(options),
    });
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
