//! A long load at seven tenths of what the machine can do: memory and descriptors stay flat.

use std::time::{Duration, Instant};

use hotclub_testkit::{Program, Question, Storm, Weather, descriptors};
use serde_json::json;

use super::{ECHO, is_long, record, soak, weather};
use crate::serve::{app_of, serve};

/// Mostly small GETs, some POSTs, some bodies that go to a file.
fn mixed(n: u64) -> Question {
    match n % 20 {
        0 => Question {
            method: "POST",
            path: format!("/large/{n}"),
            body: vec![b'x'; 100_000],
            expected: Some([format!("/large/{n} ").as_bytes(), &[b'x'; 100_000]].concat()),
        },
        1..=4 => super::post(n),
        _ => super::get(n),
    }
}

/// Resident KiB of the program, and of all its workers.
fn memory(program: &Program) -> (u64, u64) {
    let resident = |pid: u32| {
        let status = hotclub_testkit::process(pid).and_then(|process| process.status("VmRSS"));
        let text = status.unwrap_or_default();
        let number = text
            .split(' ')
            .next()
            .and_then(|number| number.parse::<u64>().ok());
        number.unwrap_or(0)
    };
    let workers = program.workers();
    let all = workers.iter().map(|worker| resident(worker.pid)).sum();
    (resident(program.pid()), all)
}

#[test]
fn a_soak_leaves_memory_and_descriptors_flat() {
    let project = app_of(&ECHO.replace("time.sleep(random.random() * 0.004)", "pass"));
    let program = serve("app", project.dir(), 2).serve();
    let flat_out = Weather {
        pace: Duration::ZERO,
        ..weather(8, mixed)
    };
    // Warm, and measure what the machine can do.
    let storm = Storm::start(program.address(), &flat_out);
    std::thread::sleep(Duration::from_secs(5));
    let most = storm.finish().lost_nothing().rate();
    let weather = Weather {
        pace: Duration::from_secs_f64(8.0 / (most * 0.7)),
        ..flat_out
    };
    let length = soak();
    let storm = Storm::start(program.address(), &weather);
    std::thread::sleep(length / 6);
    let (program_before, workers_before) = memory(&program);
    let files = descriptors(program.pid()).len();
    let began = Instant::now();
    let mut most_program = program_before;
    while began.elapsed() < length * 5 / 6 {
        std::thread::sleep(Duration::from_millis(500));
        most_program = most_program.max(memory(&program).0);
        assert!(storm.failures() == 0, "see below");
    }
    let (program_after, workers_after) = memory(&program);
    let files_after = descriptors(program.pid()).len();
    let outcome = storm.finish();
    let share = (100.0 * outcome.rate() / most).round() / 100.0;
    let more = json!({
        "rate": outcome.rate().round(), "most_rate": most.round(), "share": share,
        "program_kib": [program_before, program_after, most_program],
        "workers_kib": [workers_before, workers_after],
        "descriptors": [files, files_after],
    });
    let seconds = usize::try_from(length.as_secs()).unwrap();
    record("soak", seconds, &outcome, &more);
    outcome.lost_nothing();
    // Short, it shares the machine with other tests; at length it is the load that is promised.
    assert!(!is_long() || share >= 0.65, "{more}");
    assert!(flat(program_before, program_after), "{more}");
    assert!(flat(workers_before, workers_after), "{more}");
    // Spooled bodies under way come and go.
    assert!(files_after <= files + 8, "{more}");
    program.stop();
}

fn flat(before: u64, after: u64) -> bool {
    // Five parts in a hundred, and as many pages as nobody would call a leak.
    after <= before + before / 20 + 512
}
