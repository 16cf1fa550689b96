//! How the app reaches its database, in the shapes that settings ask for.

use std::path::PathBuf;

use hotclub_config::Secret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::ready::{Place, Target};

/// Everything but RFC 3986's unreserved characters.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The app's way to a managed database.
#[derive(Debug, Clone, PartialEq)]
pub struct Connection {
    /// Goes where settings expect a host; of a container, its address.
    pub socket_dir: PathBuf,
    /// Of a socket only the name of its file; no TCP port is open then.
    pub port: u16,
    pub database: String,
    pub user: String,
    pub password: Secret,
}

impl Connection {
    /// `postgres://user:password@/database?host=/socket/dir`. The folder is a parameter and not in the
    /// host's place, percent-encoded, because django-environ leaves it encoded there (and so does
    /// whatever lower-cases hosts); as a parameter libpq, dj-database-url and django-environ agree.
    pub fn url(&self) -> Secret {
        let encode = |text: &str| utf8_percent_encode(text, ENCODED).to_string();
        let mut url = format!(
            "postgres://{}:{}@/{}?host={}",
            encode(&self.user),
            encode(self.password.expose()),
            encode(&self.database),
            encode(&self.socket_dir.to_string_lossy()),
        );
        if self.port != crate::cluster::PORT {
            url += &format!("&port={}", self.port);
        }
        Secret::from(url)
    }

    /// libpq's own variables.
    pub fn env(&self) -> Vec<(&'static str, Secret)> {
        vec![
            ("PGHOST", Secret::new(self.socket_dir.to_string_lossy())),
            ("PGPORT", Secret::new(self.port.to_string())),
            ("PGDATABASE", Secret::new(self.database.as_str())),
            ("PGUSER", Secret::new(self.user.as_str())),
            ("PGPASSWORD", self.password.clone()),
        ]
    }

    /// For `wait_ready`.
    pub fn target(&self) -> Target {
        Target {
            place: Place::new(&self.socket_dir.to_string_lossy(), Some(self.port)),
            user: self.user.clone(),
            password: Some(self.password.clone()),
            database: self.database.clone(),
            require_tls: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_reads_back_as_what_it_was_made_of() {
        let connection = Connection {
            socket_dir: PathBuf::from("/srv/My Site/été/run"),
            port: 5432,
            database: "my-site".into(),
            user: "my@site".into(),
            password: Secret::new("p/w:%?#@ä"),
        };
        let url = connection.url();
        assert_eq!(Target::from_url(url.expose()).unwrap(), connection.target());
        assert!(!format!("{connection:?}").contains("p/w"));
    }
}
