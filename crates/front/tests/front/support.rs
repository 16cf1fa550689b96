//! A front with a folder of files, and clients that send exactly the bytes they are given.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::backend::Backend;
use hotclub_app::{BufferBounds, Buffers};
use hotclub_config::{Cache, Compress, Proxy};
use hotclub_front::files::{FileMount, MountKind, MountOptions};
use hotclub_front::{
    AccessLog, Address, Format, Front, Limits, Listener, Mount, Options, Sink, Site, Table,
    TrustedProxies,
};

pub(crate) const BOUNDS: BufferBounds = BufferBounds {
    per_connection: 1 << 18,
    memory: 1 << 26,
    spooled: 1 << 30,
};

pub(crate) struct Served {
    pub(crate) front: Front,
    pub(crate) address: SocketAddr,
    pub(crate) folder: tempfile::TempDir,
}

/// A front whose every path is passed on, as `change` has it.
pub(crate) fn pass_on(to: &[&Backend], change: impl FnOnce(&mut Proxy)) -> Served {
    pass_on_trusting(to, TrustedProxies::default(), change)
}

pub(crate) fn pass_on_trusting(
    to: &[&Backend],
    trusted: TrustedProxies,
    change: impl FnOnce(&mut Proxy),
) -> Served {
    let to = to.iter().map(|backend| backend.upstream()).collect();
    let mut proxy = Proxy::new(hotclub_config::Mount::root(), to);
    change(&mut proxy);
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        linger_time: Duration::from_millis(300),
        ..Limits::default()
    };
    let mount = Mount::proxy(Arc::new(hotclub_front::Proxy::new(proxy).unwrap()));
    start(folder, limits, trusted, |hosts| {
        Site::new("site", hosts, vec![mount], None)
    })
}

/// A front that passes everything on and compresses what comes back; it believes what is said of the client.
pub(crate) fn compress(to: &Backend, mode: Compress) -> Served {
    let proxy = Proxy::new(hotclub_config::Mount::root(), vec![to.upstream()]);
    let mount = Mount::proxy(Arc::new(hotclub_front::Proxy::new(proxy).unwrap()));
    let trusted = TrustedProxies::parse(["127.0.0.1"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    start(folder, Limits::default(), trusted, |hosts| {
        Site::new("site", hosts, vec![mount], None).compressing(mode)
    })
}

/// A front that passes everything on and keeps what may be kept, as `change` has it.
pub(crate) fn keep(to: &Backend, change: impl FnOnce(&mut Cache)) -> Served {
    let mut proxy = Proxy::new(hotclub_config::Mount::root(), vec![to.upstream()]);
    proxy.max_fails = 0;
    let mount = Mount::proxy(Arc::new(hotclub_front::Proxy::new(proxy).unwrap()));
    let mut cache = Cache {
        enabled: true,
        ..Cache::default()
    };
    change(&mut cache);
    let folder = tempfile::tempdir().unwrap();
    start_speaking(
        true,
        folder,
        Limits::default(),
        TrustedProxies::default(),
        |hosts| {
            Site::new("site", hosts, vec![mount], None)
                .compressing(Compress::Safe)
                .keeping(&cache)
        },
    )
}

/// A front that serves `hello.txt` and `large.bin` at `/static/`, and nothing else.
pub(crate) fn serve(change: impl FnOnce(&mut Limits)) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let files = folder.path().join("files");
    std::fs::create_dir(&files).unwrap();
    std::fs::write(files.join("hello.txt"), "hello\n").unwrap();
    let large: Vec<u8> = (0..5_000_000_u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(files.join("large.bin"), large).unwrap();
    let mut limits = Limits::default();
    change(&mut limits);
    let mount = FileMount::open(&files, MountOptions::new(MountKind::Static)).unwrap();
    let mounts = vec![Mount::new("/static/", mount)];
    start(folder, limits, TrustedProxies::default(), |hosts| {
        Site::new("site", hosts, mounts, None)
    })
}

fn start(
    folder: tempfile::TempDir,
    limits: Limits,
    trusted: TrustedProxies,
    site: impl FnOnce(Vec<String>) -> Site,
) -> Served {
    start_speaking(false, folder, limits, trusted, site)
}

/// `h2c`: HTTP/2, too, with clients that begin with it.
fn start_speaking(
    h2c: bool,
    folder: tempfile::TempDir,
    limits: Limits,
    trusted: TrustedProxies,
    site: impl FnOnce(Vec<String>) -> Site,
) -> Served {
    let log = Sink::File(folder.path().join("access.log"));
    let front = Front::start(Options {
        threads: 2,
        limits,
        trusted,
        h2c,
        proxy_protocol: false,
        log: Some(AccessLog::open(log, Format::Combined).unwrap()),
        buffers: Buffers::new(folder.path().to_owned(), BOUNDS),
    })
    .unwrap();
    let hosts = vec!["example.com".to_owned(), "127.0.0.1".to_owned()];
    let site = Arc::new(site(hosts));
    front.swap(Arc::new(Table::new([site], None)));
    let any = Address::Tcp("127.0.0.1:0".parse().unwrap());
    let listener = Arc::new(Listener::bind(&any).unwrap());
    front.accept(&listener);
    let Address::Tcp(address) = *listener.address() else {
        panic!("not TCP");
    };
    Served {
        front,
        address,
        folder,
    }
}

impl Served {
    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }

    /// The same as [`Served::ask`], byte for byte: the head, and what follows it.
    pub(crate) fn ask_bytes(&self, bytes: &[u8]) -> (String, Vec<u8>) {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        // Cut off, it ends with an error.
        let _ = stream.read_to_end(&mut answer);
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
        let body = answer.split_off(end.map_or(answer.len(), |end| end + 4));
        (String::from_utf8(answer).unwrap(), body)
    }

    /// Sends `bytes` and reads to the end of the connection.
    pub(crate) fn ask(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        // The front may close before it has taken everything.
        let _ = stream.write_all(bytes);
        read_to_end(&mut stream)
    }

    /// The lines of the access log, when the front is gone.
    pub(crate) fn log(self) -> Vec<String> {
        self.front.kill();
        let text = logged(&self.folder);
        text.lines().map(str::to_owned).collect()
    }

    /// Whether there is a line yet: what ends by itself writes it when it has let go of all else.
    pub(crate) fn has_logged(&self) -> bool {
        !logged(&self.folder).is_empty()
    }
}

fn logged(folder: &tempfile::TempDir) -> String {
    std::fs::read_to_string(folder.path().join("access.log")).unwrap()
}

pub(crate) fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    let mut piece = [0; 65536];
    loop {
        match stream.read(&mut piece) {
            Ok(0) => break,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => break,
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&answer)),
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// One response with a Content-Length: its head and its body.
pub(crate) fn read_response(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("Content-Length: "))
        .map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).unwrap();
    (head, body)
}

/// Waits for something that must become true.
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}
