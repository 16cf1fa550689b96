//! Whether an answer is compressed, and how: by its type and size, by what the client takes, and by
//! whether its length could give a secret away.
//!
//! BREACH guesses a secret in a page by its compressed length, while it makes a visitor's browser ask
//! for that page, cookies and all, again and again with guesses in the URL. So it needs requests from
//! another site that carry the visitor's credentials. Browsers say where a request comes from
//! (`Sec-Fetch-Site`), over TLS, which is where there is something to hide: with credentials an answer is
//! compressed when the visitor's own navigation or the site itself asked, and not when another site did
//! or nobody knows.

use hotclub_config::Compress;

use crate::answer;
use crate::files::{Accepted, Coding};
use crate::message::{Body, Fields, Response};
use crate::request::{Request, Scheme, Version};

/// Below this an answer fits into a packet anyway.
const SMALLEST: u64 = 1024;

/// What becomes of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is as it is for everybody.
    Untouched,
    /// It goes out as it is, though another client might get it encoded.
    Plain,
    Encode(Coding),
}

pub(super) fn judge(mode: Compress, request: &Request, response: &Response) -> Verdict {
    let Body::Flow(flow) = &response.body else {
        return Verdict::Untouched;
    };
    let known = || flow.known_len().filter(|_| !request.is_head());
    judge_head(mode, request, response, known)
}

/// By what its head says; `known` is its length, where that is known and the head does not say it.
pub(super) fn judge_head(
    mode: Compress,
    request: &Request,
    response: &Response,
    known: impl FnOnce() -> Option<u64>,
) -> Verdict {
    if mode == Compress::Off || !is_worth_it(request, response, known) {
        return Verdict::Untouched;
    }
    let is_safe = mode == Compress::Always || is_harmless(request);
    let coding = coding(request).filter(|_| is_safe);
    coding.map_or(Verdict::Plain, Verdict::Encode)
}

/// Whether encoding is allowed and would help.
fn is_worth_it(
    request: &Request,
    response: &Response,
    known: impl FnOnce() -> Option<u64>,
) -> bool {
    let fields = &response.fields;
    let is_whole = response.status >= 200 && !matches!(response.status, 204 | 205 | 206 | 304);
    if !is_whole || request.version == Version::Http10 {
        return false;
    }
    if !fields.get("content-type").is_some_and(shrinks) {
        return false;
    }
    let stays = [
        "content-encoding",
        "content-range",
        "content-md5",
        "content-digest",
    ]
    .into_iter()
    .any(|name| fields.get(name).is_some());
    if stays || is_fixed(fields) || is_fixed(&request.fields) {
        return false;
    }
    let declared = fields.get("content-length").and_then(answer::length);
    match declared.or_else(known) {
        Some(len) => len >= SMALLEST,
        // Of a HEAD nobody knows; a GET would say the same but for the length.
        None => !request.is_head(),
    }
}

/// `no-transform`, of the client or the app (RFC 9111, 5.2.1.6 and 5.2.2.6).
fn is_fixed(fields: &Fields) -> bool {
    fields
        .all("cache-control")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .any(|directive| directive.trim_ascii().eq_ignore_ascii_case(b"no-transform"))
}

/// Text of all sorts, and the few other formats that are not compressed in themselves.
fn shrinks(content_type: &[u8]) -> bool {
    let essence = content_type.split(|byte| *byte == b';').next();
    let essence = essence.unwrap_or_default().trim_ascii();
    let begins = |start: &[u8]| {
        essence
            .get(..start.len())
            .is_some_and(|own| own.eq_ignore_ascii_case(start))
    };
    let ends = |end: &[u8]| {
        let at = essence.len().checked_sub(end.len());
        at.is_some_and(|at| essence[at..].eq_ignore_ascii_case(end))
    };
    const OTHERS: [&[u8]; 14] = [
        b"application/json",
        b"application/javascript",
        b"application/x-javascript",
        b"application/xml",
        b"application/manifest+json",
        b"application/wasm",
        b"application/x-ndjson",
        b"application/yaml",
        b"application/graphql-response+json",
        b"application/vnd.ms-fontobject",
        b"font/ttf",
        b"font/otf",
        b"image/x-icon",
        b"image/bmp",
    ];
    begins(b"text/")
        || ends(b"+json")
        || ends(b"+xml")
        || OTHERS
            .iter()
            .any(|other| essence.eq_ignore_ascii_case(other))
}

