//! Files of several gigabytes: they go out whole, and cost no memory.

use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
use std::net::TcpStream;
use std::process::Command;

use hotclub_testkit::{Program, Project};

use crate::hotclub;
use crate::https::{certificate, https_address, run};

const GIB: u64 = 1 << 30;
/// Beyond what 32 bits count, and sparse, so that no disk is needed for it.
const LEN: u64 = 5 * GIB;
const END: &[u8] = b"the end of it";

/// The most memory the program has had, in KiB.
fn peak(program: &Program) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", program.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let words = line.unwrap().split_whitespace().next();
    words.unwrap().parse().unwrap()
}

fn site() -> Project {
    let site = Project::empty();
    certificate(site.dir(), "a", &["a.test"]);
    site.write(
        "hotclub.toml",
        "hosts = [\"a.test\"]\n[static]\nroot = \"public\"\n\
         [https]\ncertificate = \"a.pem\"\nkey = \"a.key\"\nredirect = false\n",
    );
    site.write("public/index.html", "home");
    let mut file = File::create(site.path("public/film.mkv")).unwrap();
    file.set_len(LEN).unwrap();
    file.seek(SeekFrom::Start(LEN - END.len() as u64)).unwrap();
    file.write_all(END).unwrap();
    site
}

/// The file's bytes as they come over plain HTTP: how many, and the last ones.
fn drained(address: &str) -> (u64, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    let request = "GET /film.mkv HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    assert!(
        head.contains(&format!("Content-Length: {LEN}\r\n")),
        "{head}"
    );
    let mut piece = vec![0; 1 << 20];
    let (mut total, mut last) = (0, Vec::new());
    loop {
        let count = stream.read(&mut piece).unwrap();
        if count == 0 {
            return (total, last);
        }
        total += count as u64;
        last.extend_from_slice(&piece[..count]);
        last.drain(..last.len().saturating_sub(END.len()));
    }
}

#[test]
fn a_file_of_gigabytes_goes_out_whole_and_costs_no_memory() {
    let site = site();
    let launch = hotclub().arg("up").arg(site.dir()).of(&site);
    let launch = launch.args(["--listen", "127.0.0.1:0", "--listen", "https://127.0.0.1:0"]);
    let program = launch.arg("--json").serve();
    program.get_with("/", &[("Host", "a.test")]).expect(200);
    let before = peak(&program);

    let (total, last) = drained(program.address());
    assert_eq!((total, &last[..]), (LEN, END));
    let address = https_address(&program);
    for (version, range, length) in [
        ("--http1.1", format!("{}-", LEN - 20), 20),
        ("--http2", format!("{}-", LEN - 20), 20),
        (
            "--http1.1",
            format!("{}-{}", 4 * GIB, 4 * GIB + (256 << 20) - 1),
            256 << 20,
        ),
        (
            "--http2",
            format!("{}-{}", 4 * GIB, 4 * GIB + (256 << 20) - 1),
            256 << 20,
        ),
    ] {
        let output = run(Command::new("curl")
            .args([
                "-s",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code} %{size_download}",
            ])
            .args([
                "--noproxy",
                "*",
                "--connect-to",
                &format!("::{address}"),
                version,
            ])
            .args(["--cacert", "a.pem", "--range", &range])
            .arg("https://a.test/film.mkv")
            .current_dir(site.dir()));
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(said, format!("206 {length}"), "{version} {range}");
    }
    let grown = peak(&program) - before;
    assert!(grown < 32 << 10, "{grown} KiB more");
    program.stop();
}
