//! Which database is meant: from parts, or from a URL as apps write it.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use hotclub_config::Secret;
use percent_encoding::percent_decode_str;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, NoTls};

/// Where Debian's PostgreSQL has its socket: what libpq takes without a host.
const DEFAULT_SOCKET_DIR: &str = "/var/run/postgresql";
const DEFAULT_PORT: u16 = 5432;

/// What carries a client's words.
pub(crate) type Session = JoinHandle<Result<(), tokio_postgres::Error>>;

/// A database and who logs in.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    pub place: Place,
    pub user: String,
    pub password: Option<Secret>,
    pub database: String,
    /// `sslmode=require` or stricter: no password is ever sent in clear.
    pub require_tls: bool,
}

/// Where it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Unix { dir: PathBuf, port: u16 },
    Tcp { host: String, port: u16 },
}

/// A URL that names no PostgreSQL database. It is not shown: it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the database URL cannot be read: {reason}")]
pub struct TargetError {
    pub reason: &'static str,
}

impl Place {
    /// As settings write it: a host that begins with `/` is the folder of a socket; an empty one the default.
    pub fn new(host: &str, port: Option<u16>) -> Place {
        let port = port.unwrap_or(DEFAULT_PORT);
        match host {
            "" => Place::Unix {
                dir: PathBuf::from(DEFAULT_SOCKET_DIR),
                port,
            },
            _ if host.starts_with('/') => Place::Unix {
                dir: PathBuf::from(host),
                port,
            },
            _ => Place::Tcp {
                host: host.to_owned(),
                port,
            },
        }
    }

    /// The socket's file.
    pub fn socket(dir: &Path, port: u16) -> PathBuf {
        dir.join(format!(".s.PGSQL.{port}"))
    }
}

impl Target {
    /// Reads `postgres://user:password@host:port/database?host=/dir&sslmode=require`; the scheme may be
    /// any that PostgreSQL's relatives use (`postgresql`, `postgis`, `psql`, `timescale`…). Parameters
    /// other than host, port, user, password, dbname and sslmode are for the app's driver and are ignored.
    pub fn from_url(url: &str) -> Result<Target, TargetError> {
        let wrong = |reason| TargetError { reason };
        let (scheme, rest) = url.split_once("://").ok_or(wrong("it has no scheme"))?;
        if !is_postgres(scheme) {
            return Err(wrong("its scheme is not PostgreSQL's"));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        let (login, host) = authority.rsplit_once('@').unwrap_or(("", authority));
        let (user, password) = match login.split_once(':') {
            Some((user, password)) => (user, Some(password)),
            None => (login, None),
        };
        let (host, port) = host_and_port(host).ok_or(wrong("its port is no number"))?;
        let mut parts = Parts {
            host: decoded(host)?,
            port,
            user: decoded(user)?,
            password: password.map(decoded).transpose()?,
            database: decoded(path)?,
            tls: false,
        };
        for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
            parts.take(parameter)?;
        }
        Ok(parts.into_target())
    }

    /// Logs in, without TLS. The task carries the session, and ends by itself once the client is dropped.
    pub(crate) async fn log_in(&self) -> Result<(Client, Session), tokio_postgres::Error> {
        let (client, connection) = self.config().connect(NoTls).await?;
        Ok((client, tokio::spawn(connection)))
    }

    fn config(&self) -> Config {
        let mut config = Config::new();
        match &self.place {
            Place::Unix { dir, port } => config.host_path(dir).port(*port),
            Place::Tcp { host, port } => config.host(host).port(*port),
        };
        config
            .user(&self.user)
            .dbname(&self.database)
            .ssl_mode(SslMode::Disable);
        config.application_name("hotclub");
        if let Some(password) = &self.password {
            config.password(password.expose());
        }
        config
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Unix { dir, port } => write!(f, "{}", Place::socket(dir, *port).display())?,
            Place::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}")?,
            Place::Tcp { host, port } => write!(f, "{host}:{port}")?,
        }
        write!(f, " (user {}, database {})", self.user, self.database)
    }
}

struct Parts<'u> {
    host: Cow<'u, str>,
    port: Option<u16>,
    user: Cow<'u, str>,
    password: Option<Cow<'u, str>>,
    database: Cow<'u, str>,
    tls: bool,
}

impl<'u> Parts<'u> {
    fn take(&mut self, parameter: &'u str) -> Result<(), TargetError> {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = decoded(value)?;
        match name {
            "host" => self.host = value,
            "port" => self.port = value.parse().ok(),
            "user" => self.user = value,
            "password" => self.password = Some(value),
            "dbname" => self.database = value,
            "sslmode" => {
                self.tls = matches!(value.as_ref(), "require" | "verify-ca" | "verify-full")
            }
            _ => {}
        }
        Ok(())
    }

    fn into_target(self) -> Target {
        let user = match self.user.is_empty() {
            true => "postgres".to_owned(),
            false => self.user.into_owned(),
        };
        let database = match self.database.is_empty() {
            true => user.clone(),
            false => self.database.into_owned(),
        };
        let password = self
            .password
            .map(|password| Secret::new(password.into_owned()));
        let place = Place::new(&self.host, self.port);
        let require_tls = self.tls && matches!(place, Place::Tcp { .. });
        Target {
            place,
            user,
            password,
            database,
            require_tls,
        }
    }
}

fn is_postgres(scheme: &str) -> bool {
    let base = scheme.split('+').next().unwrap_or(scheme);
    matches!(
        base,
        "postgres" | "postgresql" | "pgsql" | "psql" | "postgis" | "timescale" | "timescalegis"
    )
}

/// The host (brackets of IPv6 removed) and the port. Of several hosts the first one is asked.
fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let text = text.split(',').next().unwrap_or(text);
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?,
        None => text.find(':').map_or((text, ""), |at| text.split_at(at)),
    };
    match port.strip_prefix(':').unwrap_or(port) {
        "" => Some((host, None)),
        digits => Some((host, Some(digits.parse().ok()?))),
    }
}

fn decoded(text: &str) -> Result<Cow<'_, str>, TargetError> {
    percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| TargetError {
            reason: "it is not UTF-8",
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_as_apps_write_them() {
        for (url, shown, password) in [
            (
                "postgres://u:p%40w@db:5433/site",
                "db:5433 (user u, database site)",
                Some("p@w"),
            ),
            (
                "postgresql://u@[::1]/site",
                "[::1]:5432 (user u, database site)",
                None,
            ),
            (
                "postgis://u:p@%2Fvar%2Frun/site",
                "/var/run/.s.PGSQL.5432 (user u, database site)",
                Some("p"),
            ),
            (
                "postgres:///site?host=/tmp&port=6000",
                "/tmp/.s.PGSQL.6000 (user postgres, database site)",
                None,
            ),
            (
                "postgres://u:p@h/",
                "h:5432 (user u, database u)",
                Some("p"),
            ),
            (
                "postgres://u:p:@x@h/d?conn_max_age=600",
                "h:5432 (user u, database d)",
                Some("p:@x"),
            ),
        ] {
            let target = Target::from_url(url).unwrap();
            assert_eq!(target.to_string(), shown, "{url}");
            assert_eq!(
                target.password.as_ref().map(Secret::expose),
                password,
                "{url}"
            );
        }
        for url in [
            "",
            "db",
            "mysql://h/d",
            "postgres://h:x/d",
            "postgres://[::1/d",
            "postgres://%ff/d",
        ] {
            assert!(Target::from_url(url).is_err(), "{url}");
        }
        assert!(
            Target::from_url("postgres://h/d?sslmode=verify-full")
                .unwrap()
                .require_tls
        );
    }
}
