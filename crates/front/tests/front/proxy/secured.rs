//! Upstreams over https: whose certificate is believed, and for which name.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{FINE, get, with};
use crate::backend::Backend;
use crate::support::{Served, pass_on, read_response, until};

type Tls = StreamOwned<ServerConnection, TcpStream>;
type Answer = dyn Fn(&str, &mut Tls) -> bool + Send + Sync;

/// A server that speaks TLS only, and answers what it is told to.
struct Secured {
    address: SocketAddr,
    /// Its certificate, made by itself, in `folder`.
    ca: PathBuf,
    _folder: tempfile::TempDir,
    connections: Arc<AtomicUsize>,
    /// The names that clients asked for.
    names: Arc<Mutex<Vec<Option<String>>>>,
}

impl Secured {
    /// `answer` gets the head and, to read on and to answer, the connection; `true`: it is kept.
    fn start(
        names: &[&str],
        answer: impl Fn(&str, &mut Tls) -> bool + Send + Sync + 'static,
    ) -> Self {
        let made = rcgen::generate_simple_self_signed(
            names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>(),
        )
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let ca = folder.path().join("ca.pem");
        std::fs::write(&ca, made.cert.pem()).unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let secured = Self {
            address: listener.local_addr().unwrap(),
            ca,
            _folder: folder,
            connections: Arc::default(),
            names: Arc::default(),
        };
        let (config, answer): (_, Arc<Answer>) = (Arc::new(config), Arc::new(answer));
        let (connections, names) = (secured.connections.clone(), secured.names.clone());
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let (config, answer) = (Arc::clone(&config), Arc::clone(&answer));
                let (connections, names) = (connections.clone(), names.clone());
                std::thread::spawn(move || {
                    let session = ServerConnection::new(config).unwrap();
                    let mut tls = StreamOwned::new(session, stream.unwrap());
                    connections.fetch_add(1, SeqCst);
                    while let Some(head) = read_head(&mut tls) {
                        let name = tls.conn.server_name().map(str::to_owned);
                        names.lock().unwrap().push(name);
                        if !answer(&head, &mut tls) {
                            break;
                        }
                    }
                });
            }
        });
        secured
    }

    fn saying(names: &[&str], answer: &'static str) -> Self {
        Self::start(names, move |_, tls| {
            tls.write_all(answer.as_bytes()).is_ok()
        })
    }

    fn passed_on(&self, change: impl FnOnce(&mut hotclub_config::Proxy)) -> Served {
        let unused = Backend::saying(FINE);
        pass_on(&[&unused], |proxy| {
            proxy.to = vec![format!("https://{}", self.address).parse().unwrap()];
            proxy.ca = Some(self.ca.clone());
            change(proxy);
        })
    }
}

fn read_head(tls: &mut Tls) -> Option<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        tls.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    Some(String::from_utf8(head).unwrap())
}

#[test]
fn requests_go_on_over_connections_that_are_kept() {
    let backend = Secured::saying(&["127.0.0.1"], FINE);
    let served = backend.passed_on(|_| {});
    let mut stream = served.connect();
    for _ in 0..5 {
        let head = "GET /a?b HTTP/1.1\r\nHost: example.com\r\n\r\n";
        stream.write_all(head.as_bytes()).unwrap();
        let (head, body) = read_response(&mut stream);
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert_eq!(body, b"fine\n");
    }
    assert_eq!(backend.connections.load(SeqCst), 1);
    // An address is no name.
    assert_eq!(backend.names.lock().unwrap()[0], None);
}

#[test]
fn nothing_is_said_to_a_server_whose_certificate_is_not_believed() {
    let backend = Secured::saying(&["127.0.0.1"], FINE);
    let other = Secured::saying(&["127.0.0.1"], FINE);
    let named = Secured::saying(&["backend.test"], FINE);
    let stranger = backend.passed_on(|proxy| proxy.ca = Some(other.ca.clone()));
    let misnamed = named.passed_on(|_| {});
    let other_name = named.passed_on(|proxy| proxy.tls_name = Some("b.test".to_owned()));
    for served in [stranger, misnamed, other_name] {
        let answer = served.ask(&get("/"));
        assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
    }
    for secured in [backend, other, named] {
        assert!(secured.names.lock().unwrap().is_empty());
    }
}

#[test]
fn a_name_of_its_own_is_asked_for_and_checked() {
    let backend = Secured::saying(&["backend.test"], FINE);
    let served = backend.passed_on(|proxy| proxy.tls_name = Some("backend.test".to_owned()));
    let answer = served.ask(&get("/"));
    assert!(answer.ends_with("\r\n\r\nfine\n"), "{answer}");
    assert_eq!(
        *backend.names.lock().unwrap(),
        [Some("backend.test".to_owned())]
    );
}

