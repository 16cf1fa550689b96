//! An HTTP/1 client that sends exactly the bytes it is given.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use crate::response::{Framing, Response};

const TIMEOUT: Duration = Duration::from_secs(20);

/// One connection.
#[derive(Debug)]
pub struct Raw {
    stream: Stream,
    /// Read and not yet used.
    buffer: Vec<u8>,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    fn both(&self) -> (Box<dyn Read + '_>, Box<dyn Write + '_>) {
        match self {
            Self::Tcp(stream) => (Box::new(stream), Box::new(stream)),
            Self::Unix(stream) => (Box::new(stream), Box::new(stream)),
        }
    }
}

impl Raw {
    /// Connects to `http://HOST:PORT`, `HOST:PORT` or `unix:PATH`.
    pub fn connect(address: &str) -> io::Result<Self> {
        let address = address.trim_start_matches("http://").trim_end_matches('/');
        let stream = if let Some(path) = address.strip_prefix("unix:") {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            Stream::Unix(stream)
        } else {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_read_timeout(Some(TIMEOUT))?;
            stream.set_write_timeout(Some(TIMEOUT))?;
            Stream::Tcp(stream)
        };
        Ok(Self {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Connects to `HOST:PORT`; neither this nor anything later may take longer.
    pub fn connect_within(address: &str, patience: Duration) -> io::Result<Self> {
        let address = address.parse().map_err(io::Error::other)?;
        let stream = TcpStream::connect_timeout(&address, patience)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        Ok(Self {
            stream: Stream::Tcp(stream),
            buffer: Vec::new(),
        })
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.both().1.write_all(bytes.as_ref())
    }

    /// Sends in pieces of `size` bytes with a pause between them, as a bad line would.
    pub fn send_slowly(&mut self, bytes: &[u8], size: usize, pause: Duration) -> io::Result<()> {
        for piece in bytes.chunks(size) {
            self.send(piece)?;
            std::thread::sleep(pause);
        }
        Ok(())
    }

    /// No more will be sent.
    pub fn finish_sending(&self) -> io::Result<()> {
        match &self.stream {
            Stream::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(std::net::Shutdown::Write),
        }
    }

    /// Sends a request and reads its answer.
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> io::Result<Response> {
        let request = request.as_ref();
        self.send(request)?;
        let method = request
            .split(|byte| *byte == b' ')
            .next()
            .unwrap_or_default();
        self.read(&String::from_utf8_lossy(method))
    }

    /// As [`Raw::ask`], behind bytes that are no part of the request.
    pub fn ask_behind(&mut self, before: &[u8], request: &str) -> io::Result<Response> {
        self.send(before)?;
        self.ask(request)
    }

    /// Reads one whole answer to a request of this method; 1xx ones before it are passed over.
    pub fn read(&mut self, method: &str) -> io::Result<Response> {
        let mut response = self.read_head(method)?;
        while matches!(response.status, 100..=199) {
            response = self.read_head(method)?;
        }
        self.read_body(&mut response)?;
        Ok(response)
    }

    /// Reads a head; the body is for [`Raw::read_body`] or [`Raw::read_chunk`].
    pub fn read_head(&mut self, method: &str) -> io::Result<Response> {
        let head = self.take_until(b"\r\n\r\n")?;
        Ok(Response::parse(&head, method))
    }

    /// Reads the body that belongs to `response`. Cut off: `complete` stays false.
    pub fn read_body(&mut self, response: &mut Response) -> io::Result<()> {
        match response.framing {
            Framing::None => {}
            Framing::Length => {
                let length = response.length().expect("the length is a number");
                response.body = match self.take(length) {
                    Err(error) if is_cut(&error) => {
                        response.body = std::mem::take(&mut self.buffer);
                        return Ok(());
                    }
                    taken => taken?,
                };
            }
            Framing::Chunked => loop {
                match self.read_chunk() {
                    Ok(Some(chunk)) => response.body.extend(chunk),
                    Ok(None) => break,
                    Err(error) if is_cut(&error) => return Ok(()),
                    Err(error) => return Err(error),
                }
            },
            Framing::Close => response.body = self.read_to_end()?,
        }
        response.complete = true;
        Ok(())
    }

    /// One chunk of a chunked body; `None` is its end.
    pub fn read_chunk(&mut self) -> io::Result<Option<Vec<u8>>> {
        let line = self.take_until(b"\r\n")?;
        let size = std::str::from_utf8(&line)
            .ok()
            .and_then(|line| usize::from_str_radix(line, 16).ok());
        let size = size.unwrap_or_else(|| panic!("no chunk size: {line:?}"));
        let chunk = self.take(size)?;
        assert_eq!(self.take(2)?, b"\r\n", "a chunk ends with CRLF");
        Ok((size > 0).then_some(chunk))
    }

    /// Everything up to the connection's end.
    pub fn read_to_end(&mut self) -> io::Result<Vec<u8>> {
        loop {
            match self.fill() {
                Ok(()) => {}
                Err(error) if is_cut(&error) => return Ok(std::mem::take(&mut self.buffer)),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether something comes within this time; it is read later.
    pub fn answers_within(&mut self, time: Duration) -> bool {
        self.wait_for(time);
        let came = !self.buffer.is_empty() || self.fill().is_ok();
        self.wait_for(TIMEOUT);
        came
    }

    fn wait_for(&self, time: Duration) {
        let set = match &self.stream {
            Stream::Tcp(stream) => stream.set_read_timeout(Some(time)),
            Stream::Unix(stream) => stream.set_read_timeout(Some(time)),
        };
        set.expect("a time can be set");
    }

    /// Whether the peer closes without sending anything more.
    pub fn is_closed(&mut self) -> bool {
        self.buffer.is_empty() && self.fill().is_err_and(|error| is_cut(&error))
    }

    /// The next `length` bytes.
    pub fn take(&mut self, length: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill()?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    fn take_until(&mut self, mark: &[u8]) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = self
                .buffer
                .windows(mark.len())
                .position(|window| window == mark)
            {
                let taken = self.buffer.drain(..at).collect();
                self.buffer.drain(..mark.len());
                return Ok(taken);
            }
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut piece = [0; 65536];
        match self.stream.both().0.read(&mut piece)? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => {
                self.buffer.extend_from_slice(&piece[..count]);
                Ok(())
            }
        }
    }
}

fn is_cut(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe
    )
}
