//! What a request to an app takes of the allocator, on the front's thread.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

mod app;
mod sys;

#[global_allocator]
static ALLOCATOR: sys::Counting = sys::Counting;

/// Half of one more than is needed, so that one more fails and what happens by the clock does not.
/// From a request's first byte to its answer's last. Less is welcome: lower it then.
const BUDGET: f64 = 15.2;

#[test]
fn a_request_takes_no_more_allocations_than_its_budget() {
    const TIMES: u32 = 500;
    let served = app::serve();
    let mut client = served.connect();
    client.ask(100);
    let (told, counting) = std::sync::mpsc::channel();
    served.front.runtimes()[0].spawn(async move {
        sys::count_this_thread();
        told.send(()).unwrap();
    });
    counting.recv().unwrap();
    client.ask(TIMES);
    let each = sys::allocations() as f64 / f64::from(TIMES);
    println!("{each:.2} allocations a request");
    assert!(
        each <= BUDGET,
        "{each:.2} allocations a request; the budget is {BUDGET}"
    );
}
