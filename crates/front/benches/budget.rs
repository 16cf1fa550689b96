//! So many requests to an app through the whole front, for callgrind and perf (docs/performance.md): the front's
//! thread is `front-0`, the worker and the client are other threads of this process.
#![allow(clippy::unwrap_used, clippy::print_stdout)]

#[path = "../tests/allocations/app.rs"]
mod app;

fn main() {
    let times = std::env::args().find_map(|word| word.parse().ok());
    let times = times.unwrap_or(1000);
    let served = app::serve();
    served.connect().ask(times);
    println!("{times} requests, {} thread", served.front.runtimes().len());
    // The front's threads need not be ended: what counts is counted.
    std::process::exit(0);
}
