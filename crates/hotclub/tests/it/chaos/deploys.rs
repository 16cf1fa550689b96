//! Deploys under load, and `kill -9` of the host at random moments of them: no request is lost to a deploy, and after
//! a kill the host serves what was live, whole, and no half release is left.

use std::time::{Duration, Instant};

use hotclub_testkit::{Program, Project, Question, Storm, Weather, need, python, until};
use serde_json::json;

use super::{count, random, record};
use crate::host::django::{notes, notes_of, say, write};
use crate::host::{command, done, home, host, kept, pages, releases, server, text};

#[test]
fn deploys_and_rollbacks_under_load_lose_no_request() {
    let python = need!(python());
    let server = server();
    let folder = notes(&server, &python);
    let mut program = host(&server).serve();
    done(&server, &["deploy", text(&folder)]);
    let rounds = count(3, 100);
    let storm = Storm::start(program.address(), &home_pages());
    storm.more(20);
    let (mut before, mut slowest) = ("one".to_owned(), 0.0_f64);
    for round in 0..rounds {
        let words = format!("round {round}");
        say(&server, &before, &words);
        done(&server, &["deploy", text(&folder)]);
        assert_eq!(home(&program, "localhost").1, words);
        // And back, and forth again.
        for (target, says) in [(None, &before), (Some(newest(&server)), &words)] {
            let target = target.unwrap_or_default();
            let all = ["rollback", "notes", target.as_str()];
            let words = if target.is_empty() {
                &all[..2]
            } else {
                &all[..]
            };
            let back = done(&server, words);
            slowest = slowest.max(back["live_after"].as_f64().unwrap_or_default());
            assert_eq!(home(&program, "localhost").1, *says);
        }
        storm.more(20);
        before = words;
    }
    let outcome = storm.finish().lost_nothing();
    let more = json!({ "rollbacks": 2 * rounds, "slowest_rollback": slowest });
    record("deploys", rounds, &outcome, &more);
    program.forget_descriptors();
    program.stop();
}

pub(super) fn home_pages() -> Weather {
    Weather {
        connections: 4,
        keep_alive: true,
        pace: Duration::from_millis(20),
        ask: |_| Question {
            method: "GET",
            path: "/".to_owned(),
            ..Question::default()
        },
    }
}

fn newest(server: &Project) -> String {
    let numbers = releases(server, "notes").into_iter();
    let newest = numbers.filter_map(|name| name.parse::<u64>().ok()).max();
    newest.unwrap_or_default().to_string()
}

/// Three sites, one of which is being deployed while everything is killed, again and again.
#[test]
fn deploys_whose_host_is_killed_leave_three_sites_that_serve() {
    let python = need!(python());
    let server = server();
    let folder = notes(&server, &python);
    let upstream = Gate::answering("from elsewhere");
    let config = format!(
        "hosts = [\"c.example\"]\n[[proxy]]\nurl = \"/\"\nto = \"http://{}\"\n",
        upstream.address
    );
    server.write("c/hotclub.toml", &config);
    let mut program = host(&server).allow("").serve();
    let took = Instant::now();
    done(&server, &["deploy", text(&folder)]);
    let took = took.elapsed();
    done(&server, &["deploy", text(&pages(&server, "a", "a page"))]);
    done(&server, &["deploy", text(&server.path("c"))]);
    let (mut live, mut rows) = ("one".to_owned(), Vec::new());
    let kills = count(4, 200);
    for kill in 0..kills {
        let words = format!("kill {kill}");
        say(&server, &live, &words);
        let deploy = command(&server, &["deploy", text(&folder)]).start();
        std::thread::sleep(took.mul_f64(random(120) as f64 / 100.0));
        let row = format!("row{kill}");
        write(&program, &row);
        rows.push(row);
        program.kill();
        // It ends with its host, whether it was done or not.
        let ended = deploy.end_within(Duration::from_secs(60));
        program = host(&server).allow("").serve();
        until_served(&program);
        let (status, now) = home(&program, "localhost");
        assert!(
            status == 200 && (now == words || now == live),
            "{status} {now}"
        );
        assert!(
            ended.code != Some(0) || now == words,
            "it was said to be live"
        );
        assert_eq!(notes_of(&program), rows.join(","));
        assert_eq!(home(&program, "a.example"), (200, "a page".to_owned()));
        assert_eq!(
            home(&program, "c.example"),
            (200, "from elsewhere".to_owned())
        );
        say(&server, &words, &now);
        live = now;
    }
    // The next deploy goes on from whatever was left.
    say(&server, &live, "at last");
    done(&server, &["deploy", text(&folder)]);
    assert_eq!(home(&program, "localhost").1, "at last");
    let left = std::fs::read_dir(kept(&server, "notes").join("releases")).unwrap();
    let half = left.flatten().filter(|entry| {
        let record = std::fs::read_to_string(entry.path().join("release.json"));
        !record.is_ok_and(|record| record.contains("\"fit\""))
    });
    assert_eq!(half.count(), 0, "no half release is left");
    program.forget_descriptors();
    program.stop();
}

fn until_served(program: &Program) {
    until("the site to be back", || {
        (home(program, "localhost").0 == 200).then_some(())
    });
}

/// A foreign HTTP server.
struct Gate {
    address: String,
}

impl Gate {
    fn answering(words: &'static str) -> Self {
        use std::io::{Read, Write};
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = stream;
                let mut head = [0; 4096];
                let _read = stream.read(&mut head);
                let length = words.len();
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{words}"
                );
                let _written = stream.write_all(answer.as_bytes());
            }
        });
        Self { address }
    }
}
