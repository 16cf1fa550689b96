//! `hotclub cache` at a host, whose front is another process.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener};

use hotclub_testkit::{Program, Project};

use super::{done, host, pages, refused, server, text};
use crate::up::says;

/// Answers every request with another number, which may be kept; ends with the test's process.
fn counting() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut line = String::new();
            while stream.read_line(&mut line).is_ok_and(|read| read > 2) {
                line.clear();
            }
            let page = format!("page {number}");
            let answer = format!(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\nCache-Tag: numbers\r\nConnection: close\r\n\
                 Content-Length: {}\r\n\r\n{page}",
                page.len()
            );
            // Who left early is no concern of ours.
            let _ = stream.get_mut().write_all(answer.as_bytes());
        }
    });
    address
}

fn deploy_kept(server: &Project, upstream: SocketAddr) {
    let config = format!(
        "hosts = [\"c.example\"]\n[cache]\n[[proxy]]\nurl = \"/\"\nto = \"http://{upstream}\"\n"
    );
    server.write("c/hotclub.toml", &config);
    done(server, &["deploy", text(&server.path("c"))]);
}

fn page(program: &Program, path: &str) -> String {
    let answer = program.get_with(path, &[("Host", "c.example")]);
    answer.expect(200).text().to_owned()
}

#[test]
fn a_host_says_what_its_sites_keep_and_forgets_at_a_word_a_reload_and_a_deploy() {
    let server = server();
    let mut program = host(&server).serve();
    deploy_kept(&server, counting());
    let stats = || done(&server, &["cache", "c", "stats"]);
    let kept = page(&program, "/");
    assert_eq!(page(&program, "/"), kept);
    let now = stats();
    assert_eq!(
        (&now["answers"], &now["hits"]),
        (&1.into(), &1.into()),
        "{now}"
    );

    // Each of these begins with something that is kept, and ends with something newer.
    let upstream = server.read("c/hotclub.toml");
    let forgetting: [&dyn Fn(); 5] = [
        &|| assert_eq!(done(&server, &["cache", "c", "purge", "/"])["purged"], 1),
        &|| {
            assert_eq!(
                done(&server, &["cache", "c", "purge", "numbers"])["purged"],
                1
            )
        },
        &|| assert_eq!(done(&server, &["cache", "c", "purge"])["purged"], 1),
        &|| drop(done(&server, &["reload", "c"])),
        &|| {
            server.write("c/hotclub.toml", &upstream);
            done(&server, &["deploy", text(&server.path("c"))]);
        },
    ];
    for (at, forget) in forgetting.iter().enumerate() {
        let before = page(&program, "/");
        assert_eq!(page(&program, "/"), before);
        forget();
        assert_ne!(page(&program, "/"), before, "{at}");
    }
    // What was counted is counted on.
    assert!(stats()["hits"].as_u64().unwrap() >= 6);

    assert_eq!(
        done(&server, &["cache", "c", "purge", "/nothing"])["purged"],
        0
    );
    let error = refused(&server, &["cache", "nobody", "stats"]);
    says(
        &error,
        &["no site is called `nobody`", "the sites here are c"],
    );
    done(&server, &["deploy", text(&pages(&server, "a", "one"))]);
    let error = refused(&server, &["cache", "a", "purge"]);
    says(&error, &["this site keeps no answers", "[cache]"]);
    program.forget_descriptors();
    program.stop();
}
