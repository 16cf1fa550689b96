//! Bodies: memory, files, and a full disk.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use hotclub_testkit::folder;

use super::{is_root, limited};

/// A file system of one megabyte, gone with it.
struct SmallDisk {
    folder: tempfile::TempDir,
}

impl SmallDisk {
    /// `None` where nobody may mount.
    fn mount() -> Option<Self> {
        let folder = folder();
        let mounted = is_root()
            && Command::new("mount")
                .args(["-t", "tmpfs", "-o", "size=1m,mode=1777", "tmpfs"])
                .arg(folder.path())
                .status()
                .is_ok_and(|status| status.success());
        mounted.then_some(Self { folder })
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.path())
            .status();
    }
}

/// Where the worker's own files go, so that the small disk is for bodies only.
fn runtime() -> (tempfile::TempDir, PathBuf) {
    let folder = folder();
    let path = folder.path().to_owned();
    (folder, path)
}

#[test]
fn a_full_disk_refuses_the_body_that_does_not_fit_and_nothing_else() {
    let Some(disk) = SmallDisk::mount() else {
        return hotclub_testkit::skip("a small disk cannot be mounted here");
    };
    let (_runtime, runtime) = runtime();
    let (_project, launch) = limited(&[]);
    let program = launch
        .env("TMPDIR", disk.path())
        .env("XDG_RUNTIME_DIR", &runtime)
        .allow("No space left on device")
        .serve();
    let mut other = program.connect();
    other
        .send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
        .unwrap();
    other.send(vec![b'a'; 100_000]).unwrap();
    for _ in 0..3 {
        let refused = program
            .request("POST", "/", &[], &vec![b'x'; 3_000_000])
            .expect(507);
        assert!(refused.text().contains("no room"), "{}", refused.text());
        assert!(program.get("/").expect(200).text().starts_with("0 "));
    }
    program.says("No space left on device");
    let fits = program.request("POST", "/", &[], &vec![b'y'; 600_000]);
    assert!(fits.expect(200).text().starts_with("600000 "));
    other.send(vec![b'a'; 100_000]).unwrap();
    let answer = other.read("POST").unwrap().expect(200);
    assert!(answer.text().starts_with("200000 "));
    drop(other);
    program.stop();
}

#[test]
fn on_a_full_disk_an_answer_waits_for_its_client() {
    let Some(disk) = SmallDisk::mount() else {
        return hotclub_testkit::skip("a small disk cannot be mounted here");
    };
    let (_runtime, runtime) = runtime();
    let (_project, launch) = limited(&[]);
    let program = launch
        .env("TMPDIR", disk.path())
        .env("XDG_RUNTIME_DIR", &runtime)
        .args(["--workers", "2"])
        .serve();
    let mut slow = program.connect();
    slow.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let mut answer = slow.read_head("GET").unwrap().expect(200);
    program.says("an answer cannot be spooled to disk");
    // The other worker is free, and the front is not in its way.
    for _ in 0..20 {
        program.get("/").expect(200);
    }
    slow.read_body(&mut answer).unwrap();
    assert!(answer.complete);
    assert!(answer.body == b"0123456789abcdef".repeat(1_250_000));
    drop(slow);
    program.stop();
}

#[test]
fn files_of_all_bodies_together_are_bounded() {
    let (_project, launch) = limited(&["max_spooled=1MB"]);
    let program = launch.allow("have reached 1000000 bytes").serve();
    let refused = program
        .request("POST", "/", &[], &vec![b'x'; 2_000_000])
        .expect(503);
    assert!(refused.header("retry-after").is_some());
    let fits = program.request("POST", "/", &[], &vec![b'y'; 600_000]);
    assert!(fits.expect(200).text().starts_with("600000 "));
    program.stop();
}

#[test]
fn without_memory_bodies_go_to_files_and_come_whole() {
    let (_project, launch) = limited(&["max_buffered=64KiB", "max_buffered_per_connection=16KiB"]);
    let program = launch.serve();
    let mut posts: Vec<_> = (0..20).map(|_| program.connect()).collect();
    for post in &mut posts {
        post.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 60000\r\n\r\n")
            .unwrap();
        post.send(vec![b'z'; 40_000]).unwrap();
    }
    let mut reader = program.connect();
    reader
        .send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n")
        .unwrap();
    std::thread::sleep(Duration::from_millis(200));
    let whole = posts.first_mut().map(|post| {
        post.send(vec![b'z'; 20_000]).unwrap();
        post.read("POST").unwrap().expect(200).text().to_owned()
    });
    for post in posts.iter_mut().skip(1) {
        post.send(vec![b'z'; 20_000]).unwrap();
        let answer = post.read("POST").unwrap().expect(200);
        assert_eq!(Some(answer.text()), whole.as_deref());
    }
    let answer = reader.read("GET").unwrap().expect(200);
    assert!(answer.complete && answer.body == b"0123456789abcdef".repeat(1_250_000));
    drop((posts, reader));
    program.stop();
}
