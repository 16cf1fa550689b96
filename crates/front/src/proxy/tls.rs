//! TLS to upstreams: whose certificates are believed, and for which name. Nothing turns the check off: a connection
//! into which anybody can step is worth no more than one over http.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Longer than any bundle of certificates.
const LONGEST: u64 = 4 << 20;

/// Why no upstream of a proxy could be believed.
#[derive(Debug, thiserror::Error)]
pub enum ProxyTlsError {
    #[error("{path} cannot be read: {error}", path = .path.display())]
    Unreadable { path: PathBuf, error: io::Error },
    #[error("{path} holds no certificate (PEM, `-----BEGIN CERTIFICATE-----`)", path = .path.display())]
    NoCertificate { path: PathBuf },
    #[error("{path} holds a certificate that cannot be used: {cause}", path = .path.display())]
    Unusable { path: PathBuf, cause: String },
    #[error("this machine has no certificates of authorities")]
    NoAuthorities,
    #[error("no certificate can be for the name {0}")]
    Name(String),
    #[error("TLS cannot be used: {0}")]
    Tls(#[from] rustls::Error),
}

impl ProxyTlsError {
    /// The key of `[[proxy]]` that is to be changed.
    #[must_use]
    pub fn key(&self) -> &'static str {
        match self {
            Self::Name(_) => "tls_name",
            Self::Unreadable { .. } | Self::NoCertificate { .. } | Self::Unusable { .. } => "ca",
            Self::NoAuthorities | Self::Tls(_) => "to",
        }
    }

    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Name(_) => "write tls_name, a name that stands in the server's certificate",
            Self::NoAuthorities => {
                "install the system's bundle (Debian: ca-certificates), or name the server's authority with ca"
            }
            _ => {
                "ca names the certificate (PEM) of the authority that made the server's, or the server's own"
            }
        }
    }
}

/// How connections to one upstream are secured.
#[derive(Clone)]
pub(crate) struct ClientTls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl ClientTls {
    /// For an upstream at `host`.
    pub(crate) fn new(
        connector: &TlsConnector,
        tls_name: Option<&str>,
        host: &str,
    ) -> Result<Self, ProxyTlsError> {
        let name = tls_name.unwrap_or(host);
        let name = ServerName::try_from(name.to_owned())
            .map_err(|_| ProxyTlsError::Name(name.to_owned()))?;
        Ok(Self {
            connector: connector.clone(),
            name,
        })
    }

    /// Agrees on keys, and checks the certificate.
    pub(crate) async fn secure(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        self.connector.connect(self.name.clone(), stream).await
    }
}

/// One for all upstreams of a proxy, which share sessions by name. `ca`: whom to believe in the system's place.
pub(crate) fn connector(ca: Option<&Path>) -> Result<TlsConnector, ProxyTlsError> {
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_root_certificates(roots(ca)?)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn roots(ca: Option<&Path>) -> Result<RootCertStore, ProxyTlsError> {
    let mut roots = RootCertStore::empty();
    let Some(path) = ca else {
        // One that cannot be read is no reason to do without the others.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        return match roots.is_empty() {
            true => Err(ProxyTlsError::NoAuthorities),
            false => Ok(roots),
        };
    };
    let unusable = |cause: String| ProxyTlsError::Unusable {
        path: path.to_owned(),
        cause,
    };
    let text = read(path).map_err(|error| ProxyTlsError::Unreadable {
        path: path.to_owned(),
        error,
    })?;
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| unusable(error.to_string()))?;
    }
    match roots.is_empty() {
        true => Err(ProxyTlsError::NoCertificate {
            path: path.to_owned(),
        }),
        false => Ok(roots),
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let meta = std::fs::metadata(path)?;
    if !meta.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    if meta.len() > LONGEST {
        return Err(io::Error::other("it is longer than 4 MiB"));
    }
    std::fs::read(path)
}
