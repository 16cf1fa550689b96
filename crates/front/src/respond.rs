//! The answers the front gives by itself. The only place that knows which fault is which status.

use bytes::Bytes;
use hotclub_app::{CallError, SpoolError, Times};
use rustix::io::Errno;

use crate::answer::AnswerError;
use crate::head::HeadError;
use crate::message::{Body, Response};
use crate::named_file::NamedFileError;
use crate::proxy::ProxyError;
use crate::request::Request;
use crate::request_id::RequestId;
use crate::spool::BodyError;
use crate::target::TargetError;

/// Seconds after which a client may try again.
const RETRY_AFTER: &[u8] = b"1";
const METHODS: &[u8] = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// Why a request is answered by the front and not by its site.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    #[error(transparent)]
    Head(#[from] HeadError),
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error("the request came too slowly")]
    SlowHead,
    #[error("no site here has this host")]
    NoSite,
    #[error("a request without a host is nobody's here")]
    NoHost,
    #[error("this connection was made for another site")]
    Misdirected,
    #[error("the site is not up at the moment")]
    Closed,
    #[error("the site is being worked on")]
    Maintenance { seconds: u64 },
    #[error("this is not for your address")]
    Forbidden,
    /// The realm.
    #[error("this asks for a name and a password")]
    Unauthorized(String),
    #[error("too many requests came from your address")]
    TooOften { seconds: u64 },
    #[error("too many passwords are being checked")]
    AccessBusy,
    #[error("nothing is at this address")]
    NotFound,
    #[error("only what is kept was asked for, and nothing is")]
    NotCached,
    #[error("TRACE is not served here")]
    Trace,
    #[error(transparent)]
    Call(#[from] CallError),
    #[error("the app gave {0}")]
    Answer(#[from] AnswerError),
    #[error(transparent)]
    NamedFile(#[from] NamedFileError),
    #[error(transparent)]
    Proxy(#[from] ProxyError),
    #[error("the request cannot be put before the app")]
    Environ,
    #[error("the body cannot be handed on: {0}")]
    Descriptor(std::io::Error),
}

impl Trouble {
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Head(error) => head_status(*error),
            Self::Body(error) => body_status(error),
            Self::SlowHead => 408,
            Self::NoSite | Self::Misdirected => 421,
            Self::NoHost | Self::NotFound => 404,
            // RFC 9111, 5.2.1.7.
            Self::NotCached => 504,
            Self::Trace => 405,
            Self::Call(error) => call_status(*error),
            Self::Answer(_) | Self::NamedFile(NamedFileError::Outside { .. }) => 502,
            Self::NamedFile(NamedFileError::Missing { .. }) => 404,
            Self::Proxy(error) => proxy_status(error),
            Self::Environ => 400,
            Self::Unauthorized(_) => 401,
            Self::Forbidden => 403,
            Self::TooOften { .. } => 429,
            Self::Descriptor(_) | Self::Closed | Self::Maintenance { .. } | Self::AccessBusy => 503,
        }
    }

    /// Where the time of the request went.
    pub(crate) fn times(&self) -> Times {
        match self {
            Self::Call(error) => error.times(),
            _ => Times::default(),
        }
    }

    /// A page that says it to a person.
    pub(crate) fn response(&self, id: &RequestId) -> Response {
        let status = self.status();
        let told = self.told();
        let mut response = page(status, &told, id);
        let fields = &mut response.fields;
        match (self, status) {
            (Self::Maintenance { seconds } | Self::TooOften { seconds }, _) => {
                fields.push(b"Retry-After", seconds.to_string().as_bytes());
            }
            // RFC 7617, 2.1: names and passwords are UTF-8.
            (Self::Unauthorized(realm), _) => fields.push(
                b"WWW-Authenticate",
                format!("Basic realm=\"{realm}\", charset=\"UTF-8\"").as_bytes(),
            ),
            (_, 503) => fields.push(b"Retry-After", RETRY_AFTER),
            (_, 405) => fields.push(b"Allow", METHODS),
            _ => {}
        }
        response
    }

    /// What the client may know; the rest is in the log.
    fn told(&self) -> String {
        match self {
            Self::Body(BodyError::Spool(_)) => {
                "There is no room for the request's body.".to_owned()
            }
            Self::Call(error) => match call_status(*error) {
                503 => "The site is busy. Please try again in a moment.".to_owned(),
                504 => "The site took too long to answer.".to_owned(),
                414 | 431 => "The request is too large.".to_owned(),
                _ => "The site did not answer.".to_owned(),
            },
            Self::Proxy(ProxyError::Client(_)) => sentence(&self.to_string()),
            Self::Proxy(error) => match proxy_status(error) {
                503 => "The site is not available. Please try again in a moment.".to_owned(),
                504 => "The site took too long to answer.".to_owned(),
                508 => "The request went in a circle.".to_owned(),
                _ => "The site did not answer.".to_owned(),
            },
            Self::NamedFile(NamedFileError::Missing { .. }) => {
                sentence(&Self::NotFound.to_string())
            }
            Self::Answer(_) | Self::NamedFile(_) => {
                "The site gave an answer that cannot be passed on.".to_owned()
            }
            Self::Descriptor(_) => "The site is busy. Please try again in a moment.".to_owned(),
            other => sentence(&other.to_string()),
        }
    }
}

fn head_status(error: HeadError) -> u16 {
    match error {
        HeadError::Target(TargetError::Long { .. }) => 414,
        HeadError::Target(TargetError::Connect) | HeadError::Coding | HeadError::Method => 501,
        HeadError::Large { .. } | HeadError::ManyFields { .. } => 431,
        HeadError::Version => 505,
        HeadError::Expectation => 417,
        _ => 400,
    }
}

fn body_status(error: &BodyError) -> u16 {
    match error {
        BodyError::TooLarge { .. } => 413,
        BodyError::Slow => 408,
        BodyError::Chunk(_) | BodyError::Left => 400,
        BodyError::Spool(SpoolError::Full { .. }) => 503,
        BodyError::Spool(SpoolError::Io(error)) => match Errno::from_io_error(error) {
            Some(Errno::NOSPC | Errno::DQUOT | Errno::FBIG) => 507,
            _ => 500,
        },
    }
}

fn proxy_status(error: &ProxyError) -> u16 {
    match error {
        ProxyError::Upstream { .. } if error.is_timeout() => 504,
        ProxyError::Upstream { .. } => 502,
        ProxyError::NoneInService { .. } => 503,
        ProxyError::Loop => 508,
        ProxyError::Client(error) => body_status(error),
        ProxyError::Spool(_) => 500,
    }
}

fn call_status(error: CallError) -> u16 {
    match error {
        CallError::QueueFull | CallError::QueueTimeout(_) | CallError::Closed => 503,
        CallError::Deadline(_) => 504,
        CallError::WorkerDied | CallError::NeverStarted => 502,
        CallError::TooLarge => 431,
        CallError::Io(_) => 500,
    }
}

/// Sends a client to `location`.
pub(crate) fn moved(status: u16, location: &[u8]) -> Response {
    let mut response = Response::new(status, Body::Empty);
    response.fields.push(b"Location", location);
    response
}

/// The same for good: with 301, which everything understands, where 308 need not keep a method.
pub(crate) fn moved_for_good(request: &Request, location: &[u8]) -> Response {
    let is_plain = matches!(&request.method[..], b"GET" | b"HEAD");
    moved(if is_plain { 301 } else { 308 }, location)
}

/// What a certificate authority asked for (RFC 8555, 8.3).
pub(crate) fn challenge(text: Bytes) -> Response {
    let mut response = Response::new(200, Body::Bytes(text));
    response
        .fields
        .push(b"Content-Type", b"application/octet-stream");
    response.fields.push(b"Cache-Control", b"no-store");
    response
}

/// Nobody answers `OPTIONS *` but the server itself (RFC 9110, 9.3.7).
pub(crate) fn server_options() -> Response {
    let mut response = Response::new(204, Body::Empty);
    response.fields.push(b"Allow", METHODS);
    response
}

/// `text` is ours, or an id that was checked: nothing in it needs escaping.
fn page(status: u16, text: &str, id: &RequestId) -> Response {
    let title = reason(status);
    let id = id.as_str();
    let small = if id.is_empty() {
        String::new()
    } else {
        format!("<p><small>Request {id}</small></p>\n")
    };
    let html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <title>{status} {title}</title>\n<h1>{title}</h1>\n<p>{text}</p>\n{small}</html>\n"
    );
    let mut response = Response::new(status, Body::Bytes(Bytes::from(html)));
    let fields = &mut response.fields;
    fields.push(b"Content-Type", b"text/html; charset=utf-8");
    fields.push(b"Cache-Control", b"no-store");
    response
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

/// The standard reason phrase; `Unknown` for statuses that have none.
pub(crate) fn reason(status: u16) -> &'static str {
    match status {
        101 => "Switching Protocols",
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        207 => "Multi-Status",
        208 => "Already Reported",
        226 => "IM Used",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        305 => "Use Proxy",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        407 => "Proxy Authentication Required",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        418 => "I'm a teapot",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        423 => "Locked",
        424 => "Failed Dependency",
        425 => "Too Early",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        508 => "Loop Detected",
        511 => "Network Authentication Required",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_that_is_too_large_is_told_the_limit() {
        let trouble = Trouble::Body(BodyError::TooLarge { limit: 1234 });
        let response = trouble.response(&RequestId::accept(b"id-7").unwrap());
        assert_eq!(response.status, 413);
        let Body::Bytes(page) = response.body else {
            panic!("no page");
        };
        let page = String::from_utf8_lossy(&page).into_owned();
        assert!(page.contains("The body is larger than 1234 bytes."));
        assert!(page.contains("Request id-7"));
    }

    #[test]
    fn a_full_queue_says_when_to_come_back() {
        let response = Trouble::Call(CallError::QueueFull).response(&RequestId::default());
        assert_eq!(response.status, 503);
        assert_eq!(response.fields.get("retry-after"), Some(&b"1"[..]));
    }

    #[test]
    fn a_full_disk_is_507() {
        let full = SpoolError::Io(Errno::NOSPC.into());
        assert_eq!(Trouble::Body(BodyError::Spool(full)).status(), 507);
        let full = SpoolError::Full { bound: 1 };
        assert_eq!(Trouble::Body(BodyError::Spool(full)).status(), 503);
    }
}
