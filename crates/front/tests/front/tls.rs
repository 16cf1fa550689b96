//! Over TLS, with a real client: which certificate, which site, and how HTTP leads there.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hotclub_app::Buffers;
use hotclub_front::files::{FileMount, MountKind, MountOptions};
use hotclub_front::{
    Address, Certificate, Certificates, Challenges, Front, Https, Limits, Listener, Mount, Options,
    Site, Table, TrustedProxies,
};
use rcgen::{CertifiedKey, KeyPair};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::support::{BOUNDS, read_to_end};

type Tls = StreamOwned<ClientConnection, TcpStream>;

struct Served {
    front: Front,
    http: SocketAddr,
    https: SocketAddr,
    folder: tempfile::TempDir,
    roots: RootCertStore,
    keys: Vec<(String, CertifiedKey<KeyPair>)>,
}

fn bound(secure: bool) -> (Arc<Listener>, SocketAddr) {
    let any = Address::Tcp("127.0.0.1:0".parse().unwrap());
    let listener = Listener::bind(&any).unwrap();
    let Address::Tcp(address) = *listener.address() else {
        panic!("not TCP");
    };
    let listener = if secure { listener.https() } else { listener };
    (Arc::new(listener), address)
}

/// Two sites, `a.test` with `*.a.test` and `b.test`, each with a file `/name` and a certificate of its own.
fn serve(change: impl FnOnce(&mut Limits)) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let mut limits = Limits::default();
    change(&mut limits);
    let front = Front::start(Options {
        threads: 2,
        limits,
        trusted: TrustedProxies::default(),
        log: None,
        buffers: Buffers::new(folder.path().to_owned(), BOUNDS),
        h2c: false,
        proxy_protocol: false,
    })
    .unwrap();
    let (http_listener, http) = bound(false);
    let (https_listener, https) = bound(true);
    let site = |name: &str, hosts: &[&str]| {
        let files = folder.path().join(name);
        std::fs::create_dir(&files).unwrap();
        std::fs::write(files.join("name"), name).unwrap();
        let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
        std::fs::write(files.join("large"), large).unwrap();
        let mount = FileMount::open(&files, MountOptions::new(MountKind::Static)).unwrap();
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        let rules = Https::default()
            .redirecting()
            .strict(Duration::from_secs(600));
        let site = Site::new(name, hosts, vec![Mount::new("/", mount)], None);
        Arc::new(site.over_https(rules))
    };
    let sites = [site("a", &["a.test", "*.a.test"]), site("b", &["b.test"])];
    front.swap(Arc::new(Table::new(sites, None)));
    front.accept(&http_listener);
    front.accept(&https_listener);
    let mut served = Served {
        front,
        http,
        https,
        folder,
        roots: RootCertStore::empty(),
        keys: Vec::new(),
    };
    for names in [&["a.test", "*.a.test"][..], &["b.test"]] {
        let made = certified(names);
        served.roots.add(made.cert.der().clone()).unwrap();
        let named = names.iter().map(|name| (*name).to_owned());
        let key = || rcgen::CertifiedKey {
            cert: made.cert.clone(),
            signing_key: KeyPair::from_pem(&made.signing_key.serialize_pem()).unwrap(),
        };
        served.keys.extend(named.map(|name| (name, key())));
    }
    served
}

fn certified(names: &[&str]) -> CertifiedKey<KeyPair> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    rcgen::generate_simple_self_signed(names).unwrap()
}

fn usable(made: &CertifiedKey<KeyPair>) -> Certificate {
    let key = made.signing_key.serialize_pem();
    Certificate::from_pem(made.cert.pem().as_bytes(), key.as_bytes()).unwrap()
}

impl Served {
    /// Puts the certificates on the keyring.
    fn with_certificates(self) -> Self {
        let mut certificates = Certificates::default();
        for (name, made) in &self.keys {
            certificates.insert(name, &usable(made));
        }
        self.front.keyring().set_certificates(certificates);
        self
    }

    fn client(&self, name: &str, protocols: &[&[u8]]) -> Tls {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(self.roots.clone())
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let stream = TcpStream::connect(self.https).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let client = ClientConnection::new(Arc::new(config), name).unwrap();
        StreamOwned::new(client, stream)
    }

