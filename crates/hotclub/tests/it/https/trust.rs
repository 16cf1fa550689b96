//! `hotclub trust`: `https://localhost`, believed by those who were told, and by nobody for other names.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use hotclub_testkit::{Browser, Ended, Launch, Program, Project, forbidden, need};

use super::{curl, folder, https_address, run};
use crate::hotclub;
use crate::up::{refused, says};

/// A person's home, with the store of a browser that was started once.
fn home() -> Project {
    let home = folder();
    fs::create_dir_all(home.path(".pki/nssdb")).unwrap();
    run(certutil(&home).args(["-N", "--empty-password"]));
    home
}

fn certutil(home: &Project) -> Command {
    let mut certutil = Command::new("certutil");
    certutil.arg("-d");
    certutil.arg(format!("sql:{}", home.path(".pki/nssdb").display()));
    certutil
}

fn listed(home: &Project) -> String {
    let output = run(certutil(home).arg("-L"));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn at_home(launch: Launch, home: &Project) -> Launch {
    launch
        .env("HOME", home.dir())
        .env("XDG_DATA_HOME", home.path("data"))
}

fn trust(home: &Project, arguments: &[&str]) -> Ended {
    at_home(hotclub().arg("trust").args(arguments), home).end_within(Duration::from_secs(30))
}

fn authority(home: &Project) -> PathBuf {
    home.path("data/hotclub/authority/authority.pem")
}

/// A folder of pages, served at `https://127.0.0.1`, with more in its `hotclub.toml`.
fn up(home: &Project, site: &Project, more: &str) -> Program {
    site.write("public/index.html", "<title>here</title>at home");
    let text = format!("{more}\n[static]\nroot = \"public\"\n");
    site.write("hotclub.toml", &text);
    let launch = hotclub().arg("up").arg(site.dir());
    at_home(
        launch.args(["--json", "--listen", "https://127.0.0.1:0"]),
        home,
    )
    .serve()
}

const PAGE: &str = "<title>here</title>at home";

#[test]
fn the_local_authority_is_told_to_browsers_and_taken_away_again() {
    let home = home();
    let told = trust(&home, &["--store", "browsers"]);
    assert_eq!(told.code, Some(0), "{}", told.stderr);
    assert_eq!(told.stdout.trim(), authority(&home).to_str().unwrap());
    let list = listed(&home);
    assert_eq!(list.matches("Hotclub local authority").count(), 1, "{list}");
    assert!(list.contains("C,,"), "{list}");
    // Once is enough, and a second time makes no other one.
    let before = fs::read(authority(&home)).unwrap();
    assert_eq!(trust(&home, &["--store", "browsers"]).code, Some(0));
    assert_eq!(fs::read(authority(&home)).unwrap(), before);
    let key = authority(&home).with_extension("key");
    let mode = fs::metadata(&key).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let gone = trust(&home, &["--uninstall", "--store", "browsers"]);
    assert_eq!(gone.code, Some(0), "{}", gone.stderr);
    assert!(!listed(&home).contains("Hotclub"));
    assert!(!key.exists());
    let again = trust(&home, &["--uninstall", "--store", "browsers"]);
    assert_eq!(again.code, Some(0));
    assert!(again.stderr.contains("there is no local authority"));
}

#[test]
fn localhost_is_served_by_a_certificate_of_the_local_authority() {
    let (home, site) = (folder(), folder());
    trust(&home, &["--store", "browsers"]);
    let program = up(&home, &site, "");
    for name in ["localhost", "127.0.0.1"] {
        let answer = curl(&program, &authority(&home), name, &[]);
        assert_eq!(answer, (200, PAGE.to_owned()), "{name}");
    }
    program.stop();
    let more = "hosts = [\"shop.localhost\", \"shop.test\"]\n[https]\nlocal = true";
    let program = up(&home, &site, more);
    for name in ["localhost", "shop.localhost", "shop.test"] {
        let answer = curl(&program, &authority(&home), name, &[]);
        assert_eq!(answer, (200, PAGE.to_owned()), "{name}");
    }
    program.stop();
}

#[test]
fn without_an_authority_one_is_made_and_it_is_said_that_nobody_believes_it() {
    let (home, site) = (folder(), folder());
    let program = up(&home, &site, "");
    program.says("run hotclub trust");
    let answer = curl(&program, &authority(&home), "localhost", &[]);
    assert_eq!(answer.0, 200);
    program.stop();
}

#[test]
fn a_stolen_key_vouches_for_no_name_but_this_machines() {
    let home = folder();
    trust(&home, &["--store", "browsers"]);
    let ca = authority(&home);
    let verify = |name: &str| {
        let file = |ending: &str| home.path(&format!("{name}.{ending}"));
        home.write("names", &format!("subjectAltName=DNS:{name}\n"));
        run(Command::new("openssl")
            .args([
                "req",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:prime256v1",
            ])
            .args(["-nodes", "-subj", "/CN=x", "-keyout"])
            .arg(file("key"))
            .arg("-out")
            .arg(file("csr")));
        run(Command::new("openssl")
            .args(["x509", "-req", "-days", "1", "-CAcreateserial", "-extfile"])
            .arg(home.path("names"))
            .arg("-in")
            .arg(file("csr"))
            .arg("-CA")
            .arg(&ca)
            .arg("-CAkey")
            .arg(ca.with_extension("key"))
            .arg("-out")
            .arg(file("pem")));
        let output = Command::new("openssl")
            .args(["verify", "-CAfile"])
            .arg(&ca)
            .arg(file("pem"))
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    };
    let (fine, said) = verify("a.localhost");
    assert!(fine, "{said}");
    for name in ["bank.example", "localhost.example", "notlocalhost"] {
        let (fine, said) = verify(name);
        assert!(
            !fine && said.contains("permitted subtree violation"),
            "{name}: {said}"
        );
    }
}

#[test]
fn the_systems_store_is_told_and_forgets() {
    let home = folder();
    // Copies of the system's folders, for one mount namespace.
    let script = format!(
        "set -e\nmkdir {base}/certs {base}/own\ncp -a /etc/ssl/certs/. {base}/certs\n\
         mount --bind {base}/certs /etc/ssl/certs\nmount --bind {base}/own /usr/local/share/ca-certificates\n\
         cp -p /etc/ca-certificates.conf {base}/conf && mount --bind {base}/conf /etc/ca-certificates.conf\n\
         \"$HOTCLUB\" trust --store system\nopenssl verify -CApath /etc/ssl/certs {ca}\n\
         \"$HOTCLUB\" trust --uninstall --store system\nls {base}/own | wc -l\n",
        base = home.base().display(),
        ca = authority(&home).display(),
    );
    let mut options = vec!["--mount"];
    if !rustix::process::geteuid().is_root() {
        options.extend(["--user", "--map-root-user"]);
    }
    let probe = Command::new("unshare").args(&options).arg("true").output();
    if !probe.is_ok_and(|output| output.status.success()) {
        return forbidden("no mount namespace can be made");
    }
    if !std::path::Path::new("/usr/local/share/ca-certificates").is_dir() {
        return forbidden("this system keeps its certificates elsewhere");
    }
    let output = run(Command::new("unshare")
        .args(&options)
        .args(["sh", "-c", &script])
        .env("HOTCLUB", env!("CARGO_BIN_EXE_hotclub"))
        .env("HOME", home.dir())
        .env("XDG_DATA_HOME", home.path("data")));
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("authority.pem: OK"), "{said}");
    assert!(said.trim_end().ends_with("\n0"), "{said}");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        told.contains("the system's store believes the local authority"),
        "{told}"
    );
    assert!(
        told.contains("the system's store has forgotten the local authority"),
        "{told}"
    );
}

#[test]
fn hosts_that_are_the_worlds_are_no_matter_of_a_local_authority() {
    let site = folder();
    site.write(
        "hotclub.toml",
        "hosts = [\"example.com\"]\n[static]\nroot = \".\"\n[https]\nlocal = true\n",
    );
    says(
        &refused(&site),
        &[
            "hotclub.toml:5:9",
            "none of the site's hosts leads to this machine alone",
        ],
    );
}

#[test]
fn a_browser_that_was_told_shows_the_site_and_another_one_does_not() {
    let (home, stranger, site) = (home(), folder(), folder());
    trust(&home, &["--store", "browsers"]);
    let program = up(&home, &site, "");
    let port = https_address(&program);
    let url = format!("https://localhost:{}/", port.rsplit(':').next().unwrap());
    let browser = need!(Browser::of(home.dir()));
    browser.open(&url);
    assert_eq!(browser.title(), "here");
    drop(browser);
    let browser = need!(Browser::of(stranger.dir()));
    // Some versions call their warning a failure, and others a page.
    let _ = browser.try_open(&url);
    assert_ne!(browser.title(), "here");
    drop(browser);
    program.stop();
}
