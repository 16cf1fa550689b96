//! Asks until the answers stand: gives the settings a SECRET_KEY, points them at PostgreSQL.
//!
//! Settings read some names only when others are set, so each answer may bring new names, and the
//! question is asked again with those. Importing settings opens no connection: the database that is
//! offered need not run yet.

use std::collections::BTreeSet;

use crate::app::{App, Vars};
use crate::database::{self, Connection, EngineForm, Part, UrlForm};
use crate::inspect::{InspectError, inspect};
use crate::inspection::{EnvRead, Inspection};
use crate::secrets;

/// How often names may lead to further names.
const ROUNDS: usize = 4;

/// What was learnt, and what was injected (already in `app.vars`).
#[derive(Debug, Clone)]
pub struct Learned {
    pub inspection: Inspection,
    pub injected: Vars,
    pub database: Managed,
}

/// What became of the managed database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Managed {
    /// No connection was offered.
    NotOffered,
    /// The settings resolve to the offered connection.
    Pointed,
    /// The user set these variables, so the settings stand as they are.
    Decided { names: Vec<String> },
    /// The settings cannot be led there by environment.
    Impossible { reason: String },
}

/// The settings' state after one question: an answer, or an exception and what was read before it.
type Asked = Result<Inspection, InspectError>;

/// Inspects, injects what is needed into `app.vars`, and inspects again. `app.vars` must hold what
/// the user set and nothing from an earlier `learn`, or it passes for the user's decision.
pub async fn learn(app: &mut App, offered: Option<&Connection>) -> Result<Learned, InspectError> {
    let mut injected = Vars::new();
    let first = ask(app, &mut injected).await?;
    let (asked, database) = match offered {
        None => (first, Managed::NotOffered),
        Some(connection) => point(app, connection, first, &mut injected).await?,
    };
    Ok(Learned {
        inspection: asked?,
        injected,
        database,
    })
}

fn env_of(asked: &Asked) -> &[EnvRead] {
    match asked {
        Ok(inspection) => &inspection.env,
        Err(error) => error.raised().map_or(&[], |raised| &raised.env),
    }
}

fn package_of(asked: &Asked) -> String {
    let settings = match asked {
        Ok(inspection) => Some(&inspection.settings),
        Err(error) => error.raised().and_then(|raised| raised.settings.as_ref()),
    };
    settings
        .and_then(|name| name.split('.').next())
        .unwrap_or_default()
        .to_owned()
}

/// One question, repeated while it turns up names for SECRET_KEY. The outer error is ours (the key
/// cannot be kept), the inner one may be the settings'.
async fn ask(app: &mut App, injected: &mut Vars) -> Result<Asked, InspectError> {
    let mut asked = inspect(app, false).await;
    let mut tried: Vec<String> = Vec::new();
    for _ in 0..ROUNDS {
        let mut candidates = secrets::candidates(env_of(&asked), &package_of(&asked));
        let has_key = matches!(&asked, Ok(found) if !found.secret_key_env.is_empty());
        candidates.retain(|found| !tried.contains(&found.name) && (found.certain || !has_key));
        let Some(candidate) = candidates.into_iter().next() else {
            break;
        };
        tried.push(candidate.name.clone());
        let key = secrets::secret_key(&app.state).map_err(|source| InspectError::Run { source })?;
        let before = app.vars.insert(candidate.name.clone(), key.clone());
        let next = inspect(app, false).await;
        let taken = matches!(&next, Ok(found) if found.secret_key_env.contains(&candidate.name));
        if candidate.certain || taken {
            injected.insert(candidate.name, key);
            asked = next;
        } else {
            restore(&mut app.vars, candidate.name, before);
        }
    }
    Ok(asked)
}

fn restore(vars: &mut Vars, name: String, before: Option<String>) {
    match before {
        Some(value) => vars.insert(name, value),
        None => vars.remove(&name),
    };
}

/// Leads `DATABASES['default']` to `connection`, or gives back the first answer and the reason.
async fn point(
    app: &mut App,
    connection: &Connection,
    first: Asked,
    injected: &mut Vars,
) -> Result<(Asked, Managed), InspectError> {
    let prefixes = database::prefixes(env_of(&first));
    let mut reason = unreadable(&first);
    for prefix in prefixes {
        let names = database::decided(env_of(&first), &prefix, injected);
        if !names.is_empty() {
            return Ok((first, Managed::Decided { names }));
        }
        let mut seen = parts(env_of(&first), &prefix);
        for (url, engine) in FORMS {
            let attempt = Attempt {
                connection,
                prefix: &prefix,
                url,
                engine,
            };
            if attempt.is_same(&seen) {
                continue;
            }
            match attempt.run(app, &first, injected).await? {
                Tried::Reached(asked, names) => {
                    injected.extend(names);
                    return Ok((*asked, Managed::Pointed));
                }
                Tried::Missed(why, more) => {
                    reason = why;
                    seen.extend(more);
                }
            }
        }
    }
    Ok((first, Managed::Impossible { reason }))
}

