//! A process without a descriptor left. The limit is the whole process's, so the test runs itself
//! once more as a process of its own.

use std::fs::File;
use std::process::Command;

use rustix::process::{Resource as Limited, Rlimit, setrlimit};

use super::*;

const ALONE: &str = "HOTCLUB_TEST_ALONE";

#[test]
fn without_descriptors_what_is_kept_is_served_and_the_rest_is_asked_to_wait() {
    if std::env::var_os(ALONE).is_some() {
        return run_out();
    }
    let name = std::thread::current().name().unwrap().to_owned();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture", "--test-threads=1"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}\n{output:?}"
    );
}

fn run_out() {
    let ground = Ground::new();
    for name in ["kept.txt", "other.png", "third.png"] {
        ground.write(name, "x");
    }
    ground.write("large.bin", vec![0; 300 << 10]);
    let mount = ground.mount(always_asking(MountKind::Static));
    for _ in 0..3 {
        assert!(is_found(&mount, "kept.txt"));
    }
    assert!(is_in_memory(&mount, "kept.txt"));
    assert!(is_found(&mount, "large.bin"));

    let limit = Rlimit {
        current: Some(64),
        maximum: Some(64),
    };
    setrlimit(Limited::Nofile, limit).unwrap();
    let hoard: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    assert!(!hoard.is_empty());

    // The descriptor of the large file is given up for this one (a picture: no siblings to open).
    assert!(is_found(&mount, "other.png"));
    assert!(mount.shelf.get(b"large.bin").is_none());
    // It is kept in turn, and given up in turn; one more and there is none to give.
    let more: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    mount.shelf.close_files();
    let last: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    let refused = get(&mount, "third.png", &[]);
    assert_eq!(
        (refused.status, refused.field("Retry-After")),
        (503, Some("1"))
    );
    assert_eq!(get(&mount, "kept.txt", &[]).text(), "x");

    drop((hoard, more, last));
    assert!(is_found(&mount, "third.png"));
}