/// The one that the client likes best; of equals the cheapest first.
fn coding(request: &Request) -> Option<Coding> {
    let mut lines = request.fields.all("accept-encoding");
    let accepted = match (lines.next(), lines.next()) {
        (Some(one), None) => Accepted::read(one),
        // Who says it twice can do without.
        _ => return None,
    };
    let plain = accepted.weight(Coding::Identity);
    let mut best = None;
    for coding in [Coding::Zstd, Coding::Brotli, Coding::Gzip] {
        let weight = accepted.weight(coding);
        if weight >= plain && weight > best.map_or(0, |(weight, _)| weight) {
            best = Some((weight, coding));
        }
    }
    best.map(|(_, coding)| coding)
}

/// Whether the length tells nobody anything; see above.
fn is_harmless(request: &Request) -> bool {
    let has = |name| request.fields.get(name).is_some();
    let is_private = has("cookie") || has("authorization");
    let is_own = || {
        let from = request.fields.get("sec-fetch-site");
        from.is_some_and(|from| matches!(from, b"same-origin" | b"none"))
    };
    !is_private || request.scheme == Scheme::Http || is_own()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Flow;

    fn request(fields: &[(&str, &str)]) -> Request {
        let mut request = Request {
            scheme: Scheme::Https,
            method: b"GET".to_vec(),
            ..Request::default()
        };
        for (name, value) in fields {
            request.fields.push(name.as_bytes(), value.as_bytes());
        }
        request
    }

    fn response(status: u16, fields: &[(&str, &str)]) -> Response {
        let mut response = Response::new(status, Body::Flow(Flow::Broken));
        for (name, value) in fields {
            response.fields.push(name.as_bytes(), value.as_bytes());
        }
        response
    }

    const ALL: (&str, &str) = ("Accept-Encoding", "gzip, deflate, br, zstd");
    const HTML: (&str, &str) = ("Content-Type", "text/html; charset=utf-8");
    const LONG: (&str, &str) = ("Content-Length", "5000");

    #[test]
    fn the_client_chooses_the_coding_and_we_among_equals() {
        use Verdict::{Encode, Plain};
        for (accepted, verdict) in [
            ("gzip, deflate, br, zstd", Encode(Coding::Zstd)),
            ("gzip, deflate, br", Encode(Coding::Brotli)),
            ("gzip", Encode(Coding::Gzip)),
            ("*", Encode(Coding::Zstd)),
            ("br;q=0.5, gzip;q=0.8", Encode(Coding::Gzip)),
            ("zstd;q=0, br;q=0, gzip", Encode(Coding::Gzip)),
            ("identity, gzip;q=0.5", Plain),
            ("identity;q=0.5, gzip", Encode(Coding::Gzip)),
            ("gzip;q=0", Plain),
            ("deflate", Plain),
            ("", Plain),
        ] {
            let request = request(&[("Accept-Encoding", accepted)]);
            let got = judge(Compress::Safe, &request, &response(200, &[HTML, LONG]));
            assert_eq!(got, verdict, "{accepted}");
        }
        let nothing = judge(Compress::Safe, &request(&[]), &response(200, &[HTML, LONG]));
        assert_eq!(nothing, Plain);
    }

    #[test]
    fn what_would_not_shrink_or_may_not_change_is_untouched() {
        for (status, fields) in [
            (200, &[("Content-Type", "image/jpeg"), LONG][..]),
            (200, &[("Content-Type", "application/zip"), LONG]),
            (200, &[("Content-Type", "application/octet-stream"), LONG]),
            (200, &[LONG]),
            (200, &[HTML, ("Content-Length", "1023")]),
            (200, &[HTML, LONG, ("Content-Encoding", "gzip")]),
            (
                200,
                &[HTML, LONG, ("Cache-Control", "public, No-Transform")],
            ),
            (200, &[HTML, LONG, ("Content-MD5", "x")]),
            (200, &[HTML, LONG, ("Content-Range", "bytes 0-4999/9000")]),
            (206, &[HTML, LONG]),
            (204, &[HTML]),
            (304, &[HTML, LONG]),
            (101, &[HTML]),
        ] {
            let got = judge(
                Compress::Always,
                &request(&[ALL]),
                &response(status, fields),
            );
            assert_eq!(got, Verdict::Untouched, "{status} {fields:?}");
        }
        let page = || response(200, &[HTML, LONG]);
        let fixed = request(&[ALL, ("Cache-Control", "no-transform")]);
        assert_eq!(judge(Compress::Always, &fixed, &page()), Verdict::Untouched);
        assert_eq!(
            judge(Compress::Off, &request(&[ALL]), &page()),
            Verdict::Untouched
        );
        let old = Request {
            version: Version::Http10,
            ..request(&[ALL])
        };
        assert_eq!(judge(Compress::Always, &old, &page()), Verdict::Untouched);
        for status in [200, 203, 404, 500] {
            let got = judge(
                Compress::Safe,
                &request(&[ALL]),
                &response(status, &[HTML, LONG]),
            );
            assert_eq!(got, Verdict::Encode(Coding::Zstd), "{status}");
        }
    }

    #[test]
    fn types_are_known_in_any_case_and_with_any_parameter() {
        for (kind, expected) in [
            ("text/html", true),
            ("TEXT/CSV;charset=x", true),
            ("text/event-stream", true),
            ("application/json ; a=b", true),
            ("application/ld+json", true),
            ("image/svg+xml", true),
            ("application/atom+xml; charset=utf-8", true),
            ("application/jsonx", false),
            ("image/png", false),
            ("font/woff2", false),
            ("video/mp4", false),
            ("+json", true),
            ("", false),
            ("/", false),
        ] {
            assert_eq!(shrinks(kind.as_bytes()), expected, "{kind}");
        }
    }

    #[test]
    fn with_credentials_only_the_site_itself_and_the_visitor_get_it_compressed() {
        let cookie = ("Cookie", "sessionid=x");
        let key = ("Authorization", "Bearer x");
        let from = |site| ("Sec-Fetch-Site", site);
        for (fields, expected) in [
            (&[ALL][..], true),
            (&[ALL, from("cross-site")], true),
            (&[ALL, cookie], false),
            (&[ALL, key], false),
            (&[ALL, cookie, from("cross-site")], false),
            (&[ALL, cookie, from("same-site")], false),
            (&[ALL, cookie, from("same-origin")], true),
            (&[ALL, cookie, from("none")], true),
            (&[ALL, key, from("same-origin")], true),
            (&[ALL, cookie, from("Same-Origin")], false),
        ] {
            let request = request(fields);
            let page = response(200, &[HTML, LONG]);
            let encodes = |mode| matches!(judge(mode, &request, &page), Verdict::Encode(_));
            assert_eq!(encodes(Compress::Safe), expected, "{fields:?}");
            assert!(encodes(Compress::Always));
        }
        let plain = Request {
            scheme: Scheme::Http,
            ..request(&[ALL, cookie])
        };
        let got = judge(Compress::Safe, &plain, &response(200, &[HTML, LONG]));
        assert_eq!(got, Verdict::Encode(Coding::Zstd));
    }
}
