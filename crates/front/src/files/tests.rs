//! Mounts over real folders. Here: what the tests share.

mod asking;
mod changing;
mod encoded;
mod escaping;
mod exhausted;
mod kinds;
mod pages;

use std::fs::FileTimes;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::*;
use crate::message::{Body, Piece};

/// Tue, 14 Nov 2023 22:13:20 GMT: the modification time of every file that is written here.
const WRITTEN: u64 = 1_700_000_000;
const WRITTEN_TEXT: &str = "Tue, 14 Nov 2023 22:13:20 GMT";

/// A folder `root` in a temporary one, so that there is an outside to escape to.
struct Ground {
    outside: tempfile::TempDir,
}

impl Ground {
    fn new() -> Self {
        let outside = tempfile::tempdir().unwrap();
        std::fs::create_dir(outside.path().join("root")).unwrap();
        Self { outside }
    }

    fn root(&self) -> PathBuf {
        self.outside.path().join("root")
    }

    /// Writes beneath the root, making folders on the way.
    fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        self.write_at(name.as_bytes(), content.as_ref(), WRITTEN);
    }

    fn write_at(&self, name: &[u8], content: &[u8], second: u64) {
        let path = self.root().join(std::ffi::OsStr::from_bytes(name));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        let time = UNIX_EPOCH + Duration::from_secs(second);
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
    }

    fn mount(&self, options: MountOptions) -> FileMount {
        FileMount::open(&self.root(), options).unwrap()
    }

    fn site(&self) -> FileMount {
        self.mount(MountOptions::new(MountKind::Static))
    }
}

/// A response as a client sees it.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    status: u16,
    fields: Vec<(String, String)>,
    content: Vec<u8>,
}

impl Seen {
    fn field(&self, name: &str) -> Option<&str> {
        let found: Vec<_> = self.fields.iter().filter(|field| field.0 == name).collect();
        assert!(found.len() <= 1, "{name} twice");
        found.first().map(|field| field.1.as_str())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.content).unwrap()
    }
}

fn ask(
    mount: &FileMount,
    method: FileMethod,
    path: impl AsRef<[u8]>,
    lines: &[(&str, &str)],
) -> Option<Seen> {
    let mut fields = Fields::default();
    for (name, value) in lines {
        fields.push(name.as_bytes(), value.as_bytes());
    }
    let request = FileRequest {
        method,
        path: path.as_ref(),
        fields: &fields,
    };
    match mount.respond(&request) {
        FileOutcome::Response(response) => Some(seen(&response)),
        FileOutcome::NotFound => None,
    }
}

fn get(mount: &FileMount, path: impl AsRef<[u8]>, lines: &[(&str, &str)]) -> Seen {
    ask(mount, FileMethod::Get, path, lines).unwrap()
}

fn is_found(mount: &FileMount, path: impl AsRef<[u8]>) -> bool {
    ask(mount, FileMethod::Get, path, &[]).is_some_and(|seen| seen.status == 200)
}

fn seen(response: &Response) -> Seen {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Seen {
        status: response.status,
        fields: response
            .fields
            .iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect(),
        content: content(&response.body),
    }
}

fn content(body: &Body) -> Vec<u8> {
    match body {
        Body::Empty | Body::Bodiless => Vec::new(),
        Body::Bytes(bytes) => bytes.to_vec(),
        Body::File { file, offset, len } => stretch(file, *offset, *len),
        Body::Parts(pieces) => pieces
            .iter()
            .flat_map(|piece| match piece {
                Piece::Bytes(bytes) => bytes.to_vec(),
                Piece::File { file, offset, len } => stretch(file, *offset, *len),
            })
            .collect(),
        Body::Flow(_) | Body::Tunnel(_) => panic!("no app here"),
    }
}

fn stretch(file: &std::fs::File, offset: u64, len: u64) -> Vec<u8> {
    let mut bytes = vec![0; usize::try_from(len).unwrap()];
    file.read_exact_at(&mut bytes, offset).unwrap();
    bytes
}

/// Whether the file comes from memory.
fn is_in_memory(mount: &FileMount, path: &str) -> bool {
    let (entry, _) = mount.shelf.get(path.as_bytes()).unwrap();
    entry.is_in_memory()
}

/// Options whose answers are compared with the disk each time.
fn always_asking(kind: MountKind) -> MountOptions {
    let mut options = MountOptions::new(kind);
    options.cache.recheck = Duration::ZERO;
    options
}

fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs()
}
