//! The text of a line. Whatever a peer sent is escaped: no control character, quote or byte outside
//! ASCII stands in a log as it came.

use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use crate::clock::Stamp;
use crate::request::Request;

/// What is said about a request.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) request: &'a Request,
    pub(crate) site: &'a str,
    pub(crate) status: u16,
    /// Of the response's body.
    pub(crate) bytes: u64,
    /// From the request's first byte to the response's last.
    pub(crate) total: Duration,
    /// In the queue, and in the app; zero when no app was asked.
    pub(crate) queued: Duration,
    pub(crate) app: Duration,
}

/// Before a line that is for somebody who sorts lines by their sites: the site, the milliseconds since 1970, each with a
/// tab behind it.
pub(crate) fn label(out: &mut Vec<u8>, entry: &Entry<'_>, millis: u64) {
    push(out, format_args!("{}\t{millis}\t", entry.site));
}

/// Apache's combined format, then the times in seconds and the request's id.
pub(crate) fn combined(out: &mut Vec<u8>, entry: &Entry<'_>, stamp: &Stamp) {
    let request = entry.request;
    push_client(out, request.client);
    push(out, format_args!(" - - [{}] \"", stamp.combined));
    push_request_line(out, request, Escape::Quoted);
    push(out, format_args!("\" {} {} \"", entry.status, entry.bytes));
    push_field(out, request, "referer");
    out.extend_from_slice(b"\" \"");
    push_field(out, request, "user-agent");
    push(
        out,
        format_args!(
            "\" {:.6} {:.6} {:.6} {}\n",
            entry.total.as_secs_f64(),
            entry.queued.as_secs_f64(),
            entry.app.as_secs_f64(),
            or_dash(request.id.as_str()),
        ),
    );
}

/// One JSON object a line.
pub(crate) fn json(out: &mut Vec<u8>, entry: &Entry<'_>, stamp: &Stamp, millis: u64) {
    let request = entry.request;
    push(
        out,
        format_args!(
            "{{\"time\":\"{}.{:03}Z\",\"remote\":\"",
            stamp.rfc3339,
            millis % 1000
        ),
    );
    push_client(out, request.client);
    out.extend_from_slice(b"\",\"site\":\"");
    escape(out, entry.site.as_bytes(), Escape::Json);
    out.extend_from_slice(b"\",\"scheme\":\"");
    out.extend_from_slice(request.scheme.name().as_bytes());
    for (key, value) in [
        ("host", &request.authority[..]),
        ("method", &request.method),
        ("target", &request.target),
        ("protocol", request.version.name().as_bytes()),
        ("referer", request.fields.get("referer").unwrap_or_default()),
        (
            "agent",
            request.fields.get("user-agent").unwrap_or_default(),
        ),
        ("id", request.id.as_bytes()),
    ] {
        push(out, format_args!("\",\"{key}\":\""));
        escape(out, value, Escape::Json);
    }
    push(
        out,
        format_args!(
            "\",\"status\":{},\"bytes\":{},\"seconds\":{:.6},\"queue_seconds\":{:.6},\"app_seconds\":{:.6}}}\n",
            entry.status,
            entry.bytes,
            entry.total.as_secs_f64(),
            entry.queued.as_secs_f64(),
            entry.app.as_secs_f64(),
        ),
    );
}

fn push(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    // Writing to a Vec does not fail.
    let _ = out.write_fmt(text);
}

fn push_client(out: &mut Vec<u8>, client: Option<IpAddr>) {
    match client {
        Some(address) => push(out, format_args!("{address}")),
        None => out.push(b'-'),
    }
}

fn push_request_line(out: &mut Vec<u8>, request: &Request, style: Escape) {
    if request.method.is_empty() {
        return out.push(b'-');
    }
    escape(out, &request.method, style);
    out.push(b' ');
    escape(out, &request.target, style);
    out.push(b' ');
    out.extend_from_slice(request.version.name().as_bytes());
}

fn push_field(out: &mut Vec<u8>, request: &Request, name: &str) {
    match request.fields.get(name) {
        Some(value) if !value.is_empty() => escape(out, value, Escape::Quoted),
        _ => out.push(b'-'),
    }
}

