//! Under which names settings take a PostgreSQL connection from the environment.
//!
//! Names are never guessed: only those that the settings were seen to read are answered. Which of
//! them work is for `learn` to find out, by asking the settings again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::app::Vars;
use crate::inspection::{Database, EnvRead};

/// A managed PostgreSQL that the settings could be pointed at. It need not run yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Connection {
    /// The folder of the Unix socket, absolute.
    pub socket_dir: PathBuf,
    pub port: u16,
    pub name: String,
    pub user: String,
    pub password: String,
}

/// Without the password.
impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}@{}:{}/{}",
            self.user,
            self.socket_dir.display(),
            self.port,
            self.name
        )
    }
}

/// Backends that speak to PostgreSQL, by the last part of their module's name. Tenants' and
/// Prometheus' backends are called `postgresql` or `postgresql_backend`, GeoDjango's `postgis`.
pub fn is_postgres_engine(engine: &str) -> bool {
    let last = engine.rsplit('.').next().unwrap_or_default();
    last.starts_with("postgresql") || last.starts_with("postgis") || last == "psqlextra"
}

/// What a variable holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    Url,
    Engine,
    Name,
    User,
    Password,
    Host,
    Port,
}

const BASES: [&str; 7] = [
    "DATABASE",
    "POSTGRESQL",
    "POSTGRES",
    "PSQL",
    "SQL",
    "PG",
    "DB",
];

const PARTS: [(&str, Part); 17] = [
    ("URL", Part::Url),
    ("URI", Part::Url),
    ("ENGINE", Part::Engine),
    ("BACKEND", Part::Engine),
    ("NAME", Part::Name),
    ("DBNAME", Part::Name),
    ("DB", Part::Name),
    ("DATABASE", Part::Name),
    ("USERNAME", Part::User),
    ("USER", Part::User),
    ("PASSWORD", Part::Password),
    ("PASSWD", Part::Password),
    ("PASS", Part::Password),
    ("PWD", Part::Password),
    ("HOSTNAME", Part::Host),
    ("HOST", Part::Host),
    ("PORT", Part::Port),
];

/// Splits `DJANGO_DB_NAME` into its prefix `DJANGO` and what it holds.
pub(crate) fn part_of(variable: &str) -> Option<(&str, Part)> {
    PARTS.iter().find_map(|(word, part)| {
        let rest = variable.strip_suffix(word)?;
        let rest = rest.strip_suffix('_').unwrap_or(rest);
        let prefix = BASES.iter().find_map(|base| {
            let before = rest.strip_suffix(base)?;
            if before.is_empty() {
                Some("")
            } else {
                before.strip_suffix('_')
            }
        })?;
        Some((prefix, *part))
    })
}

/// Whether settings could take a part of a database from a variable of this name.
#[must_use]
pub fn names_a_part(variable: &str) -> bool {
    part_of(variable).is_some()
}

/// The prefixes to try, likeliest first: none, `DJANGO`, then the others by name. One prefix is one
/// database: `LEGACY_DB_NAME` must not be led to the default database's place.
pub(crate) fn prefixes(env: &[EnvRead]) -> Vec<String> {
    let mut found: Vec<String> = env
        .iter()
        .filter_map(|read| part_of(&read.name))
        .map(|(prefix, _)| prefix.to_owned())
        .collect();
    found.sort_by_key(|prefix| (!prefix.is_empty(), prefix != "DJANGO", prefix.clone()));
    found.dedup();
    found
}

/// The variables of one prefix.
pub(crate) fn variables(env: &[EnvRead], prefix: &str) -> BTreeMap<String, Part> {
    env.iter()
        .filter_map(|read| {
            let (found, part) = part_of(&read.name)?;
            (found == prefix).then(|| (read.name.clone(), part))
        })
        .collect()
}

/// Those of one prefix that the user has given a value.
pub(crate) fn decided(env: &[EnvRead], prefix: &str, ours: &Vars) -> Vec<String> {
    env.iter()
        .filter(|read| read.set && !read.empty && !ours.contains_key(&read.name))
        .filter(|read| part_of(&read.name).is_some_and(|(found, _)| found == prefix))
        .map(|read| read.name.clone())
        .collect()
}

/// Whether any of these names is one by which settings take a database from the environment.
#[must_use]
pub fn names_a_database(env: &[EnvRead]) -> bool {
    env.iter().any(|read| part_of(&read.name).is_some())
}

/// Whether the user has set the names by which the settings take their database: then it is theirs.
#[must_use]
pub fn is_decided(env: &[EnvRead]) -> bool {
    let first = prefixes(env).into_iter().next();
    first.is_some_and(|prefix| !decided(env, &prefix, &Vars::new()).is_empty())
}

/// The password that the settings take from the environment, by a name of its own or in a URL.
pub fn password(env: &[EnvRead], value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let given = |wanted: Part| {
        let mut names = env
            .iter()
            .filter(move |read| part_of(&read.name).is_some_and(|(_, part)| part == wanted));
        names.find_map(|read| value(&read.name).filter(|value| !value.is_empty()))
    };
    given(Part::Password).or_else(|| password_in(&given(Part::Url)?))
}

fn password_in(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let (login, _) = rest.split_once('@')?;
    let (_, password) = login.split_once(':')?;
    let decoded = percent_encoding::percent_decode_str(password)
        .decode_utf8()
        .ok()?;
    Some(decoded.into_owned())
}

