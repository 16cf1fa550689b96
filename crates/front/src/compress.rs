//! Compression of what apps and upstreams answer, while it passes: `judge` says whether, `encoder`
//! how, `coded` is the body that comes out. Files have ready-made siblings instead (`files::coding`).

mod coded;
mod encoder;
mod judge;

use std::cell::Cell;
use std::rc::Rc;

use bytes::Bytes;
use hotclub_app::Cut;
use hotclub_config::Compress;

pub use coded::Coded;
use encoder::Encoder;
use judge::{Verdict, judge, judge_head};

use crate::files::Coding;
use crate::flow::Flow;
use crate::message::{Body, Fields, Response};
use crate::request::Request;

/// A body that is here whole and no larger is encoded at once, so that its length is known and no encoder
/// waits for a slow client.
const AT_ONCE: u64 = 256 * 1024;
/// Bodies of one thread that are encoded while they are sent; an encoder takes about a megabyte.
/// Beyond it answers go out as they are.
const MOST: usize = 64;

/// The encoders that one thread has at work.
#[derive(Debug, Default)]
pub(crate) struct Encoders(Rc<Cell<usize>>);

/// The place of one of them.
#[derive(Debug)]
struct Place(Rc<Cell<usize>>);

impl Encoders {
    fn place(&self) -> Option<Place> {
        if self.0.get() >= MOST {
            return None;
        }
        self.0.set(self.0.get() + 1);
        Some(Place(Rc::clone(&self.0)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Encodes the body of an answer that is worth it, when the client takes it and nothing speaks against it.
pub(crate) async fn apply(
    mode: Compress,
    encoders: &Encoders,
    request: &Request,
    mut response: Response,
) -> Response {
    let coding = match judge(mode, request, &response) {
        Verdict::Untouched => return response,
        Verdict::Plain => None,
        Verdict::Encode(coding) => Some(coding),
    };
    vary(&mut response.fields);
    let Some(coding) = coding else {
        return response;
    };
    if request.is_head() {
        rewrite(&mut response.fields, coding);
        return response;
    }
    let Body::Flow(flow) = response.body else {
        return response;
    };
    response.body = match (flow.known_len(), encoders.place()) {
        (Some(len), _) if len <= AT_ONCE => at_once(flow, coding, &mut response.fields).await,
        (_, Some(place)) => {
            rewrite(&mut response.fields, coding);
            Body::Flow(Flow::Coded(Box::new(Coded::new(
                flow,
                Encoder::new(coding),
                place,
            ))))
        }
        (_, None) => Body::Flow(flow),
    };
    response
}

/// The encoded body of an answer that is kept, when the client takes it and nothing speaks against it. `known` has
/// what was encoded before, and makes what was not.
pub(crate) fn kept(
    mode: Compress,
    request: &Request,
    response: &mut Response,
    plain: &Bytes,
    known: impl FnOnce(Coding, &dyn Fn() -> Option<Bytes>) -> Option<Bytes>,
) -> Option<Bytes> {
    let len = plain.len() as u64;
    let coding = match judge_head(mode, request, response, || Some(len)) {
        Verdict::Untouched => return None,
        Verdict::Plain => None,
        Verdict::Encode(coding) => Some(coding),
    };
    vary(&mut response.fields);
    let coding = coding?;
    let make = || {
        let mut encoder = Encoder::new(coding);
        encoder.write(plain);
        let encoded = encoder.finish();
        // Empty: it could not be made.
        (!encoded.is_empty() && encoded.len() < plain.len()).then_some(encoded)
    };
    let encoded = known(coding, &make)?;
    rewrite(&mut response.fields, coding);
    Some(encoded)
}

/// The body of what is here whole. One that cannot be read back is passed on, to break off as it would have.
async fn at_once(mut flow: Flow, coding: Coding, fields: &mut Fields) -> Body {
    let mut plain = Vec::new();
    let mut encoder = Encoder::new(coding);
    while let Some(part) = flow.next().await {
        let read = part.and_then(|part| coded::read_all(part).map_err(|_| Cut));
        let Ok(bytes) = read else {
            return Body::Flow(Flow::Broken);
        };
        plain.extend_from_slice(&bytes);
    }
    encoder.write(&plain);
    let encoded = encoder.finish();
    if encoded.len() >= plain.len() {
        return Body::Bytes(Bytes::from(plain));
    }
    rewrite(fields, coding);
    Body::Bytes(encoded)
}

/// Says that another client may get other bytes (RFC 9110, 12.5.5).
fn vary(fields: &mut Fields) {
    let is_said = fields
        .all("vary")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        .any(|name| name == b"*" || name.eq_ignore_ascii_case(b"accept-encoding"));
    if !is_said {
        fields.push(b"Vary", b"Accept-Encoding");
    }
}

/// What is true of the encoded body: another length, no ranges, and a validator that is not byte for byte
/// (RFC 9110, 8.8.1).
fn rewrite(fields: &mut Fields, coding: Coding) {
    fields.remove("content-length");
    fields.remove("accept-ranges");
    let strong = fields.get("etag").filter(|tag| tag.starts_with(b"\""));
    if let Some(weak) = strong.map(|tag| [b"W/", tag].concat()) {
        fields.remove("etag");
        fields.push(b"ETag", &weak);
    }
    fields.push(b"Content-Encoding", coding.token().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vary_is_said_once() {
        for (before, after) in [
            (&[][..], vec!["Accept-Encoding"]),
            (&["Cookie"], vec!["Cookie", "Accept-Encoding"]),
            (
                &["Cookie, accept-encoding"],
                vec!["Cookie, accept-encoding"],
            ),
            (
                &["Cookie", "Accept-Encoding"],
                vec!["Cookie", "Accept-Encoding"],
            ),
            (&["*"], vec!["*"]),
        ] {
            let mut fields = Fields::default();
            for value in before {
                fields.push(b"vary", value.as_bytes());
            }
            vary(&mut fields);
            let values: Vec<_> = fields.all("vary").collect();
            let after: Vec<_> = after.iter().map(|value| value.as_bytes()).collect();
            assert_eq!(values, after);
        }
    }

    #[test]
    fn a_strong_validator_becomes_weak_and_a_weak_one_stays() {
        for (before, after) in [("\"a\"", "W/\"a\""), ("W/\"a\"", "W/\"a\""), ("odd", "odd")] {
            let mut fields = Fields::default();
            fields.push(b"etag", before.as_bytes());
            fields.push(b"Content-Length", b"5");
            rewrite(&mut fields, Coding::Gzip);
            assert_eq!(fields.get("etag"), Some(after.as_bytes()));
            assert_eq!(fields.get("content-length"), None);
            assert_eq!(fields.get("content-encoding"), Some(&b"gzip"[..]));
        }
    }
}