fn or_dash(text: &str) -> &str {
    if text.is_empty() { "-" } else { text }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Escape {
    /// `\xhh`, as Apache writes it.
    Quoted,
    /// `\u00hh`: each byte as the Latin-1 character it is.
    Json,
}

fn escape(out: &mut Vec<u8>, text: &[u8], style: Escape) {
    for &byte in text {
        match (byte, style) {
            (b'"' | b'\\', _) => out.extend_from_slice(&[b'\\', byte]),
            (b' '..=b'~', _) => out.push(byte),
            (_, Escape::Quoted) => push(out, format_args!("\\x{byte:02x}")),
            (_, Escape::Json) => push(out, format_args!("\\u{byte:04x}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::request_id::RequestId;

    fn request() -> Request {
        let mut request = Request {
            method: b"GET".to_vec(),
            target: b"/a?b\"\\\x1b".to_vec(),
            authority: b"example.com".to_vec(),
            client: "203.0.113.9".parse().ok(),
            id: RequestId::accept(b"id-1").unwrap(),
            ..Request::default()
        };
        request.fields.push(b"User-Agent", b"evil\xe9\"agent\t");
        request
    }

    fn entry(request: &Request) -> Entry<'_> {
        Entry {
            request,
            site: "portfolio",
            status: 200,
            bytes: 12,
            total: Duration::from_millis(12),
            queued: Duration::from_millis(1),
            app: Duration::from_millis(10),
        }
    }

    #[test]
    fn combined_is_apaches_with_ours_behind_it() {
        let (mut out, clock) = (Vec::new(), Clock::default());
        let (stamp, _) = clock.now();
        combined(&mut out, &entry(&request()), &stamp);
        let line = String::from_utf8(out).unwrap();
        let expected = format!(
            "203.0.113.9 - - [{}] \"GET /a?b\\\"\\\\\\x1b HTTP/1.1\" 200 12 \"-\" \
             \"evil\\xe9\\\"agent\\x09\" 0.012000 0.001000 0.010000 id-1\n",
            stamp.combined
        );
        assert_eq!(line, expected);
    }

    #[test]
    fn json_is_one_object_a_line() {
        let (mut out, clock) = (Vec::new(), Clock::default());
        let (stamp, _) = clock.now();
        json(&mut out, &entry(&request()), &stamp, 7);
        let line = String::from_utf8(out).unwrap();
        let expected = format!(
            "{{\"time\":\"{}.007Z\",\"remote\":\"203.0.113.9\",\"site\":\"portfolio\",\
             \"scheme\":\"http\",\"host\":\"example.com\",\"method\":\"GET\",\
             \"target\":\"/a?b\\\"\\\\\\u001b\",\"protocol\":\"HTTP/1.1\",\"referer\":\"\",\
             \"agent\":\"evil\\u00e9\\\"agent\\u0009\",\"id\":\"id-1\",\"status\":200,\"bytes\":12,\
             \"seconds\":0.012000,\"queue_seconds\":0.001000,\"app_seconds\":0.010000}}\n",
            stamp.rfc3339
        );
        assert_eq!(line, expected);
    }

    #[test]
    fn a_request_that_was_not_understood_has_a_line_too() {
        let (mut out, clock) = (Vec::new(), Clock::default());
        combined(&mut out, &entry(&Request::default()), &clock.now().0);
        assert!(
            String::from_utf8(out)
                .unwrap()
                .contains("] \"-\" 200 12 \"-\" \"-\" ")
        );
    }

    proptest::proptest! {
        #[test]
        fn nothing_a_peer_sends_breaks_a_line(target in proptest::collection::vec(0_u8.., 0..64)) {
            let request = Request { target, ..request() };
            let mut out = Vec::new();
            combined(&mut out, &entry(&request), &Clock::default().now().0);
            let body = &out[..out.len() - 1];
            assert!(body.iter().all(|b| (b' '..=b'~').contains(b)));
        }
    }
}