/// How a URL can name a Unix socket; helpers understand one or another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UrlForm {
    /// `postgres://user@%2Frun%2Fdb:5432/name`, which libpq documents; helpers that lower-case the
    /// host break it when the folder has capitals.
    EncodedHost,
    /// `postgres://user@:5432/name?host=/run/db`, which ends in OPTIONS.
    HostOption,
    /// `postgres://user@:5432//run/db/name`, django-environ's own.
    PathBeforeName,
}

/// How an engine is named; some settings put `django.db.backends.` before it themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EngineForm {
    Full,
    Last,
    Short,
}

const IN_URL: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// What an empty port means to PostgreSQL's clients.
const DEFAULT_PORT: u16 = 5432;

impl Connection {
    /// What the likeliest names of those that the settings read have to hold, for a database at this place. A host in
    /// the folder's place is taken as it is.
    #[must_use]
    pub fn variables(&self, env: &[EnvRead]) -> Vars {
        let Some(prefix) = prefixes(env).into_iter().next() else {
            return Vars::new();
        };
        let value = |part| self.value(part, UrlForm::EncodedHost, EngineForm::Full);
        let named = variables(env, &prefix).into_iter();
        named.map(|(name, part)| (name, value(part))).collect()
    }

    pub(crate) fn value(&self, part: Part, url: UrlForm, engine: EngineForm) -> String {
        match part {
            Part::Url => self.url(url),
            Part::Engine => match engine {
                EngineForm::Full => "django.db.backends.postgresql".into(),
                EngineForm::Last => "postgresql".into(),
                EngineForm::Short => "postgres".into(),
            },
            Part::Name => self.name.clone(),
            Part::User => self.user.clone(),
            Part::Password => self.password.clone(),
            Part::Host => self.socket_dir.display().to_string(),
            Part::Port => self.port.to_string(),
        }
    }

    fn url(&self, form: UrlForm) -> String {
        let encoded = |text: &str| utf8_percent_encode(text, IN_URL).to_string();
        let dir = self.socket_dir.display().to_string();
        let start = format!(
            "postgres://{}:{}@",
            encoded(&self.user),
            encoded(&self.password)
        );
        let (port, name) = (self.port, encoded(&self.name));
        match form {
            UrlForm::EncodedHost => format!("{start}{}:{port}/{name}", encoded(&dir)),
            UrlForm::HostOption => format!("{start}:{port}/{name}?host={}", encoded(&dir)),
            UrlForm::PathBeforeName => format!("{start}:{port}/{dir}/{name}"),
        }
    }

    /// Whether settings that resolved to `database` are led here.
    pub(crate) fn is_reached_by(&self, database: &Database) -> bool {
        database.is_postgres()
            && database.engine_exists
            && database.name == self.name
            && database.host == self.socket_dir.display().to_string()
            && (database.port == self.port.to_string()
                || (database.port.is_empty() && self.port == DEFAULT_PORT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_taken_apart_and_others_are_left_alone() {
        assert_eq!(part_of("DATABASE_URL"), Some(("", Part::Url)));
        assert_eq!(part_of("DJANGO_DB_NAME"), Some(("DJANGO", Part::Name)));
        assert_eq!(part_of("POSTGRES_DB"), Some(("", Part::Name)));
        assert_eq!(part_of("PGDATABASE"), Some(("", Part::Name)));
        assert_eq!(part_of("PGPASSWORD"), Some(("", Part::Password)));
        assert_eq!(part_of("SQL_DATABASE"), Some(("", Part::Name)));
        assert_eq!(part_of("DB_USERNAME"), Some(("", Part::User)));
        assert_eq!(
            part_of("MY_SITE_POSTGRES_HOST"),
            Some(("MY_SITE", Part::Host))
        );
        for other in [
            "MYSQL_HOST",
            "REDIS_DB",
            "REDIS_URL",
            "EMAIL_HOST",
            "DB_CONN_MAX_AGE",
        ] {
            assert_eq!(part_of(other), None, "{other}");
        }
    }

    #[test]
    fn prefixes_are_tried_likeliest_first() {
        let read = |name: &str| EnvRead {
            name: name.into(),
            ..EnvRead::default()
        };
        let env = ["LEGACY_DB_NAME", "DJANGO_DB_NAME", "DB_NAME", "DB_USER"].map(read);
        assert_eq!(prefixes(&env), ["", "DJANGO", "LEGACY"]);
    }

    #[test]
    fn a_url_encodes_what_would_break_it() {
        let connection = Connection {
            socket_dir: "/run/a b".into(),
            port: 5432,
            name: "db".into(),
            user: "u@x".into(),
            password: "p/:".into(),
        };
        let url = connection.url(UrlForm::EncodedHost);
        assert_eq!(url, "postgres://u%40x:p%2F%3A@%2Frun%2Fa%20b:5432/db");
        assert!(!format!("{connection:?}").contains("p/:"));
    }

    #[test]
    fn backends_built_on_postgresql_count() {
        for engine in [
            "django.db.backends.postgresql",
            "django.contrib.gis.db.backends.postgis",
            "django_tenants.postgresql_backend",
        ] {
            assert!(is_postgres_engine(engine), "{engine}");
        }
        assert!(!is_postgres_engine("django.db.backends.sqlite3"));
    }
}
