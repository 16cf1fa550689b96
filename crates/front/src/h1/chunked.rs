//! The chunked coding (RFC 9112, 7.1), byte by byte where it is framing, so that it makes no
//! difference how the bytes were split on their way.
//!
//! Extensions are checked, bounded and ignored; trailers are checked, bounded and dropped, and those
//! that would change the message are refused.

/// 16 digits are a u64; nobody sends chunks of 2^60 bytes.
const SIZE_DIGITS: u8 = 15;
/// Bytes of extensions in a whole body.
const EXTENSIONS_MAX: usize = 4096;
/// Bytes of the trailer section.
const TRAILERS_MAX: usize = 8192;
const TRAILER_LINES: usize = 32;

/// Why a body is not chunked, though its head said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChunkError {
    #[error("a chunk's size is not a short hexadecimal number")]
    Size,
    #[error("a chunk's extension is malformed or too long")]
    Extension,
    #[error("a chunk or its size does not end in CR LF")]
    LineEnd,
    #[error("the trailer fields are malformed or too long")]
    Trailer,
    #[error("a trailer field that belongs into the head")]
    ForbiddenTrailer,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    Data(&'a [u8]),
    /// Everything was looked at; more must come.
    Nothing,
    End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size { digits: u8 },
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    Trailers,
    End,
}

/// A decoder of one body.
#[derive(Debug)]
pub(crate) struct Decoder {
    state: State,
    /// Of the chunk: what its size says so far, then what is still to come.
    remaining: u64,
    extensions: usize,
    trailers: Vec<u8>,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Size { digits: 0 },
            remaining: 0,
            extensions: 0,
            trailers: Vec::new(),
        }
    }

    /// Whether the last chunk and the trailers are behind us.
    pub(crate) fn has_ended(&self) -> bool {
        self.state == State::End
    }

    /// Looks at `input` and returns how many of its bytes were used and what they were.
    ///
    /// # Errors
    /// See [`ChunkError`]; the decoder is of no use then.
    pub(crate) fn next<'a>(&mut self, input: &'a [u8]) -> Result<(usize, Found<'a>), ChunkError> {
        let mut at = 0;
        while self.state != State::End {
            let Some(&byte) = input.get(at) else {
                return Ok((at, Found::Nothing));
            };
            if self.state == State::Data {
                let rest = &input[at..];
                let len = usize::try_from(self.remaining).map_or(rest.len(), |r| r.min(rest.len()));
                self.remaining -= len as u64;
                if self.remaining == 0 {
                    self.state = State::DataCr;
                }
                return Ok((at + len, Found::Data(&rest[..len])));
            }
            self.step(byte)?;
            at += 1;
        }
        Ok((at, Found::End))
    }

    fn step(&mut self, byte: u8) -> Result<(), ChunkError> {
        self.state = match self.state {
            State::Size { digits } => self.size(digits, byte)?,
            State::Extension => self.extension(byte)?,
            State::SizeLf if byte == b'\n' && self.remaining == 0 => State::Trailers,
            State::SizeLf if byte == b'\n' => State::Data,
            State::DataCr if byte == b'\r' => State::DataLf,
            State::DataLf if byte == b'\n' => State::Size { digits: 0 },
            State::Trailers => self.trailer(byte)?,
            _ => return Err(ChunkError::LineEnd),
        };
        Ok(())
    }

    fn size(&mut self, digits: u8, byte: u8) -> Result<State, ChunkError> {
        match (char::from(byte).to_digit(16), byte) {
            (Some(digit), _) if digits < SIZE_DIGITS => {
                self.remaining = self.remaining << 4 | u64::from(digit);
                Ok(State::Size { digits: digits + 1 })
            }
            (None, b'\r') if digits > 0 => Ok(State::SizeLf),
            (None, b';') if digits > 0 => Ok(State::Extension),
            _ => Err(ChunkError::Size),
        }
    }

    fn extension(&mut self, byte: u8) -> Result<State, ChunkError> {
        self.extensions += 1;
        match byte {
            b'\r' => Ok(State::SizeLf),
            _ if self.extensions > EXTENSIONS_MAX => Err(ChunkError::Extension),
            b'\t' | b' '..=b'~' | 0x80.. => Ok(State::Extension),
            _ => Err(ChunkError::Extension),
        }
    }

    fn trailer(&mut self, byte: u8) -> Result<State, ChunkError> {
        self.trailers.push(byte);
        if byte == b'\n' && !self.trailers.ends_with(b"\r\n") {
            return Err(ChunkError::LineEnd);
        }
        if self.trailers == b"\r\n" {
            return Ok(State::End);
        }
        if self.trailers.ends_with(b"\r\n\r\n") {
            return check_trailers(&self.trailers).map(|()| State::End);
        }
        // A line that begins with CR must be the empty one.
        if self.trailers.len() == 2 && self.trailers[0] == b'\r' {
            return Err(ChunkError::LineEnd);
        }
        if self.trailers.len() > TRAILERS_MAX {
            return Err(ChunkError::Trailer);
        }
        Ok(State::Trailers)
    }
}

