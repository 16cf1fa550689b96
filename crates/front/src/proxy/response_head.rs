//! The head of an upstream's answer: whether it is one, and how its body is framed. As strict as with
//! requests: an answer that could be read in two ways is not passed on.

use std::mem::MaybeUninit;

use bytes::Bytes;
use httparse::Header;

use super::error::Cause;
use crate::answer::{self, AnswerError};
use crate::h1::find_end;
use crate::limits::MAX_FIELDS;
use crate::message::Fields;
use crate::policy;

/// Bytes of an answer's head. Cookies of large apps fit four times.
pub(crate) const HEAD_MAX: usize = 64 * 1024;

/// How the body is delimited (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    None,
    Length(u64),
    Chunked,
    UntilClose,
}

#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: u16,
    /// The upstream's own phrase.
    pub(crate) reason: Option<Bytes>,
    /// Without hop-by-hop ones.
    pub(crate) fields: Fields,
    pub(crate) framing: Framing,
    pub(crate) keep_alive: bool,
    /// What a 101 switches to.
    pub(crate) upgrade: Option<Bytes>,
}

/// Finds the end of a head.
///
/// # Errors
/// When there is none within bounds, or a line ends in a bare LF.
pub(crate) fn end(bytes: &[u8], scanned: &mut usize) -> Result<Option<usize>, Cause> {
    match find_end(bytes, scanned) {
        Ok(Some(end)) if end <= HEAD_MAX => Ok(Some(end)),
        Ok(None) if bytes.len() <= HEAD_MAX => Ok(None),
        Ok(_) => Err(Cause::Malformed("a head that is too large")),
        Err(_) => Err(Cause::Malformed("what is not HTTP")),
    }
}

/// Reads a whole head, as [`end`] found it. `to_head`: it answers a HEAD.
///
/// # Errors
/// When it is none that may be passed on.
pub(crate) fn parse(head: &[u8], to_head: bool) -> Result<ResponseHead, Cause> {
    let mut space = [const { MaybeUninit::<Header<'_>>::uninit() }; MAX_FIELDS];
    let mut parsed = httparse::Response::new(&mut []);
    let outcome = httparse::ParserConfig::default().parse_response_with_uninit_headers(
        &mut parsed,
        head,
        &mut space,
    );
    match outcome {
        Ok(httparse::Status::Complete(len)) if len == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => {
            return Err(Cause::Malformed("too many fields"));
        }
        Ok(_) | Err(_) => return Err(Cause::Malformed("what is not HTTP")),
    }
    let (Some(status), Some(minor)) = (parsed.code, parsed.version) else {
        return Err(Cause::Malformed("what is not HTTP"));
    };
    // RFC 9110, 15: outside of this there is no status.
    if !(100..1000).contains(&status) {
        return Err(Cause::Malformed("what is not HTTP"));
    }
    let lines = Lines(parsed.headers);
    let reason = parsed.reason.unwrap_or_default();
    let bodiless = to_head || status < 200 || matches!(status, 204 | 304);
    let framing = lines.framing(minor)?;
    Ok(ResponseHead {
        status,
        reason: (!reason.is_empty()).then(|| Bytes::copy_from_slice(reason.as_bytes())),
        fields: lines.passed_on()?,
        framing: if bodiless { Framing::None } else { framing },
        keep_alive: match minor {
            0 => lines.says("connection", "keep-alive") && !lines.says("connection", "close"),
            _ => !lines.says("connection", "close"),
        },
        upgrade: lines.all("upgrade").next().map(Bytes::copy_from_slice),
    })
}

struct Lines<'a>(&'a [Header<'a>]);

impl<'a> Lines<'a> {
    fn all(&self, name: &'a str) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let named = |line: &&Header<'_>| line.name.eq_ignore_ascii_case(name);
        self.0
            .iter()
            .filter(move |line| named(line))
            .map(|line| line.value)
    }

    fn says(&self, name: &'a str, word: &str) -> bool {
        self.all(name)
            .flat_map(|value| value.split(|byte| *byte == b','))
            .any(|token| token.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
    }

    /// As the head says, whatever status and method say.
    fn framing(&self, minor: u8) -> Result<Framing, Cause> {
        let mut codings = self.all("transfer-encoding");
        let mut lengths = self.all("content-length");
        match (codings.next(), lengths.next()) {
            (Some(_), Some(_)) => Err(Cause::Malformed("Content-Length beside Transfer-Encoding")),
            (Some(coding), None) => {
                let chunked = coding.trim_ascii().eq_ignore_ascii_case(b"chunked");
                match chunked && minor == 1 && codings.next().is_none() {
                    true => Ok(Framing::Chunked),
                    false => Err(Cause::Malformed("a transfer coding other than chunked")),
                }
            }
            (None, Some(text)) => match (answer::length(text), lengths.next()) {
                (Some(length), None) => Ok(Framing::Length(length)),
                _ => Err(Cause::Malformed("a Content-Length that is not one number")),
            },
            (None, None) => Ok(Framing::UntilClose),
        }
    }

    /// The fields that go on to the client: neither hop-by-hop ones nor those that `Connection` names.
    fn passed_on(&self) -> Result<Fields, Cause> {
        let pairs = || self.0.iter().map(|line| (line.name.as_bytes(), line.value));
        let dropped = policy::connection_options(pairs())
            .map_err(|_| Cause::Malformed("a Connection that names too many fields"))?;
        let bytes = pairs().map(|(name, value)| name.len() + value.len()).sum();
        let mut fields = Fields::with_capacity(self.0.len(), bytes);
        for (name, value) in pairs() {
            let value = value.trim_ascii();
            answer::check_field(name, value).map_err(|error: AnswerError| Cause::from(error))?;
            let is_dropped = dropped.iter().any(|d| d.eq_ignore_ascii_case(name));
            // A length belongs to the message and not to the connection, whatever Connection says.
            let is_length = name.eq_ignore_ascii_case(b"content-length");
            if policy::response_field_passes(name) && (!is_dropped || is_length) {
                fields.push(name, value);
            }
        }
        Ok(fields)
    }
}
