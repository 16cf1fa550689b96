//! An HTTP/2 client that sends exactly the frames it is given (RFC 9113, without TLS).

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use fluke_hpack::Decoder;

const TIMEOUT: Duration = Duration::from_secs(20);
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Kinds of frames.
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const PRIORITY: u8 = 2;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PUSH_PROMISE: u8 = 5;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// END_STREAM, and ACK of SETTINGS and PING.
pub const END: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// Codes of RST_STREAM and GOAWAY.
pub mod code {
    pub const NO_ERROR: u32 = 0;
    pub const PROTOCOL_ERROR: u32 = 1;
    pub const CANCEL: u32 = 8;
    pub const ENHANCE_YOUR_CALM: u32 = 11;
}

/// A frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    #[must_use]
    pub fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            flags,
            stream,
            payload: payload.into(),
        }
    }

    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let len = u32::try_from(self.payload.len()).unwrap_or(u32::MAX);
        let mut bytes = len.to_be_bytes()[1..].to_vec();
        bytes.extend([self.kind, self.flags]);
        bytes.extend(self.stream.to_be_bytes());
        bytes.extend(&self.payload);
        bytes
    }

    /// Of RST_STREAM and GOAWAY.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        let at = match self.kind {
            kind::RST_STREAM => 0,
            kind::GOAWAY => 4,
            _ => return None,
        };
        let code = self.payload.get(at..at + 4)?;
        Some(u32::from_be_bytes(code.try_into().ok()?))
    }
}

/// Fields as a header block of literals, none of them remembered.
#[must_use]
pub fn block<T: AsRef<[u8]>>(fields: &[(T, T)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name.as_ref(), value.as_ref()] {
            push_length(&mut block, text.len());
            block.extend(text);
        }
    }
    block
}

/// An integer with a prefix of 7 bits (RFC 7541, 5.1).
fn push_length(block: &mut Vec<u8>, length: usize) {
    let Some(mut rest) = length.checked_sub(127) else {
        return block.push(length as u8);
    };
    block.push(127);
    while rest >= 128 {
        block.push((rest % 128) as u8 | 128);
        rest /= 128;
    }
    block.push(rest as u8);
}

/// A GET of `path` from `authority`.
#[must_use]
pub fn get<'a>(authority: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    asking("GET", authority, path)
}

/// A request's pseudo-fields.
#[must_use]
pub fn asking<'a>(method: &'a str, authority: &'a str, path: &'a str) -> [(&'a str, &'a str); 4] {
    [
        (":method", method),
        (":scheme", "http"),
        (":authority", authority),
        (":path", path),
    ]
}

/// What came on one stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// 0: no head came.
    pub status: u16,
    pub fields: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// The code of RST_STREAM, or of the GOAWAY that ended the connection before the stream's end.
    pub ended_by: Option<u32>,
    pub complete: bool,
}

impl Answered {
    /// The first value of this name.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(n, _)| n == name);
        found.map(|(_, value)| value.as_str())
    }

    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// One connection.
pub struct Frames {
    stream: TcpStream,
    decoder: Decoder<'static>,
    /// Whether WINDOW_UPDATE answers DATA.
    pub opens_windows: bool,
    /// What may still be sent: on all streams, and on each new one.
    window: i64,
    first_window: i64,
    /// What was given to each stream beyond the first window, less what was sent.
    windows: HashMap<u32, i64>,
}

/// The number of a setting.
const INITIAL_WINDOW_SIZE: u16 = 4;
const FRAME_MAX: i64 = 16 * 1024;