fn check_trailers(section: &[u8]) -> Result<(), ChunkError> {
    let mut lines = [httparse::EMPTY_HEADER; TRAILER_LINES];
    match httparse::parse_headers(section, &mut lines) {
        Ok(httparse::Status::Complete((len, fields))) if len == section.len() => {
            if fields.iter().any(|field| is_forbidden(field.name)) {
                return Err(ChunkError::ForbiddenTrailer);
            }
            Ok(())
        }
        _ => Err(ChunkError::Trailer),
    }
}

/// RFC 9110, 6.5.1: framing, routing, request modifiers, authentication, content handling.
fn is_forbidden(name: &str) -> bool {
    const NAMES: [&str; 22] = [
        "authorization",
        "cache-control",
        "connection",
        "content-encoding",
        "content-length",
        "content-range",
        "content-type",
        "cookie",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "max-forwards",
        "proxy-authorization",
        "proxy-connection",
        "range",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "x-real-ip",
    ];
    NAMES.iter().any(|n| name.eq_ignore_ascii_case(n))
        || name
            .get(..12)
            .is_some_and(|p| p.eq_ignore_ascii_case("x-forwarded-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `body` in pieces of `piece` bytes; returns the data and what was left over.
    fn decode(body: &[u8], piece: usize) -> Result<Option<(Vec<u8>, usize)>, ChunkError> {
        let mut decoder = Decoder::new();
        let mut data = Vec::new();
        let mut used_of_all = 0;
        for part in body.chunks(piece) {
            let mut rest = part;
            loop {
                let (used, found) = decoder.next(rest)?;
                rest = &rest[used..];
                used_of_all += used;
                match found {
                    Found::Data(bytes) => data.extend_from_slice(bytes),
                    Found::Nothing => break,
                    Found::End => return Ok(Some((data, body.len() - used_of_all))),
                }
            }
        }
        Ok(None)
    }

    #[test]
    fn chunks_are_joined_however_they_were_split() {
        let body = b"5\r\nhello\r\n00A;x=\"y\"\r\n0123456789\r\n1\r\n!\r\n0\r\nA: b\r\n\r\nGET";
        for piece in 1..body.len() {
            let (data, left) = decode(body, piece).unwrap().unwrap();
            assert_eq!(data, b"hello0123456789!");
            assert_eq!(left, 3);
        }
    }

    #[test]
    fn a_body_that_stops_early_is_not_complete() {
        assert_eq!(decode(b"5\r\nhel", 100), Ok(None));
        assert_eq!(decode(b"0\r\n", 100), Ok(None));
        assert_eq!(decode(b"0\r\n\r\n", 100), Ok(Some((vec![], 0))));
    }

    #[test]
    fn what_is_not_exactly_chunked_is_refused() {
        for (body, error) in [
            ("+5\r\nhello\r\n0\r\n\r\n", ChunkError::Size),
            ("-5\r\n", ChunkError::Size),
            (" 5\r\n", ChunkError::Size),
            ("5 \r\n", ChunkError::Size),
            ("0x5\r\n", ChunkError::Size),
            ("5_0\r\n", ChunkError::Size),
            ("\r\n", ChunkError::Size),
            (";a\r\n", ChunkError::Size),
            ("g\r\n", ChunkError::Size),
            ("0000000000000005\r\n", ChunkError::Size),
            ("fffffffffffffffff\r\n", ChunkError::Size),
            ("5\nhello", ChunkError::Size),
            ("5\r\rhello", ChunkError::LineEnd),
            ("5\r\nhelloX", ChunkError::LineEnd),
            ("5\r\nhello\n", ChunkError::LineEnd),
            ("5\r\nhello\rX", ChunkError::LineEnd),
            ("5;a\nhello", ChunkError::Extension),
            ("5;a\x01\r\n", ChunkError::Extension),
            ("0\r\n\n", ChunkError::LineEnd),
            ("0\r\n\rX", ChunkError::LineEnd),
            ("0\r\nA: b\n\r\n", ChunkError::LineEnd),
            ("0\r\nA b\r\n\r\n", ChunkError::Trailer),
            ("0\r\nA : b\r\n\r\n", ChunkError::Trailer),
            ("0\r\n A: b\r\n\r\n", ChunkError::Trailer),
            ("0\r\nA: b\r\n c\r\n\r\n", ChunkError::Trailer),
            (
                "0\r\nContent-Length: 5\r\n\r\n",
                ChunkError::ForbiddenTrailer,
            ),
            (
                "0\r\ntransfer-encoding: x\r\n\r\n",
                ChunkError::ForbiddenTrailer,
            ),
            ("0\r\nHost: x\r\n\r\n", ChunkError::ForbiddenTrailer),
            (
                "0\r\nX-Forwarded-For: x\r\n\r\n",
                ChunkError::ForbiddenTrailer,
            ),
        ] {
            assert_eq!(decode(body.as_bytes(), 1000), Err(error), "{body:?}");
            assert_eq!(decode(body.as_bytes(), 1), Err(error), "{body:?}");
        }
    }

    #[test]
    fn extensions_and_trailers_have_bounds() {
        let long = format!("1;{}\r\n", "a".repeat(5000));
        assert_eq!(decode(long.as_bytes(), 999), Err(ChunkError::Extension));
        let many = "1;aaaaaaaa\r\nx\r\n".repeat(1000);
        assert_eq!(decode(many.as_bytes(), 999), Err(ChunkError::Extension));
        let long = format!("0\r\nA: {}", "a".repeat(9000));
        assert_eq!(decode(long.as_bytes(), 999), Err(ChunkError::Trailer));
        let many = format!("0\r\n{}\r\n", "A: b\r\n".repeat(40));
        assert_eq!(decode(many.as_bytes(), 999), Err(ChunkError::Trailer));
    }

    proptest::proptest! {
        #[test]
        fn splits_make_no_difference(
            body in proptest::collection::vec(
                proptest::sample::select(b"0123fF;=a \r\n\r\n:+x".to_vec()), 0..80),
            piece in 1_usize..20,
        ) {
            assert_eq!(decode(&body, piece), decode(&body, 1000));
        }

        #[test]
        fn what_was_encoded_comes_back(
            chunks in proptest::collection::vec(proptest::collection::vec(0_u8.., 1..50), 0..8),
            piece in 1_usize..60,
        ) {
            let mut body = Vec::new();
            for chunk in &chunks {
                body.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                body.extend_from_slice(chunk);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"0\r\n\r\n");
            assert_eq!(decode(&body, piece), Ok(Some((chunks.concat(), 0))));
        }
    }
}
