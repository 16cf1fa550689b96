//! An answer as it came over the wire.

/// How the end of the body was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body is allowed: HEAD, 1xx, 204, 304.
    None,
    Length,
    Chunked,
    /// Until the connection's end.
    Close,
}

#[derive(Clone, Debug)]
pub struct Response {
    /// `HTTP/1.1`
    pub version: String,
    pub status: u16,
    pub reason: String,
    /// In their order; bytes as Latin-1.
    pub headers: Vec<(String, String)>,
    pub framing: Framing,
    pub body: Vec<u8>,
    /// The body came to its end.
    pub complete: bool,
}

impl Response {
    /// Reads a head up to and without its empty line.
    pub(crate) fn parse(head: &[u8], method: &str) -> Self {
        let text: String = head.iter().map(|byte| char::from(*byte)).collect();
        let mut lines = text.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let mut words = status_line.splitn(3, ' ');
        let version = words.next().unwrap_or_default().to_owned();
        let status = words.next().and_then(|status| status.parse().ok());
        let status = status.unwrap_or_else(|| panic!("no status line: {text:?}"));
        let reason = words.next().unwrap_or_default().to_owned();
        let headers = lines.map(|line| {
            let (name, value) = line
                .split_once(':')
                .unwrap_or_else(|| panic!("no field: {line:?}"));
            assert_eq!(name, name.trim(), "spaces around a field's name");
            (name.to_owned(), value.trim_matches([' ', '\t']).to_owned())
        });
        let mut response = Self {
            version,
            status,
            reason,
            headers: headers.collect(),
            framing: Framing::Close,
            body: Vec::new(),
            complete: false,
        };
        response.framing = response.framing_of(method);
        response
    }

    fn framing_of(&self, method: &str) -> Framing {
        let bodiless = method == "HEAD" || matches!(self.status, 100..=199 | 204 | 304);
        match (
            bodiless,
            self.header("transfer-encoding"),
            self.header("content-length"),
        ) {
            (true, ..) => Framing::None,
            (_, Some(coding), None) => {
                assert_eq!(coding, "chunked");
                Framing::Chunked
            }
            (_, Some(_), Some(_)) => panic!("Transfer-Encoding beside Content-Length"),
            (_, None, Some(_)) => Framing::Length,
            (_, None, None) => Framing::Close,
        }
    }

    /// The field's only value; panics when it came twice.
    pub fn header(&self, name: &str) -> Option<&str> {
        let all = self.headers_named(name);
        assert!(all.len() < 2, "{name} came twice: {:?}", self.headers);
        all.first().copied()
    }

    /// All values of the field, in their order.
    pub fn headers_named(&self, name: &str) -> Vec<&str> {
        let named = |(other, _): &&(String, String)| other.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .filter(named)
            .map(|(_, value)| value.as_str())
            .collect()
    }

    pub fn length(&self) -> Option<usize> {
        self.header("content-length")?.parse().ok()
    }

    /// The body, which must be UTF-8.
    #[track_caller]
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("the body is UTF-8")
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&self.body)))
    }

    /// Whether the peer will take another request on this connection.
    pub fn keeps_alive(&self) -> bool {
        let told = self
            .header("connection")
            .unwrap_or_default()
            .to_ascii_lowercase();
        self.framing != Framing::Close
            && if self.version == "HTTP/1.0" {
                told == "keep-alive"
            } else {
                told != "close"
            }
    }

    /// Panics unless the status is this one.
    #[track_caller]
    pub fn expect(self, status: u16) -> Self {
        let body = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, status, "{:?}\n{body:.2000}", self.headers);
        self
    }
}