impl Frames {
    /// Connects, sends the preface and these settings; each is a number and its value.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn connect(address: &str, settings: &[(u16, u32)]) -> io::Result<Self> {
        Self::begin(address, b"", settings)
    }

    /// Connects, and sends something else before the preface.
    ///
    /// # Panics
    /// When there is no connection.
    #[must_use]
    pub fn connect_behind(address: &str, before: &[u8]) -> Self {
        Self::begin(address, before, &[]).expect("a connection")
    }

    fn begin(address: &str, before: &[u8], settings: &[(u16, u32)]) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_write_timeout(Some(TIMEOUT))?;
        let mut frames = Self {
            stream,
            decoder: Decoder::new(),
            opens_windows: true,
            window: 65_535,
            first_window: 65_535,
            windows: HashMap::new(),
        };
        let mut payload = Vec::new();
        for (number, value) in settings {
            payload.extend(number.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        let first = Frame::new(kind::SETTINGS, 0, 0, payload).encode();
        frames.send_bytes(&[before, PREFACE, &first].concat())?;
        Ok(frames)
    }

    /// # Errors
    /// As the system gives them.
    pub fn send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// # Errors
    /// As the system gives them.
    pub fn send(&mut self, frame: &Frame) -> io::Result<()> {
        self.send_bytes(&frame.encode())
    }

    /// Sends a head, the last frame of its stream or not.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn ask(&mut self, stream: u32, fields: &[(&str, &str)], is_all: bool) -> io::Result<()> {
        let flags = END_HEADERS | if is_all { END } else { 0 };
        self.send(&Frame::new(kind::HEADERS, flags, stream, block(fields)))
    }

    /// # Errors
    /// As the system gives them.
    pub fn data(&mut self, stream: u32, bytes: &[u8], is_last: bool) -> io::Result<()> {
        let len = bytes.len() as i64;
        self.window -= len;
        *self.windows.entry(stream).or_default() -= len;
        self.send(&Frame::new(kind::DATA, u8::from(is_last), stream, bytes))
    }

    /// Sends a whole body as the windows allow, and ends the stream.
    ///
    /// # Errors
    /// When no window is opened for long, or the connection ends.
    pub fn upload(&mut self, stream: u32, mut body: &[u8]) -> io::Result<()> {
        while !body.is_empty() {
            let own = self.windows.get(&stream).copied().unwrap_or_default() + self.first_window;
            let room = own.min(self.window).min(FRAME_MAX);
            if room <= 0 {
                let frame = self.read()?.ok_or(ErrorKind::UnexpectedEof)?;
                self.acknowledge(&frame);
                continue;
            }
            let (now, rest) = body.split_at(body.len().min(room as usize));
            self.data(stream, now, rest.is_empty())?;
            body = rest;
        }
        Ok(())
    }

    /// Takes a request back.
    ///
    /// # Errors
    /// As the system gives them.
    pub fn reset(&mut self, stream: u32, code: u32) -> io::Result<()> {
        self.send(&Frame::new(kind::RST_STREAM, 0, stream, code.to_be_bytes()))
    }

    /// Sends a ping and waits for its echo: what was sent before has been read then.
    ///
    /// # Errors
    /// When none comes.
    pub fn echo(&mut self) -> io::Result<()> {
        self.send(&Frame::new(kind::PING, 0, 0, [7; 8]))?;
        loop {
            let frame = self.read()?.ok_or(ErrorKind::UnexpectedEof)?;
            self.acknowledge(&frame);
            match frame.kind {
                kind::PING if frame.flags & END != 0 => return Ok(()),
                kind::HEADERS => drop(self.decode(&frame)?),
                _ => {}
            }
        }
    }

    /// The next fields on this stream.
    ///
    /// # Errors
    /// When none come.
    pub fn next_head(&mut self, stream: u32) -> io::Result<Vec<(String, String)>> {
        loop {
            let frame = self.read()?.ok_or(ErrorKind::UnexpectedEof)?;
            self.acknowledge(&frame);
            if frame.kind == kind::HEADERS {
                let fields = self.decode(&frame)?;
                if frame.stream == stream {
                    return Ok(fields);
                }
            }
        }
    }

    /// The next bytes on this stream; the head before them is passed over.
    ///
    /// # Errors
    /// When none come.
    pub fn next_data(&mut self, stream: u32) -> io::Result<Vec<u8>> {
        loop {
            let frame = self.read()?.ok_or(ErrorKind::UnexpectedEof)?;
            self.acknowledge(&frame);
            match frame.kind {
                kind::HEADERS => drop(self.decode(&frame)?),
                kind::DATA if frame.stream == stream => return Ok(frame.payload),
                _ => {}
            }
        }
    }

    /// The next frame; `None` at the end of the connection.
    ///
    /// # Errors
    /// When nothing comes for long.
    pub fn read(&mut self) -> io::Result<Option<Frame>> {
        let mut head = [0; 9];
        if !self.fill(&mut head)? {
            return Ok(None);
        }
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut payload = vec![0; len];
        if !self.fill(&mut payload)? {
            return Ok(None);
        }
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        let frame = Frame::new(head[3], head[4], stream, payload);
        self.note(&frame);
        Ok(Some(frame))
    }

    fn note(&mut self, frame: &Frame) {
        match (frame.kind, frame.payload[..].try_into()) {
            (kind::WINDOW_UPDATE, Ok(more)) => {
                let more = i64::from(u32::from_be_bytes(more));
                match frame.stream {
                    0 => self.window += more,
                    stream => *self.windows.entry(stream).or_default() += more,
                }
            }
            (kind::SETTINGS, _) => {
                for setting in frame.payload.chunks_exact(6) {
                    if setting[..2] == INITIAL_WINDOW_SIZE.to_be_bytes() {
                        let value = [setting[2], setting[3], setting[4], setting[5]];
                        self.first_window = u32::from_be_bytes(value).into();
                    }
                }
            }
            _ => {}
        }
    }

    /// Answers what a client must answer.
    fn acknowledge(&mut self, frame: &Frame) {
        let payload = match frame.kind {
            kind::PING if frame.flags & END == 0 => &frame.payload[..],
            kind::SETTINGS if frame.flags & END == 0 => &[],
            _ => return,
        };
        // The connection may be gone already; the next read tells.
        let _ = self.send(&Frame::new(frame.kind, END, 0, payload));
    }

    fn fill(&mut self, bytes: &mut [u8]) -> io::Result<bool> {
        match self.stream.read_exact(bytes) {
            Ok(()) => Ok(true),
            Err(error) => match error.kind() {
                ErrorKind::UnexpectedEof
                | ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted => Ok(false),
                _ => Err(error),
            },
        }
    }

    /// Reads until this stream has ended, and answers what a client must; other streams' frames are lost.
    ///
    /// # Errors
    /// When nothing comes for long.
    pub fn answer(&mut self, stream: u32) -> io::Result<Answered> {
        let mut answered = Answered::default();
        while let Some(frame) = self.read()? {
            self.acknowledge(&frame);
            match (frame.kind, frame.stream) {
                (kind::GOAWAY, _) => {
                    answered.ended_by = frame.code();
                    continue;
                }
                (kind::HEADERS, on) => {
                    // Decoded in any case: the table is the connection's.
                    let fields = self.decode(&frame)?;
                    if on == stream {
                        answered.take_head(fields);
                    }
                }
                (kind::DATA, on) => {
                    self.open(on, frame.payload.len());
                    if on == stream {
                        answered.body.extend(&frame.payload);
                    }
                }
                (kind::RST_STREAM, on) if on == stream => {
                    answered.ended_by = frame.code();
                    return Ok(answered);
                }
                _ => continue,
            }
            if frame.stream == stream && frame.flags & END != 0 {
                answered.complete = true;
                return Ok(answered);
            }
        }
        Ok(answered)
    }

    /// Reads to the end of the connection; the code of the last GOAWAY, if one came.
    ///
    /// # Errors
    /// When nothing comes for long.
    pub fn goaway(&mut self) -> io::Result<Option<u32>> {
        let mut code = None;
        while let Some(frame) = self.read()? {
            if frame.kind == kind::GOAWAY {
                code = frame.code();
            }
        }
        Ok(code)
    }

    fn open(&mut self, stream: u32, len: usize) {
        if !self.opens_windows || len == 0 {
            return;
        }
        let more = u32::try_from(len).unwrap_or(u32::MAX).to_be_bytes();
        for on in [0, stream] {
            // A stream or connection that has ended needs no window.
            let _ = self.send(&Frame::new(kind::WINDOW_UPDATE, 0, on, more));
        }
    }

    fn decode(&mut self, frame: &Frame) -> io::Result<Vec<(String, String)>> {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let fields = self.decoder.decode(&frame.payload);
        let fields = fields.map_err(|error| io::Error::other(format!("{error:?}")))?;
        Ok(fields
            .into_iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect())
    }
}

impl Answered {
    /// 1xx ones are passed over.
    fn take_head(&mut self, fields: Vec<(String, String)>) {
        let status = fields.iter().find(|(name, _)| name == ":status");
        let status = status.and_then(|(_, value)| value.parse().ok());
        if let Some(status @ 200..) = status {
            self.status = status;
            self.fields = fields;
        }
    }
}
