//! Connections of one address.

use hotclub_testkit::until;

use super::limited;

const HELLO: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn an_address_has_so_many_connections_and_no_more() {
    let (_project, launch) = limited(&["max_connections_per_address=5"]);
    let program = launch.serve();
    let mut kept: Vec<_> = (0..5).map(|_| program.connect()).collect();
    for connection in &mut kept {
        connection.ask(HELLO).unwrap().expect(200);
    }
    for _ in 0..50 {
        assert!(program.connect().ask(HELLO).is_err());
    }
    program.says("limits.max_connections_per_address");
    let told = program.stderr.all();
    let lines = told.iter().filter(|line| line.contains("closed at once"));
    assert!(lines.count() <= 3, "{told:#?}");
    for connection in &mut kept {
        connection.ask(HELLO).unwrap().expect(200);
    }
    kept.pop();
    until("the place to be free again", || {
        program.connect().ask(HELLO).ok().map(|_| ())
    });
    drop(kept);
    program.stop();
}

#[test]
fn a_trusted_proxy_has_as_many_as_it_needs() {
    let (_project, launch) = limited(&["max_connections_per_address=5"]);
    let program = launch.args(["--forwarded-allow-ips", "127.0.0.1"]).serve();
    let mut kept: Vec<_> = (0..30).map(|_| program.connect()).collect();
    for connection in &mut kept {
        connection.ask(HELLO).unwrap().expect(200);
    }
    drop(kept);
    program.stop();
}
