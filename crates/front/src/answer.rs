//! An app's answer becomes a response. A worker runs the user's code and is not trusted: names and
//! values are checked again, so that no answer can end a head early or speak for the connection.

use bytes::Bytes;
use hotclub_app::Answer;
use hotclub_wire::HeadFields;

use crate::flow::Flow;
use crate::message::{Body, Fields, Response};
use crate::policy;

/// Why an answer is not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AnswerError {
    #[error("the status {0}, which is no final one")]
    Status(u16),
    #[error("a reason phrase that holds a control character")]
    Reason,
    #[error("a header whose name is not a token")]
    Name,
    #[error("a header whose value holds a control character")]
    Value,
    #[error("a Content-Length that is not one number")]
    ContentLength,
}

/// Checks an answer and takes it over. The body is untouched.
///
/// # Errors
/// See [`AnswerError`].
pub(crate) fn response(answer: Answer) -> Result<Response, AnswerError> {
    let (reason, fields) = head(answer.status, &answer.head)?;
    Ok(Response {
        status: answer.status,
        reason,
        fields,
        body: Body::Flow(Flow::App(answer.body)),
    })
}

fn head(status: u16, head: &Bytes) -> Result<(Option<Bytes>, Fields), AnswerError> {
    if !(200..=999).contains(&status) {
        return Err(AnswerError::Status(status));
    }
    let (reason, lines) = HeadFields::split(head);
    if !reason.iter().all(is_text) {
        return Err(AnswerError::Reason);
    }
    let mut fields = Fields::with_capacity(12, head.len());
    let mut length: Option<&[u8]> = None;
    for (name, value) in lines {
        let value = value.trim_ascii();
        check_field(name, value)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            if length.is_some_and(|before| before != value) || self::length(value).is_none() {
                return Err(AnswerError::ContentLength);
            }
            if length.replace(value).is_some() {
                continue;
            }
        }
        if policy::response_field_passes(name) {
            fields.push(name, value);
        }
    }
    let reason = (!reason.is_empty()).then(|| head.slice_ref(reason));
    Ok((reason, fields))
}

/// Whether a field can be written as it is: its name is a token, its value has no control character.
///
/// # Errors
/// [`AnswerError::Name`] or [`AnswerError::Value`].
pub(crate) fn check_field(name: &[u8], value: &[u8]) -> Result<(), AnswerError> {
    if name.is_empty() || !name.iter().all(is_token) {
        return Err(AnswerError::Name);
    }
    if !value.iter().all(is_text) {
        return Err(AnswerError::Value);
    }
    Ok(())
}

/// A Content-Length: digits and nothing else.
pub(crate) fn length(value: &[u8]) -> Option<u64> {
    let is_number = (1..=18).contains(&value.len()) && value.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(value).ok().filter(|_| is_number)?;
    text.parse().ok()
}

/// RFC 9110, 5.5: visible, obs-text, space and tab.
fn is_text(byte: &u8) -> bool {
    matches!(byte, b'\t' | b' '..=b'~' | 0x80..)
}

/// RFC 9110, 5.6.2.
fn is_token(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: u16, text: &'static str) -> Result<Vec<(String, String)>, AnswerError> {
        let text_of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        head(status, &Bytes::from_static(text.as_bytes())).map(|(_, fields)| {
            fields
                .iter()
                .map(|(n, v)| (text_of(n), text_of(v)))
                .collect()
        })
    }

    #[test]
    fn fields_are_taken_over_and_hop_by_hop_ones_are_not() {
        let fields = read(
            200,
            "OK\0Content-Type\0text/plain\0Connection\0close\0Transfer-Encoding\0chunked\0X\0 a \0Date\0now",
        );
        let expected = [("Content-Type", "text/plain"), ("X", "a"), ("Date", "now")];
        let expected = expected.map(|(n, v)| (n.to_owned(), v.to_owned()));
        assert_eq!(fields.unwrap(), expected);
    }

    #[test]
    fn what_could_split_a_response_is_refused() {
        assert_eq!(
            read(200, "OK\0A\0b\r\nSet-Cookie: x"),
            Err(AnswerError::Value)
        );
        assert_eq!(read(200, "OK\0A\0b\nc"), Err(AnswerError::Value));
        assert_eq!(read(200, "OK\0A: b\0c"), Err(AnswerError::Name));
        assert_eq!(read(200, "OK\0\0c"), Err(AnswerError::Name));
        assert_eq!(read(200, "OK\r\n\0A\0c"), Err(AnswerError::Reason));
        assert_eq!(read(100, "Continue"), Err(AnswerError::Status(100)));
        assert_eq!(read(101, "Switching"), Err(AnswerError::Status(101)));
        assert_eq!(
            read(200, "OK\0Content-Length\0+5"),
            Err(AnswerError::ContentLength)
        );
        let two = read(200, "OK\0Content-Length\x005\0content-length\x006");
        assert_eq!(two, Err(AnswerError::ContentLength));
        let same = read(200, "OK\0Content-Length\x005\0content-length\x005");
        assert_eq!(same.unwrap().len(), 1);
    }
}