#[test]
fn a_server_that_speaks_no_tls_is_502_and_one_that_says_nothing_is_504() {
    let plain = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = plain.local_addr().unwrap();
    let speaking = std::thread::spawn(move || {
        let (mut stream, _) = plain.accept().unwrap();
        stream.write_all(FINE.as_bytes()).unwrap();
        stream
    });
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let backend = Secured::saying(&["127.0.0.1"], FINE);
    for (address, status) in [(address, 502), (silent.local_addr().unwrap(), 504)] {
        let served = backend.passed_on(|proxy| {
            proxy.to = vec![format!("https://{address}").parse().unwrap()];
            if status == 504 {
                proxy.connect_timeout = Duration::from_millis(300);
            }
            proxy.retries = 0;
        });
        let answer = served.ask(&get("/"));
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    drop(speaking.join().unwrap());
}

#[test]
fn large_bodies_pass_in_both_directions() {
    let backend = Secured::start(&["127.0.0.1"], |head, tls| {
        let length = crate::backend::field(head, "content-length").unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        tls.read_exact(&mut body).unwrap();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        tls.write_all(answer.as_bytes()).unwrap();
        tls.write_all(&body).is_ok()
    });
    for buffered in [true, false] {
        let served = backend.passed_on(|proxy| proxy.buffer_requests = buffered);
        let body: String = (0..200_000).map(|n| format!("{n} ")).collect();
        let length = format!("Content-Length: {}\r\n", body.len());
        let (head, answer) = served.ask_bytes(&with("POST /", &length, &body));
        assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
        assert!(answer == body.as_bytes(), "{} bytes", answer.len());
    }
}

#[test]
fn an_answer_without_a_length_is_whole_only_when_tls_says_so() {
    const OPEN: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nfine\n";
    for honest in [true, false] {
        let backend = Secured::start(&["127.0.0.1"], move |_, tls| {
            tls.write_all(OPEN.as_bytes()).unwrap();
            if honest {
                tls.conn.send_close_notify();
                tls.flush().unwrap();
            }
            false
        });
        let served = backend.passed_on(|_| {});
        let answer = served.ask(&get("/"));
        // The chunk that ends a body comes only behind a whole one.
        let end = "\r\nfine\n\r\n0\r\n\r\n";
        assert_eq!(answer.ends_with(end), honest, "{answer}");
    }
}

#[test]
fn upgrades_are_tunnels_over_tls_too() {
    let backend = Secured::start(&["127.0.0.1"], |_, tls| {
        let agreed =
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n";
        tls.write_all(agreed.as_bytes()).unwrap();
        let mut piece = [0; 1024];
        while let Ok(count @ 1..) = tls.read(&mut piece) {
            tls.write_all(&piece[..count]).unwrap();
        }
        false
    });
    let served = backend.passed_on(|_| {});
    let mut stream = served.connect();
    let asking =
        "GET /ws HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
    stream.write_all(asking.as_bytes()).unwrap();
    let (head, _) = read_response(&mut stream);
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    for text in ["a", "hello", &"x".repeat(50_000)] {
        let mut writer = stream.try_clone().unwrap();
        let sent = text.to_owned();
        let writing = std::thread::spawn(move || writer.write_all(sent.as_bytes()).unwrap());
        let mut echoed = vec![0; text.len()];
        stream.read_exact(&mut echoed).unwrap();
        assert_eq!(echoed, text.as_bytes());
        writing.join().unwrap();
    }
}

#[test]
fn health_checks_are_made_over_tls() {
    let well = Secured::saying(&["127.0.0.1"], FINE);
    let stranger = Secured::saying(&["127.0.0.1"], FINE);
    let served = well.passed_on(|proxy| {
        let address = stranger.address;
        proxy.to.push(format!("https://{address}").parse().unwrap());
        proxy.health = Some(hotclub_config::Health {
            path: "/up".to_owned(),
            interval: Duration::from_millis(50),
            timeout: Duration::from_secs(2),
            host: None,
        });
    });
    until("a check passes", || !well.names.lock().unwrap().is_empty());
    for _ in 0..4 {
        let answer = served.ask(&get("/"));
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    assert!(stranger.names.lock().unwrap().is_empty());
}

#[test]
fn what_cannot_be_used_to_believe_anybody_is_said_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "nothing\n").unwrap();
    let proxy = |ca: PathBuf, tls_name: Option<&str>| {
        let to = vec!["https://127.0.0.1:1".parse().unwrap()];
        let mut proxy = hotclub_config::Proxy::new(hotclub_config::Mount::root(), to);
        proxy.ca = Some(ca);
        proxy.tls_name = tls_name.map(str::to_owned);
        hotclub_front::Proxy::new(proxy).unwrap_err()
    };
    let missing = proxy(folder.path().join("missing.pem"), None);
    assert_eq!(missing.key(), "ca");
    assert!(missing.to_string().contains("missing.pem cannot be read"));
    let empty = proxy(empty, None);
    assert_eq!(empty.key(), "ca");
    assert!(
        empty.to_string().contains("holds no certificate"),
        "{empty}"
    );
}
