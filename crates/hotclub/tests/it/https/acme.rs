//! Certificates from an authority: pebble, which proves names as the real ones do.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use hotclub_testkit::{Launch, Program, Project, until, unused_port};

use super::{certificate, curl, folder, run, s_client};
use crate::hotclub;

/// An authority of its own for one test, with a name server that knows one address for every name.
pub(super) struct Pebble {
    children: Vec<Child>,
    pub(super) folder: Project,
    pub(super) port: u16,
    management: u16,
    pub(super) http: u16,
    pub(super) https: u16,
}

fn quiet(program: &str) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

impl Pebble {
    /// `address` is where all names lead to; `keys` are the external accounts it knows, if it wants any.
    pub(super) fn start(address: &str, keys: Option<&str>) -> Self {
        let folder = folder();
        let (chain, key) = certificate(folder.dir(), "pebble", &["localhost"]);
        let [port, management, http, https, dns, mock] = std::array::from_fn(|_| unused_port());
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": chain, "privateKey": key,
            "httpPort": http, "tlsPort": https, "ocspResponderURL": "",
            "externalAccountBindingRequired": keys.is_some(),
            "externalAccountMACKeys": keys.map(|key| serde_json::json!({ "kid-1": key })),
        }});
        folder.write("pebble.json", &config.to_string());
        let names = quiet("pebble-challtestsrv")
            .args(["-http01", "", "-https01", "", "-tlsalpn01", ""])
            .args(["-dns01", &format!("127.0.0.1:{dns}")])
            .args(["-management", &format!("127.0.0.1:{mock}")])
            .args(["-defaultIPv4", address, "-defaultIPv6", ""])
            .spawn()
            .unwrap();
        let authority = quiet("pebble")
            .args(["-config", "pebble.json"])
            .args(["-dnsserver", &format!("127.0.0.1:{dns}")])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", "20")
            .current_dir(folder.dir())
            .spawn()
            .unwrap();
        let pebble = Self {
            children: vec![names, authority],
            folder,
            port,
            management,
            http,
            https,
        };
        until("pebble", || pebble.fetch("roots/0").then_some(()));
        pebble
    }

    /// Its root certificate, to `root.pem`.
    fn fetch(&self, what: &str) -> bool {
        let url = format!("https://127.0.0.1:{}/{what}", self.management);
        let mut curl = quiet("curl");
        curl.args(["-sfk", "--noproxy", "*", "-o"]);
        let fetched = curl.arg(self.root()).arg(url).status().unwrap();
        fetched.success()
    }

    fn root(&self) -> PathBuf {
        self.folder.path("root.pem")
    }

    /// A site of pages for `a.test`, with more in `[https.acme]`.
    pub(super) fn site(&self, more: &str) -> Project {
        let site = folder();
        let text = format!(
            "name = \"site\"\nhosts = [\"a.test\", \"www.a.test\"]\n[static]\nroot = \"public\"\n[server]\n\
             listen = [\"127.0.0.1:{}\", \"https://127.0.0.1:{}\"]\n[https.acme]\n\
             directory = \"https://127.0.0.1:{}/dir\"\nca = \"{}\"\nemail = \"a@a.test\"\n{more}",
            self.http,
            self.https,
            self.port,
            self.folder.path("pebble.pem").display(),
        );
        site.write("hotclub.toml", &text);
        site.write("public/index.html", "home");
        site
    }

    fn stop(&mut self) {
        for child in &mut self.children {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        self.children.clear();
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        self.stop();
    }
}

pub(super) fn up(site: &Project) -> Launch {
    hotclub()
        .arg("up")
        .arg(site.dir())
        .arg("--json")
        .env("XDG_STATE_HOME", site.path("state"))
}

/// What the site's own file of chain and key holds.
pub(super) fn kept(site: &Project) -> String {
    let path = site.path(".hotclub/https/site.pem");
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    fs::read_to_string(path).unwrap()
}

#[track_caller]
pub(super) fn serves(program: &Program, pebble: &Pebble) {
    for name in ["a.test", "www.a.test"] {
        let answer = curl(program, &pebble.root(), name, &[]);
        assert_eq!(answer, (200, "home".to_owned()), "{name}");
    }
}

#[test]
fn a_certificate_comes_by_itself_and_outlives_a_restart_and_its_authority() {
    let mut pebble = Pebble::start("127.0.0.1", None);
    let site = pebble.site("");
    let program = up(&site).serve();
    program.says("a new certificate for a.test, www.a.test");
    serves(&program, &pebble);
    let moved = program.get_with("/", &[("Host", "a.test")]).expect(301);
    let location = format!("https://a.test:{}/", pebble.https);
    assert_eq!(moved.header("location"), Some(&*location));
    let before = kept(&site);
    program.stop();

    pebble.stop();
    let program = up(&site).serve();
    serves(&program, &pebble);
    assert_eq!(kept(&site), before);
    program.stop();
}

#[test]
fn names_are_proven_in_a_handshake_with_an_account_from_elsewhere() {
    let key = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    let pebble = Pebble::start("127.0.0.1", Some(key));
    let site = pebble
        .site("challenge = \"tls-alpn-01\"\neab_key_id = \"kid-1\"\neab_hmac_file = \"eab.key\"\n");
    site.write("eab.key", &format!("{key}\n"));
    let program = up(&site).serve();
    program.says("a new certificate for");
    serves(&program, &pebble);
    program.stop();
}

#[test]
fn wrong_dns_leaves_http_as_it_is_and_says_what_to_do() {
    // Nobody listens there.
    let pebble = Pebble::start("127.0.0.2", None);
    let site = pebble.site("");
    let program = up(&site).allow("there is no certificate").serve();
    program.says("did not find the proof for");
    program.says("the name's A and AAAA records must lead to this machine");
    let answer = program.get_with("/", &[("Host", "a.test")]).expect(200);
    assert_eq!(answer.text(), "home");
    assert_eq!(curl(&program, &pebble.root(), "a.test", &[]).0, 0);
    program.stop();
}

#[test]
fn an_old_certificate_goes_on_loudly_when_the_authority_is_down() {
    let mut pebble = Pebble::start("127.0.0.1", None);
    let site = pebble.site("");
    let mut openssl = Command::new("openssl");
    openssl
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:prime256v1",
        ])
        .args([
            "-nodes",
            "-subj",
            "/CN=old",
            "-addext",
            "subjectAltName=DNS:a.test,DNS:www.a.test",
        ])
        .args(["-days", "1", "-out"])
        .arg(site.path("old.pem"))
        .arg("-keyout")
        .arg(site.path("old.key"));
    run(&mut openssl);
    let old = fs::read_to_string(site.path("old.pem")).unwrap()
        + &fs::read_to_string(site.path("old.key")).unwrap();
    // It holds for one of the two names only: a new one is wanted at once.
    let text = fs::read_to_string(site.path("hotclub.toml")).unwrap();
    site.write(
        "hotclub.toml",
        &text.replace("\"www.a.test\"", "\"www.a.test\", \"b.test\""),
    );
    site.write(".hotclub/https/site.pem", &old);
    let port = pebble.port;
    pebble.stop();
    let program = up(&site).allow("the certificate is not renewed").serve();
    program.says("the certificate is not renewed, the old one goes on for 0 days");
    program.says(&format!("127.0.0.1:{port} cannot be asked"));
    let shown = s_client(&program, "a.test", &[]);
    assert!(
        shown.contains("CN = old") || shown.contains("CN=old"),
        "{shown}"
    );
    program.stop();
}
