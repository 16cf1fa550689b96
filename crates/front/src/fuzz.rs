//! For `fuzz/` only: the parsers of what a visitor sends, with what must hold whatever the bytes.

#![allow(clippy::expect_used, reason = "what does not hold must be seen")]

use std::fs;
use std::io::Read as _;
use std::os::unix::fs::symlink;

use crate::environ;
use crate::files::range::{Stretches, stretches};
use crate::files::{FileMethod, FileMount, FileOutcome, FileRequest, MountKind, MountOptions};
use crate::h1::fuzz::{Decoder, Found, Framing, find_end, parse};
use crate::host;
use crate::limits::Limits;
use crate::message::{Body, Fields};
use crate::path::Path;
use crate::policy::{self, Context};
use crate::proxy::fuzz as proxy_fuzz;
use crate::proxy_header;
use crate::request::{Ends, Request, Scheme};
use crate::trust::TrustedProxies;

/// A head: its end is found however it was split, and what is accepted can be put before an app.
///
/// # Panics
/// When that does not hold.
pub fn head(bytes: &[u8]) {
    let whole = find_end(bytes, &mut 0);
    let mut scanned = 0;
    let mut found = Ok(None);
    for at in 0..=bytes.len() {
        found = find_end(&bytes[..at], &mut scanned);
        if found != Ok(None) {
            break;
        }
    }
    assert_eq!(whole, found, "the end depends on how the bytes were split");
    let Ok(Some(end)) = whole else { return };
    let ends = Ends {
        peer: "198.51.100.7:4000".parse().ok(),
        local: None,
        scheme: Scheme::Http,
        server_name: None,
    };
    let context = Context {
        ends: &ends,
        trusted: &TrustedProxies::default(),
        id: Default::default(),
    };
    let mut request = Request::default();
    let Ok(message) = parse(&bytes[..end], &Limits::default(), &context, &mut request) else {
        return;
    };
    let len = match message.framing {
        Framing::Length(len) => Some(len),
        Framing::None | Framing::Chunked => None,
    };
    assert!(
        environ::write(&request, &ends, len).is_ok(),
        "a NUL came through"
    );
    let path = request.path.bytes();
    assert!(
        path.split(|byte| *byte == b'/')
            .all(|segment| segment != b".."),
        "a path leads upwards: {path:?}"
    );
}

/// A chunked body: the same data or the same fault, however it was split. The first byte says how.
///
/// # Panics
/// When that does not hold.
pub fn chunked(bytes: &[u8]) {
    let Some((&size, bytes)) = bytes.split_first() else {
        return;
    };
    let whole = decode(bytes, bytes.len().max(1));
    let pieces = decode(bytes, usize::from(size).max(1));
    assert_eq!(
        whole, pieces,
        "the body depends on how the bytes were split"
    );
}

/// The data, and whether its end or a fault came.
fn decode(bytes: &[u8], size: usize) -> (Vec<u8>, Result<bool, String>) {
    let mut decoder = Decoder::new();
    let mut data = Vec::new();
    for mut piece in bytes.chunks(size) {
        loop {
            match decoder.next(piece) {
                Ok((_, Found::End)) => return (data, Ok(true)),
                Ok((_, Found::Nothing)) => break,
                Ok((used, Found::Data(part))) => {
                    data.extend_from_slice(part);
                    piece = &piece[used..];
                }
                Err(error) => return (data, Err(error.to_string())),
            }
        }
    }
    (data, Ok(false))
}

/// An authority: what is accepted is made of its parts, and of bytes that cannot poison a URL.
///
/// # Panics
/// When that does not hold.
pub fn host(bytes: &[u8]) {
    let Ok(authority) = host::parse(bytes) else {
        return;
    };
    let rest = &bytes[authority.host.len()..];
    let port = authority.port.map(|port| port.to_string());
    let digits = rest.strip_prefix(b":").unwrap_or_default();
    let written = std::str::from_utf8(digits).expect("digits");
    assert_eq!(port.is_some(), !written.is_empty());
    assert!(written.is_empty() || written.parse().ok() == authority.port);
    assert!(!authority.host.is_empty() && authority.host.len() <= 255);
    assert!(
        bytes
            .iter()
            .all(|b| b.is_ascii_graphic() && !b"/?#@\\,'\"<>%".contains(b))
    );
}

