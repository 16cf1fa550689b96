//! From what is kept to the answer of one request: nothing of the body is copied.

use std::time::Instant;

use hotclub_app::Part;
use hotclub_config::Compress;

use super::conditions::{self, Stretch};
use super::freshness::Birth;
use super::status::{self, Story};
use super::stored::{Kept, Stored};
use crate::compress;
use crate::environ::Decimal;
use crate::flow::Flow;
use crate::message::{Body, Fields, Response};
use crate::request::Request;

/// What a 304 says again (RFC 9110, 15.4.5).
const OF_A_304: [&str; 7] = [
    "cache-control",
    "content-location",
    "date",
    "etag",
    "expires",
    "last-modified",
    "vary",
];
/// Bytes of the fields that are added.
const ADDED: usize = 128;

/// Answers `request` with what is kept.
pub(super) fn reply(
    stored: &Stored,
    request: &Request,
    mode: Compress,
    story: Story,
    now: Instant,
) -> Response {
    if conditions::is_unchanged(request, stored.status, &stored.fields) {
        return unchanged(&stored.fields, |fields| finish(fields, stored, story, now));
    }
    let mut response = Response {
        status: stored.status,
        reason: stored.reason.clone(),
        fields: stored.fields.clone_with_room(4, ADDED),
        body: Body::Empty,
    };
    finish(&mut response.fields, stored, story, now);
    let len = stored.body.len();
    let stretch = match stored.status {
        200 if !request.is_head() => conditions::stretch(request, &stored.fields, len),
        _ => Stretch::Whole,
    };
    match stretch {
        Stretch::Whole => whole(stored, request, mode, &mut response),
        Stretch::Part(part) => {
            let said = format!("bytes {}-{}/{len}", part.start, part.end - 1);
            response.status = 206;
            response.reason = None;
            response.fields.push(b"Content-Range", said.as_bytes());
            response.body = body(stored.body.part(part));
        }
        Stretch::None => {
            let mut fields = Fields::default();
            fields.push(b"Content-Range", format!("bytes */{len}").as_bytes());
            status::tell(&mut fields, story);
            response = Response {
                status: 416,
                reason: None,
                fields,
                body: Body::Empty,
            };
        }
    }
    response
}

/// A 304 with what `fields` say, if the client's copy is as good as an answer that is not kept.
pub(super) fn unchanged(fields: &Fields, finish: impl FnOnce(&mut Fields)) -> Response {
    let mut said = Fields::with_capacity(OF_A_304.len() + 2, 512);
    for (name, value) in fields.iter() {
        if OF_A_304
            .into_iter()
            .any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
        {
            said.push(name, value);
        }
    }
    finish(&mut said);
    Response {
        status: 304,
        reason: None,
        fields: said,
        body: Body::Bodiless,
    }
}

fn finish(fields: &mut Fields, stored: &Stored, story: Story, now: Instant) {
    match story {
        Story::Hit { .. } | Story::Stale { .. } | Story::Collapsed { .. } => {
            fields.push(b"Age", Decimal::new(stored.age(now).as_secs()).as_bytes());
        }
        Story::Confirmed | Story::Forwarded { .. } => told(fields, &stored.birth),
    }
    status::tell(fields, story);
}

/// Adds the Age that came with an answer.
pub(super) fn told(fields: &mut Fields, birth: &Birth) {
    let age = birth.told.as_secs();
    if age > 0 {
        fields.push(b"Age", Decimal::new(age).as_bytes());
    }
}

/// All of the body, encoded if the client takes it and it is worth it.
fn whole(stored: &Stored, request: &Request, mode: Compress, response: &mut Response) {
    match &stored.body {
        Kept::Memory(bytes) if bytes.is_empty() => response.body = Body::Empty,
        Kept::Memory(bytes) => {
            let encoded = compress::kept(mode, request, response, bytes, |coding, make| {
                stored.encoded.get(coding, make)
            });
            response.body = Body::Bytes(encoded.unwrap_or_else(|| bytes.clone()));
        }
        // It may be encoded while it is sent, as an app's own answer.
        Kept::File { .. } => response.body = body(stored.body.part(0..stored.body.len())),
    }
}

fn body(part: Part) -> Body {
    match part {
        Part::Bytes(bytes) => Body::Bytes(bytes),
        file @ Part::File { .. } => Body::Flow(Flow::Ready(Some(file))),
    }
}
