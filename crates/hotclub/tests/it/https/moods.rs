//! Authorities that refuse, and that want to be asked again sooner: pebble behind one with moods.

use std::fs;
use std::process::Command;

use hotclub_testkit::{Process, Project, until};

use super::acme::{Pebble, kept, serves, up};
use super::run;
use crate::hotclub;
use crate::serve::{Helper, interpreter};

fn moody(pebble: &Pebble, mood: &str) -> Helper {
    pebble.folder.write("mood", mood);
    Helper::start(
        Command::new(interpreter())
            .arg(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/tests/it/https/moody.py"
            ))
            .args(["pebble.pem", "pebble.key", &pebble.port.to_string(), "mood"])
            .current_dir(pebble.folder.dir()),
    )
}

/// A site of pebble's that asks these authorities instead.
fn site_of(pebble: &Pebble, ports: &[u16]) -> Project {
    let site = pebble.site("");
    let text = fs::read_to_string(site.path("hotclub.toml")).unwrap();
    let urls: Vec<_> = ports
        .iter()
        .map(|port| format!("\"https://127.0.0.1:{port}/dir\""))
        .collect();
    let before = format!("directory = \"https://127.0.0.1:{}/dir\"", pebble.port);
    let after = format!("directories = [{}]", urls.join(", "));
    assert!(text.contains(&before));
    site.write("hotclub.toml", &text.replace(&before, &after));
    site
}

#[test]
fn an_authority_that_counts_too_many_orders_is_named_and_asked_in_an_hour() {
    let pebble = Pebble::start("127.0.0.1", None);
    let moody = moody(&pebble, "limited");
    let site = site_of(&pebble, &[moody.port]);
    let program = up(&site).allow("there is no certificate").serve();
    program.says(&format!("127.0.0.1:{} refuses: ", moody.port));
    program.says("too many certificates already issued");
    program.says("it is tried again in an hour or later");
    // A day and up to a tenth of it: what the authority asked for.
    let said = program.says("the next order is made in ");
    let minutes = said
        .split(" in ")
        .last()
        .and_then(|rest| rest.split(' ').next());
    let minutes: u32 = minutes.unwrap().parse().unwrap();
    assert!((1440..=1584).contains(&minutes), "{said}");
    // HTTP is all that visitors have, and it goes on.
    program.get_with("/", &[("Host", "a.test")]).expect(200);
    program.stop();
}

#[test]
fn the_next_authority_is_asked_when_one_is_down_and_another_refuses() {
    let pebble = Pebble::start("127.0.0.1", None);
    let moody = moody(&pebble, "limited");
    let site = site_of(&pebble, &[1, moody.port, pebble.port]);
    let program = up(&site).serve();
    program.says("127.0.0.1:1 cannot be asked");
    program.says("the next authority is asked");
    program.says("a new certificate for a.test, www.a.test");
    serves(&program, &pebble);
    program.stop();
}

#[test]
fn a_certificate_that_its_authority_wants_renewed_is_renewed() {
    let pebble = Pebble::start("127.0.0.1", None);
    let moody = moody(&pebble, "");
    let site = site_of(&pebble, &[moody.port]);
    let program = up(&site).serve();
    program.says("a new certificate for a.test, www.a.test");
    let first = kept(&site);
    program.stop();
    // Nobody wants anything: it stays.
    let program = up(&site).serve();
    serves(&program, &pebble);
    assert_eq!(kept(&site), first);
    program.stop();

    pebble.folder.write("mood", "hurry");
    let program = up(&site).serve();
    program.says("a new certificate for a.test, www.a.test");
    assert_ne!(kept(&site), first);
    let serial = |name: &str| {
        let mut openssl = Command::new("openssl");
        openssl.args(["x509", "-noout", "-serial", "-in"]);
        run(openssl.arg(site.path(name))).stdout
    };
    site.write("first.pem", &first);
    assert_ne!(serial("first.pem"), serial(".hotclub/https/site.pem"));
    until("the new one to be shown", || {
        let shown = super::s_client(&program, "a.test", &["-showcerts"]);
        let new = kept(&site);
        let body = new.lines().nth(5).unwrap();
        shown.contains(body).then_some(())
    });
    program.stop();
}

/// Whether a process has a connection to this port; its descriptors are root's to see.
fn is_connected(process: u32, port: u16) -> bool {
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let mut sockets = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let is_it = fields.get(2)?.ends_with(&format!(":{port:04X}"));
        is_it.then(|| format!("socket:[{}]", fields[9]))
    });
    let open = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let open: Vec<_> = open
        .filter_map(|file| fs::read_link(file.ok()?.path()).ok())
        .collect();
    sockets.any(|socket| open.iter().any(|file| file.as_os_str() == &*socket))
}

fn has_no_rights(clerk: &Process) {
    until("it is confined", || {
        (clerk.status("Seccomp").as_deref() == Some("2")).then_some(())
    });
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(clerk.status(set).unwrap(), "0000000000000000", "{set}");
    }
    assert_eq!(clerk.status("NoNewPrivs").unwrap(), "1");
    if rustix::process::geteuid().is_root() {
        for ids in ["Uid", "Gid"] {
            let ids = clerk.status(ids).unwrap();
            assert!(ids.split_whitespace().all(|id| id != "0"), "{ids}");
        }
        assert_eq!(clerk.status("CapBnd").unwrap(), "0000000000000000");
        assert_eq!(clerk.status("Groups").unwrap(), "");
    }
}

#[test]
fn who_asks_an_authority_has_no_rights_and_the_supervisor_asks_nobody() {
    let pebble = Pebble::start("127.0.0.1", None);
    let moody = moody(&pebble, "slow");
    let site = site_of(&pebble, &[moody.port]);
    // Where to listen is the host's to say.
    let text = fs::read_to_string(site.path("hotclub.toml")).unwrap();
    let (before, after) = text.split_once("[server]\n").unwrap();
    let (_, after) = after.split_once('\n').unwrap();
    site.write("hotclub.toml", &format!("{before}{after}"));
    site.write("host.toml", "sites = [\".\"]\n");
    let program = hotclub()
        .arg("host")
        .arg("--config")
        .arg(site.path("host.toml"))
        .arg("--state")
        .arg(site.path("kept"))
        .args(["--listen", &format!("127.0.0.1:{}", pebble.http)])
        .args(["--listen", &format!("https://127.0.0.1:{}", pebble.https)])
        .arg("--json")
        .of(&site)
        .serve();
    let clerk = until("somebody asks", || {
        program.named("hotclub-acme").into_iter().next()
    });
    has_no_rights(&clerk);
    if rustix::process::geteuid().is_root() {
        until("it has connected", || {
            is_connected(clerk.pid, moody.port).then_some(())
        });
        assert!(!is_connected(program.pid(), moody.port));
    }
    pebble.folder.write("mood", "");
    program.says("a new certificate for a.test, www.a.test");
    serves(&program, &pebble);
    until("it is gone", || (!clerk.is_alive()).then_some(()));
    program.stop();
}