/// A path of a request, on its way to a file: nothing outside the folder is served, and nothing hidden.
///
/// # Panics
/// When that does not hold.
pub fn path(bytes: &[u8]) {
    thread_local! {
        static SERVED: (tempfile::TempDir, FileMount) = folder().expect("a folder");
    }
    let mut path = Path::default();
    if path.decode(bytes).is_err() {
        return;
    }
    let Some(rest) = path.bytes().strip_prefix(b"/") else {
        return;
    };
    let outcome = SERVED.with(|(_, mount)| {
        mount.respond(&FileRequest {
            method: FileMethod::Get,
            path: rest,
            fields: &Fields::default(),
        })
    });
    let FileOutcome::Response(response) = outcome else {
        return;
    };
    let mut text = String::new();
    match response.body {
        Body::Bytes(bytes) => text.push_str(&String::from_utf8_lossy(&bytes)),
        Body::File { file, .. } => {
            let _ = (&*file).read_to_string(&mut text);
        }
        _ => {}
    }
    assert!(!text.contains("SECRET"), "{}", rest.escape_ascii());
}

/// A folder with files that may be served, and with and beside it some that may not.
fn folder() -> std::io::Result<(tempfile::TempDir, FileMount)> {
    let folder = tempfile::tempdir()?;
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("b/.git"))?;
    for (name, text) in [
        ("root/a", "fine"),
        ("root/b/c.txt", "fine"),
        ("root/.env", "SECRET"),
        ("root/b/.git/config", "SECRET"),
        ("s", "SECRET"),
    ] {
        fs::write(folder.path().join(name), text)?;
    }
    symlink("../s", root.join("l"))?;
    symlink("..", root.join("d"))?;
    let mount = FileMount::open(&root, MountOptions::new(MountKind::Static));
    Ok((folder, mount.map_err(std::io::Error::other)?))
}

/// A Range field, behind 8 bytes that are the length: what is asked for lies inside, and no byte twice.
///
/// # Panics
/// When that does not hold.
pub fn range(bytes: &[u8]) {
    let Some((len, value)) = bytes.split_first_chunk() else {
        return;
    };
    let len = u64::from_le_bytes(*len);
    let Stretches::Parts(parts) = stretches(value, len) else {
        return;
    };
    assert!((1..=8).contains(&parts.len()));
    let mut sorted = parts;
    sorted.sort_by_key(|part| part.start);
    assert!(
        sorted
            .iter()
            .all(|part| part.start < part.end && part.end <= len)
    );
    assert!(sorted.windows(2).all(|pair| pair[0].end < pair[1].start));
}

/// Fields, a line each, of a stranger: he can say nothing about himself, to no app.
///
/// # Panics
/// When that does not hold.
pub fn policy(bytes: &[u8]) {
    let fields = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let at = memchr::memchr(b':', line).filter(|at| *at > 0)?;
        Some((&line[..at], &line[at + 1..]))
    });
    let fields: Vec<_> = fields.collect();
    let ends = Ends {
        peer: "198.51.100.7:4000".parse().ok(),
        local: None,
        scheme: Scheme::Http,
        server_name: None,
    };
    let context = Context {
        ends: &ends,
        trusted: &TrustedProxies::default(),
        id: Default::default(),
    };
    let mut request = Request {
        authority: b"example.com".to_vec(),
        host_len: 11,
        ..Request::default()
    };
    if policy::apply(fields.iter().copied(), &context, &mut request).is_err() {
        return;
    }
    assert_eq!(request.client, ends.peer_ip());
    assert_eq!(request.scheme, Scheme::Http);
    for (name, value) in [
        ("Host", &b"example.com"[..]),
        ("X-Forwarded-For", b"198.51.100.7"),
        ("X-Forwarded-Proto", b"http"),
        ("X-Forwarded-Host", b"example.com"),
        ("X-Real-IP", b"198.51.100.7"),
    ] {
        let all: Vec<_> = request.fields.all(name).collect();
        assert_eq!(all, [value], "{name}");
    }
    for name in [
        "Proxy",
        "Forwarded",
        "Connection",
        "Transfer-Encoding",
        "Content-Length",
        "TE",
        "Upgrade",
    ] {
        assert_eq!(request.fields.get(name), None, "{name}");
    }
    assert!(request.fields.iter().all(|(name, _)| !name.contains(&b'_')));
}

