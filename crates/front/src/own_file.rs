//! Ranges of a file that an app answered with (`wsgi.file_wrapper`, Django's `FileResponse`): the
//! frameworks send all of it whatever is asked, and a video's reader then cannot be moved.
//!
//! Only a plain 200 to a GET whose whole body is one file is touched, and only when the app said
//! nothing of ranges itself. One range is answered; of several, the whole file is (RFC 9110, 14.2).

use crate::files::range::{Stretches, stretches};
use crate::flow::Flow;
use crate::message::{Body, Fields, Response};
use crate::request::Request;

/// Offers ranges, and answers one if it was asked for.
pub(crate) fn take_range(request: &Request, response: &mut Response) {
    let Body::Flow(Flow::App(body)) = &mut response.body else {
        return;
    };
    if response.status != 200 || request.method != b"GET" {
        return;
    }
    let Some(len) = body
        .file_len()
        .filter(|len| is_plain(&response.fields, *len))
    else {
        return;
    };
    response.fields.push(b"Accept-Ranges", b"bytes");
    let mut asked = request.fields.all("Range");
    let (Some(range), None) = (asked.next(), asked.next()) else {
        return;
    };
    if !holds(request, &response.fields) {
        return;
    }
    match stretches(range, len) {
        Stretches::Parts(parts) if parts.len() == 1 => {
            body.narrow(&parts[0]);
            let said = format!("bytes {}-{}/{len}", parts[0].start, parts[0].end - 1);
            become_partial(response, 206, &said);
        }
        Stretches::Unsatisfiable => {
            response.body = Body::Empty;
            response.fields.remove("Content-Type");
            response.fields.remove("Content-Disposition");
            become_partial(response, 416, &format!("bytes */{len}"));
        }
        Stretches::Parts(_) | Stretches::Ignored => {}
    }
}

fn become_partial(response: &mut Response, status: u16, said: &str) {
    response.status = status;
    response.reason = None;
    response.fields.remove("Content-Length");
    response.fields.push(b"Content-Range", said.as_bytes());
}

/// Whether the body is the file's bytes as they are, and ranges are left to us.
fn is_plain(fields: &Fields, len: u64) -> bool {
    let length = fields.get("Content-Length");
    ["Accept-Ranges", "Content-Range", "Content-Encoding"]
        .into_iter()
        .all(|name| fields.get(name).is_none())
        && length.is_none_or(|length| *length == *len.to_string().as_bytes())
}

/// If-Range (RFC 9110, 13.1.5): the app's strong tag, or exactly its Last-Modified.
fn holds(request: &Request, fields: &Fields) -> bool {
    match request.fields.get("If-Range") {
        None => true,
        Some(tag) if tag.starts_with(b"\"") => fields.get("ETag") == Some(tag),
        Some(date) => fields.get("Last-Modified") == Some(date),
    }
}
