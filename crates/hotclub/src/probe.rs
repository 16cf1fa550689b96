//! Asks a new generation one request before visitors do.

use std::time::Duration;

use hotclub_app::{Call, CallBody, CallError, Lane};
use hotclub_wire::{EnvironError, EnvironWriter};
use serde::{Deserialize, Serialize};

/// How the app is asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Probe {
    pub(crate) host: String,
    /// As a visitor over HTTPS, seen through a proxy that says so.
    pub(crate) https: bool,
    pub(crate) timeout: Duration,
}

/// Why an app that was imported is not fit to serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProbeError {
    #[error("the app answered {status} to its first request (GET / for {host})")]
    Status { status: u16, host: String },
    #[error("the app did not answer its first request within {0:?}")]
    Timeout(Duration),
    #[error("the app did not answer its first request: {0}")]
    Call(#[from] CallError),
    #[error(transparent)]
    Environ(#[from] EnvironError),
}

impl Probe {
    /// One GET of `/`. Whatever is not a server's fault (5xx) counts: a home page may redirect, be
    /// missing or ask for a login.
    pub(crate) async fn ask(&self, lane: &Lane) -> Result<u16, ProbeError> {
        let call = Call {
            environ: self.environ()?,
            body: CallBody::None,
            retry: true,
        };
        let answer = tokio::time::timeout(self.timeout, lane.call(call))
            .await
            .map_err(|_elapsed| ProbeError::Timeout(self.timeout))??;
        if answer.status >= 500 {
            return Err(ProbeError::Status {
                status: answer.status,
                host: self.host.clone(),
            });
        }
        Ok(answer.status)
    }

    fn environ(&self) -> Result<EnvironWriter, EnvironError> {
        let (scheme, port) = if self.https {
            ("https", "443")
        } else {
            ("http", "80")
        };
        let mut environ = EnvironWriter::with_capacity(512);
        for (name, value) in [
            ("REQUEST_METHOD", "GET"),
            ("SCRIPT_NAME", ""),
            ("PATH_INFO", "/"),
            ("QUERY_STRING", ""),
            ("REQUEST_URI", "/"),
            ("RAW_URI", "/"),
            ("SERVER_PROTOCOL", "HTTP/1.1"),
            ("SERVER_NAME", self.host.as_str()),
            ("SERVER_PORT", port),
            ("REMOTE_ADDR", "127.0.0.1"),
            ("wsgi.url_scheme", scheme),
            ("HTTP_HOST", self.host.as_str()),
            ("HTTP_USER_AGENT", "hotclub-probe"),
            ("HTTP_X_FORWARDED_PROTO", scheme),
            ("HTTP_X_FORWARDED_FOR", "127.0.0.1"),
        ] {
            environ.set(name.as_bytes(), value.as_bytes())?;
        }
        Ok(environ)
    }
}
