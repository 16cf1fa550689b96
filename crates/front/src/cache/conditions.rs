//! What a client asks about an answer that is kept: whether its own copy still holds, and for a stretch of it
//! (RFC 9110, 13 and 14; RFC 9111, 4.3.2).

use std::ops::Range;

use super::freshness::date;
use crate::files::conditions::tags;
use crate::files::range::{Stretches, stretches};
use crate::message::Fields;
use crate::request::Request;

/// Whether the client's copy is what it would get: its tag is ours, or without tags its date is not older.
pub(super) fn is_unchanged(request: &Request, status: u16, fields: &Fields) -> bool {
    if status != 200 {
        return false;
    }
    let mut lists = request.fields.all("if-none-match").peekable();
    if lists.peek().is_some() {
        let ours = fields.get("etag").map(opaque);
        return lists.any(|list| {
            list.trim_ascii() == b"*" || tags(list).any(|tag| ours == Some(opaque(tag)))
        });
    }
    let Some(since) = date(&request.fields, "if-modified-since") else {
        return false;
    };
    date(fields, "last-modified").is_some_and(|modified| modified <= since)
}

/// Without the mark of weakness (RFC 9110, 8.8.3.2).
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// What is sent of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Stretch {
    Whole,
    Part(Range<u64>),
    /// It asks for what is not there.
    None,
}

/// One range of an answer that is kept whole; of several, all of it is sent (14.2).
pub(super) fn stretch(request: &Request, fields: &Fields, len: u64) -> Stretch {
    let mut asked = request.fields.all("range");
    let (Some(range), None) = (asked.next(), asked.next()) else {
        return Stretch::Whole;
    };
    if !holds(request, fields) {
        return Stretch::Whole;
    }
    match stretches(range, len) {
        Stretches::Unsatisfiable => Stretch::None,
        Stretches::Parts(mut parts) if parts.len() == 1 => {
            parts.pop().map_or(Stretch::Whole, Stretch::Part)
        }
        Stretches::Parts(_) | Stretches::Ignored => Stretch::Whole,
    }
}

/// If-Range (13.1.5): the same strong tag, or exactly our Last-Modified.
fn holds(request: &Request, fields: &Fields) -> bool {
    match request.fields.get("if-range") {
        None => true,
        Some(tag) if tag.starts_with(b"\"") => fields.get("etag") == Some(tag),
        Some(date) => fields.get("last-modified") == Some(date),
    }
}

/// The request as the app is asked: for all of the page, or whether what is kept still holds.
pub(super) fn question(request: &Request, kept: Option<&Fields>) -> Request {
    const OWN: [&str; 4] = ["if-none-match", "if-modified-since", "if-range", "range"];
    let mut question = request.with_fields(Fields::with_capacity(
        request.fields.len() + 2,
        request.fields.held(),
    ));
    question.method.clear();
    question.method.extend_from_slice(b"GET");
    for (name, value) in request.fields.iter() {
        if !OWN
            .into_iter()
            .any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
        {
            question.fields.push(name, value);
        }
    }
    for (ours, asks) in [
        ("etag", "If-None-Match"),
        ("last-modified", "If-Modified-Since"),
    ] {
        if let Some(value) = kept.and_then(|kept| kept.get(ours)) {
            question.fields.push(asks.as_bytes(), value);
        }
    }
    question
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: (&str, &str) = ("Last-Modified", "Tue, 15 Nov 1994 12:45:26 GMT");

    fn request(lines: &[(&str, &str)]) -> Request {
        Request {
            fields: Fields::of(lines),
            ..Request::default()
        }
    }

    #[test]
    fn a_copy_holds_by_its_tag_and_without_tags_by_its_date() {
        let ours = [("ETag", "W/\"a\""), DATE];
        for (asked, expected) in [
            (&[][..], false),
            (&[("If-None-Match", "\"a\"")], true),
            (&[("If-None-Match", "\"b\", W/\"a\"")], true),
            (&[("If-None-Match", "*")], true),
            (&[("If-None-Match", "\"b\"")], false),
            (
                &[("If-None-Match", "\"b\""), ("If-Modified-Since", DATE.1)],
                false,
            ),
            (&[("If-Modified-Since", DATE.1)], true),
            (
                &[("If-Modified-Since", "Tue, 15 Nov 1994 12:45:25 GMT")],
                false,
            ),
            (&[("If-Modified-Since", "yesterday")], false),
        ] {
            assert_eq!(
                is_unchanged(&request(asked), 200, &Fields::of(&ours)),
                expected,
                "{asked:?}"
            );
            assert!(!is_unchanged(&request(asked), 404, &Fields::of(&ours)));
        }
        assert!(!is_unchanged(
            &request(&[("If-None-Match", "\"a\"")]),
            200,
            &Fields::of(&[])
        ));
    }

    #[test]
    fn one_range_is_a_part() {
        let ours = Fields::of(&[("ETag", "\"a\""), DATE]);
        let of = |lines: &[(&str, &str)]| stretch(&request(lines), &ours, 10);
        assert_eq!(of(&[]), Stretch::Whole);
        assert_eq!(of(&[("Range", "bytes=2-3")]), Stretch::Part(2..4));
        assert_eq!(of(&[("Range", "bytes=0-1,5-6")]), Stretch::Whole);
        assert_eq!(of(&[("Range", "bytes=20-")]), Stretch::None);
        assert_eq!(
            of(&[("Range", "bytes=2-3"), ("If-Range", "\"b\"")]),
            Stretch::Whole
        );
        assert_eq!(
            of(&[("Range", "bytes=2-3"), ("If-Range", "\"a\"")]),
            Stretch::Part(2..4)
        );
    }

    #[test]
    fn the_app_is_asked_for_all_of_it() {
        let lines = [
            ("Accept", "*/*"),
            ("If-None-Match", "\"theirs\""),
            ("Range", "bytes=0-1"),
            ("Cache-Control", "no-cache"),
        ];
        let plain = question(&request(&lines), None);
        assert_eq!((plain.fields.len(), &plain.method[..]), (2, &b"GET"[..]));
        let asked = question(
            &request(&lines),
            Some(&Fields::of(&[("ETag", "\"ours\""), DATE])),
        );
        assert_eq!(asked.fields.get("if-none-match"), Some(&b"\"ours\""[..]));
        assert_eq!(
            asked.fields.get("if-modified-since"),
            Some(DATE.1.as_bytes())
        );
    }
}
