//! The client's wire to an authority. It notes what the client throws away: when an authority that turns us away wants to
//! be asked again (RFC 8555, 6.6; RFC 9110, 10.2.3).

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::RETRY_AFTER;
use http::{Request, Response, StatusCode};
use hyper_rustls::{ConfigBuilderExt as _, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

use crate::trouble::LONGEST_WAIT;

/// When an authority wants to be asked again, if it said so last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Later(Arc<Mutex<Option<Duration>>>);

pub(crate) struct Wire {
    client: Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    later: Later,
}

impl Later {
    pub(crate) fn said(&self) -> Option<Duration> {
        *self.lock()
    }

    fn note<B>(&self, response: &Response<B>) {
        let turned_away = matches!(
            response.status(),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
        );
        let field = response.headers().get(RETRY_AFTER);
        let said = field.and_then(|value| value.to_str().ok());
        *self.lock() = said
            .filter(|_| turned_away)
            .and_then(|said| wait(said, SystemTime::now()));
    }

    fn lock(&self) -> MutexGuard<'_, Option<Duration>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wire {
    pub(crate) fn new(trusted: ClientConfig, later: &Later) -> Self {
        let builder = HttpsConnectorBuilder::new().with_tls_config(trusted);
        let connector = builder.https_only().enable_http1().enable_http2().build();
        Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            later: later.clone(),
        }
    }
}

/// Whom to believe. `ca` (PEM): what is believed in the place of what this machine believes.
pub(crate) fn trust(ca: Option<&str>) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder();
    let builder = match ca {
        Some(ca) => builder.with_root_certificates(roots(ca)?),
        None => builder.try_with_platform_verifier()?,
    };
    Ok(builder.with_no_client_auth())
}

fn roots(ca: &str) -> Result<RootCertStore, rustls::Error> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(ca.as_bytes()) {
        let certificate =
            certificate.map_err(|error| rustls::Error::General(format!("ca: {error}")))?;
        roots.add(certificate)?;
    }
    Ok(roots)
}

impl HttpClient for Wire {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let (asked, later) = (self.client.request(request), self.later.clone());
        Box::pin(async move {
            let response = asked.await.map_err(|error| Error::Other(error.into()))?;
            later.note(&response);
            Ok(BytesResponse::from(response))
        })
    }
}

/// Seconds, or a date.
fn wait(said: &str, now: SystemTime) -> Option<Duration> {
    let said = said.trim();
    let wait = match said.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = httpdate::parse_http_date(said).ok()?;
            until.duration_since(now).unwrap_or_default()
        }
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_seconds_or_a_date_and_has_a_bound() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        let seconds = |said| wait(said, now).map(|wait| wait.as_secs());
        assert_eq!(seconds("120"), Some(120));
        assert_eq!(seconds(" 5 "), Some(5));
        assert_eq!(seconds("Thu, 01 Jan 1970 00:20:00 GMT"), Some(200));
        assert_eq!(seconds("Thu, 01 Jan 1970 00:00:00 GMT"), Some(0));
        assert_eq!(seconds("99999999999999"), Some(LONGEST_WAIT.as_secs()));
        for odd in ["", "soon", "-1", "1.5"] {
            assert_eq!(seconds(odd), None, "{odd}");
        }
    }

    #[test]
    fn only_who_turns_us_away_is_asked_later_and_only_the_last_word_counts() {
        let later = Later::default();
        let say = |status: u16, said: Option<&str>| {
            let mut answer = Response::builder().status(status);
            if let Some(said) = said {
                answer = answer.header("retry-after", said);
            }
            later.note(&answer.body(()).unwrap());
            later.said().map(|wait| wait.as_secs())
        };
        // An order that is being looked at says when to look again.
        assert_eq!(say(200, Some("3")), None);
        assert_eq!(say(429, Some("7200")), Some(7200));
        assert_eq!(say(503, Some("60")), Some(60));
        assert_eq!(say(429, None), None);
    }
}