    /// Asks over TLS and reads to an end that TLS confirms.
    fn get(&self, name: &str, host: &str, path: &str) -> String {
        let mut client = self.client(name, &[b"http/1.1"]);
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        client.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // Without a close_notify this is an error.
        client.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn plain(&self, head: &str) -> String {
        let mut stream = TcpStream::connect(self.http).unwrap();
        stream
            .write_all(format!("{head}\r\nConnection: close\r\n\r\n").as_bytes())
            .unwrap();
        read_to_end(&mut stream)
    }
}

#[test]
fn each_name_gets_its_own_certificate_and_site() {
    let served = serve(|_| ()).with_certificates();
    for (name, body) in [
        ("a.test", "a"),
        ("www.a.test", "a"),
        ("b.test", "b"),
        ("B.Test", "b"),
    ] {
        let answer = served.get(name, name, "/name");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
        assert!(answer.contains("\r\nStrict-Transport-Security: max-age=600\r\n"));
    }
    let mut unknown = served.client("c.test", &[]);
    assert!(unknown.write_all(b"GET").is_err());
}

#[test]
fn a_request_for_another_site_than_the_handshake_was_for_is_misdirected() {
    let served = serve(|_| ()).with_certificates();
    let answer = served.get("a.test", "b.test", "/name");
    assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
    // Another name of the same site is no other site.
    let answer = served.get("a.test", "www.a.test", "/name");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[test]
fn http_leads_to_https_once_there_is_a_certificate() {
    let served = serve(|_| ());
    let ask = |served: &Served, line: &str| served.plain(&format!("{line}\r\nHost: a.test"));
    let before = ask(&served, "GET /name HTTP/1.1");
    assert!(before.starts_with("HTTP/1.1 200 "), "{before}");
    assert!(!before.contains("Strict-Transport-Security"), "{before}");
    let mut refused = served.client("a.test", &[]);
    assert!(refused.write_all(b"GET").is_err());
    let served = served.with_certificates();
    let port = served.https.port();
    let moved = ask(&served, "GET /name?q=1 HTTP/1.1");
    assert!(moved.starts_with("HTTP/1.1 301 "), "{moved}");
    let location = format!("\r\nLocation: https://a.test:{port}/name?q=1\r\n");
    assert!(moved.contains(&location), "{moved}");
    let moved = ask(&served, "POST /name HTTP/1.1");
    assert!(moved.starts_with("HTTP/1.1 308 "), "{moved}");
}

#[test]
fn a_certificate_authority_finds_what_it_asks_for() {
    let served = serve(|_| ()).with_certificates();
    let mut challenges = Challenges::default();
    challenges.add_text("tok-1", "tok-1.print".to_owned());
    let made = certified(&["a.test"]);
    challenges.add_certificate("a.test", &usable(&made));
    served.front.keyring().set_challenges(challenges);
    let ask = |token: &str| {
        served.plain(&format!(
            "GET /.well-known/acme-challenge/{token} HTTP/1.1\r\nHost: a.test"
        ))
    };
    let answer = ask("tok-1");
    assert!(answer.ends_with("\r\n\r\ntok-1.print"), "{answer}");
    // What is not ours is the site's business, and never redirected.
    assert!(ask("tok-2").starts_with("HTTP/1.1 404 "));
    let mut served = served;
    served.roots = RootCertStore::empty();
    served.roots.add(made.cert.der().clone()).unwrap();
    let mut client = served.client("a.test", &[b"acme-tls/1"]);
    // The handshake is the whole conversation.
    assert_eq!(client.read(&mut [0; 8]).unwrap(), 0);
    assert_eq!(client.conn.alpn_protocol(), Some(&b"acme-tls/1"[..]));
    // Who offers other protocols, too, is no authority.
    let mut client = served.client("a.test", &[b"http/1.1", b"acme-tls/1"]);
    assert!(client.write_all(b"GET").is_err());
}

#[test]
fn large_files_and_pipelined_requests_arrive_whole() {
    let served = serve(|_| ()).with_certificates();
    let expected = std::fs::read(served.folder.path().join("a/large")).unwrap();
    let mut client = served.client("a.test", &[]);
    let one = "GET /large HTTP/1.1\r\nHost: a.test\r\n\r\n".repeat(2);
    let last = "GET /large HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
    client.write_all((one + last).as_bytes()).unwrap();
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    let mut rest = &all[..];
    for _ in 0..3 {
        let end = rest.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        assert!(rest.starts_with(b"HTTP/1.1 200 OK\r\n"));
        assert!(rest[end..].starts_with(&expected));
        rest = &rest[end + expected.len()..];
    }
    assert!(rest.is_empty());
}

#[test]
fn what_is_no_handshake_ends_at_once_and_a_slow_one_in_time() {
    let served = serve(|limits| limits.head_time = Duration::from_millis(300)).with_certificates();
    let mut stream = TcpStream::connect(served.https).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n")
        .unwrap();
    // An alert at most.
    assert!(read_to_end(&mut stream).len() <= 7);
    let began = Instant::now();
    let mut stream = TcpStream::connect(served.https).unwrap();
    stream.write_all(&[22, 3, 1, 2]).unwrap();
    assert_eq!(read_to_end(&mut stream), "");
    assert!(began.elapsed() < Duration::from_secs(10));
}