/// The likeliest first; the others only matter when the settings read a URL or an engine's name.
const FORMS: [(UrlForm, EngineForm); 5] = [
    (UrlForm::EncodedHost, EngineForm::Full),
    (UrlForm::HostOption, EngineForm::Full),
    (UrlForm::PathBeforeName, EngineForm::Full),
    (UrlForm::EncodedHost, EngineForm::Last),
    (UrlForm::EncodedHost, EngineForm::Short),
];

fn unreadable(first: &Asked) -> String {
    let found = first.as_ref().ok().and_then(Inspection::default_database);
    match found {
        Some(found) => format!(
            "the settings read no environment variable that could name a database (they use {})",
            found.engine
        ),
        None => "the settings read no environment variable that could name a database".into(),
    }
}

struct Attempt<'a> {
    connection: &'a Connection,
    prefix: &'a str,
    url: UrlForm,
    engine: EngineForm,
}

enum Tried {
    Reached(Box<Asked>, Vars),
    /// Why, and what was read on the way.
    Missed(String, BTreeSet<Part>),
}

impl Attempt<'_> {
    /// Injects, asks, and injects what has come to light, until the settings arrive or stand still.
    /// Takes everything back when they do not arrive.
    async fn run(
        &self,
        app: &mut App,
        first: &Asked,
        injected: &Vars,
    ) -> Result<Tried, InspectError> {
        let before = app.vars.clone();
        let mut ours = injected.clone();
        let mut given = self.values(first, first);
        let (mut why, mut seen) = (String::new(), BTreeSet::new());
        for _ in 0..ROUNDS {
            app.vars.extend(given.clone());
            let asked = ask(app, &mut ours).await?;
            if self.reached(&asked) {
                ours.retain(|name, _| !injected.contains_key(name));
                ours.extend(given);
                return Ok(Tried::Reached(Box::new(asked), ours));
            }
            why = missed(&asked, &given);
            seen.extend(parts(env_of(&asked), self.prefix));
            let next = self.values(first, &asked);
            if next.keys().all(|name| given.contains_key(name)) {
                break;
            }
            given.extend(next);
        }
        app.vars = before;
        Ok(Tried::Missed(why, seen))
    }

    fn reached(&self, asked: &Asked) -> bool {
        let found = asked.as_ref().ok().and_then(Inspection::default_database);
        found.is_some_and(|found| self.connection.is_reached_by(found))
    }

    /// An engine is only named when the settings do not come to PostgreSQL by themselves: theirs
    /// may be PostGIS.
    fn values(&self, first: &Asked, asked: &Asked) -> Vars {
        let engine_stands = [first, asked].into_iter().any(|asked| {
            let found = asked.as_ref().ok().and_then(Inspection::default_database);
            found.is_some_and(|found| found.is_postgres() && found.engine_exists)
        });
        database::variables(env_of(asked), self.prefix)
            .into_iter()
            .filter(|(_, part)| !(engine_stands && *part == Part::Engine))
            .map(|(name, part)| (name, self.connection.value(part, self.url, self.engine)))
            .collect()
    }

    /// This form differs in nothing that the settings were seen to read.
    fn is_same(&self, seen: &BTreeSet<Part>) -> bool {
        let other_url = self.url != UrlForm::EncodedHost && !seen.contains(&Part::Url);
        let other_engine = self.engine != EngineForm::Full && !seen.contains(&Part::Engine);
        other_url || other_engine
    }
}

fn parts(env: &[EnvRead], prefix: &str) -> BTreeSet<Part> {
    database::variables(env, prefix).into_values().collect()
}

fn missed(asked: &Asked, given: &Vars) -> String {
    let names: Vec<&str> = given.keys().map(String::as_str).collect();
    let names = names.join(", ");
    match asked {
        Err(InspectError::Raised(raised)) => {
            format!(
                "with {names} set, the settings raise {}: {}",
                raised.kind, raised.message
            )
        }
        Err(error) => format!("with {names} set, {error}"),
        Ok(found) => match found.default_database() {
            Some(found) if found.is_postgres() => format!(
                "with {names} set, DATABASES['default'] still says host \"{}\" and name \"{}\"",
                found.host, found.name
            ),
            Some(found) => {
                format!(
                    "with {names} set, DATABASES['default'] is still {}",
                    found.engine
                )
            }
            None => "DATABASES has no 'default'".into(),
        },
    }
}