/// A PROXY header: the same, or the same fault, however much of what follows has come.
///
/// # Panics
/// When that does not hold.
pub fn proxy_header(bytes: &[u8]) {
    let whole = proxy_header::parse(bytes);
    let first = (0..=bytes.len())
        .map(|at| proxy_header::parse(&bytes[..at]))
        .find(|outcome| *outcome != Ok(None));
    assert_eq!(first.unwrap_or(Ok(None)), whole);
}

/// The head of an upstream's answer: its end is found however it was split, and what goes on to the client can be
/// read in one way only.
///
/// # Panics
/// When that does not hold.
pub fn upstream(bytes: &[u8]) {
    let found = |bytes: &[u8], scanned: &mut usize| proxy_fuzz::end(bytes, scanned).ok();
    let whole = found(bytes, &mut 0);
    let mut scanned = 0;
    let first = (0..=bytes.len())
        .map(|at| found(&bytes[..at], &mut scanned))
        .find(|outcome| *outcome != Some(None));
    assert_eq!(first.unwrap_or(Some(None)), whole);
    let Some(Some(end)) = whole else { return };
    for to_head in [false, true] {
        let Ok(head) = proxy_fuzz::parse(&bytes[..end], to_head) else {
            continue;
        };
        assert!((100..1000).contains(&head.status));
        let lengths: Vec<_> = head.fields.all("Content-Length").collect();
        assert!(lengths.len() <= 1);
        match head.framing {
            proxy_fuzz::Framing::None => {}
            framing => {
                assert!(!to_head);
                let told = lengths
                    .first()
                    .and_then(|text| std::str::from_utf8(text).ok()?.parse().ok());
                let meant = match framing {
                    proxy_fuzz::Framing::Length(len) => Some(len),
                    _ => None,
                };
                assert_eq!(told, meant);
            }
        }
        for name in [
            "Transfer-Encoding",
            "Connection",
            "Keep-Alive",
            "Upgrade",
            "TE",
            "Trailer",
        ] {
            assert_eq!(head.fields.get(name), None, "{name}");
        }
        let breaks = |byte: &u8| matches!(byte, b'\r' | b'\n' | 0);
        assert!(
            head.fields
                .iter()
                .all(|(name, value)| { !name.is_empty() && !name.iter().chain(value).any(breaks) })
        );
    }
}

/// Frames of HTTP/2: counted alike however they were split. The first byte says how.
///
/// # Panics
/// When that does not hold.
pub fn census(bytes: &[u8]) {
    let Some((&size, bytes)) = bytes.split_first() else {
        return;
    };
    let counted = |size: usize| {
        let mut census = crate::h2::fuzz::census();
        let outcome = bytes.chunks(size).try_for_each(|piece| census.count(piece));
        (outcome, outcome.is_ok().then(|| census.awaits_head()))
    };
    assert_eq!(
        counted(bytes.len().max(1)),
        counted(usize::from(size).max(1))
    );
}

/// What is fuzzed at length holds for some bytes in every test run.
#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    /// Bytes that look like something now and then.
    fn bytes() -> impl Strategy<Value = Vec<u8>> {
        let words = [
            "example.com",
            ":80",
            "[::1]",
            "/",
            "..",
            "%2e",
            "%2F",
            "a",
            "b/c.txt",
            ".env",
            "l",
            "d/s",
            "bytes=",
            "0-9",
            ",",
            "-5",
            "X-Forwarded-For: 1.2.3.4\n",
            "connection: x-real-ip\n",
            "a_b: c\n",
            "HTTP/1.1 200 OK\r\n",
            "Content-Length: 5\r\n",
            "Transfer-Encoding: chunked\r\n",
            "PROXY ",
            "TCP4 ",
            "1.2.3.4 ",
            "5 ",
            "\r\n",
            "\r\n\r\n\0\r\nQUIT\n",
            "\x21\x11\0\x0c",
            "\0\0\0\0",
        ];
        let word = prop_oneof![
            proptest::sample::select(words.to_vec()).prop_map(|word| word.as_bytes().to_vec()),
            proptest::collection::vec(0_u8.., 0..12),
        ];
        proptest::collection::vec(word, 0..12).prop_map(|words| words.concat())
    }

    proptest! {
        #[test]
        fn no_bytes_break_what_must_hold(bytes in bytes()) {
            for target in [
                super::head, super::chunked, super::host, super::path, super::range, super::policy,
                super::proxy_header, super::upstream, super::census,
            ] {
                target(&bytes);
            }
        }
    }
}
