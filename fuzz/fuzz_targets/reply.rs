//! Worker → front: a whole reply stream behind a real socket, with calls that wait.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tokio::runtime::Runtime;

thread_local! {
    static RUNTIME: Runtime = hotclub_app::fuzz::runtime();
}

fuzz_target!(|bytes: &[u8]| RUNTIME.with(|runtime| hotclub_app::fuzz::reply(runtime, bytes)));
