//! The app's role and database inside a managed cluster: there after this, whatever was before.

use hotclub_config::Secret;
use postgres_protocol::password::scram_sha_256;
use tokio_postgres::Client;

use crate::error::Error;

/// The superuser of every managed cluster: Hotclub's own, never the app's.
pub(crate) const ADMIN: &str = "hotclub";

/// A role's name for a site: PostgreSQL reserves some, and one is ours.
pub(crate) fn role_name(wanted: &str) -> String {
    let reserved =
        wanted == ADMIN || wanted == "public" || wanted == "none" || wanted.starts_with("pg_");
    match reserved {
        true => format!("app_{wanted}"),
        false => wanted.to_owned(),
    }
}

/// A database's name for a site: the cluster's own three stay as they are.
pub(crate) fn database_name(wanted: &str) -> String {
    match matches!(wanted, "postgres" | "template0" | "template1") {
        true => format!("app_{wanted}"),
        false => wanted.to_owned(),
    }
}

/// Makes the role (or sets its password to what the file says: the file is the truth) and the database
/// with the role as owner. Passwords travel as SCRAM verifiers, so that no log can hold them.
pub(crate) async fn ensure(
    client: &Client,
    role: &str,
    password: &Secret,
    database: &str,
) -> Result<(), Error> {
    let fail = |doing| move |source| Error::Query { doing, source };
    let known = client
        .query_opt("SELECT 1 FROM pg_roles WHERE rolname = $1", &[&role])
        .await;
    let verb = match known.map_err(fail("look for the database role"))? {
        Some(_) => "ALTER",
        None => "CREATE",
    };
    let statement = format!(
        "{verb} ROLE {} LOGIN PASSWORD {}",
        identifier(role),
        verifier(password)
    );
    client
        .batch_execute(&statement)
        .await
        .map_err(fail("create the database role"))?;
    let known = client
        .query_opt("SELECT 1 FROM pg_database WHERE datname = $1", &[&database])
        .await;
    if known.map_err(fail("look for the database"))?.is_none() {
        let statement = format!(
            "CREATE DATABASE {} OWNER {}",
            identifier(database),
            identifier(role)
        );
        client
            .batch_execute(&statement)
            .await
            .map_err(fail("create the database"))?;
    }
    Ok(())
}

/// A quoted SCRAM-SHA-256 verifier: what the server stores, from which the password cannot be had.
pub(crate) fn verifier(password: &Secret) -> String {
    format!("'{}'", scram_sha_256(password.expose().as_bytes()))
}

/// A quoted identifier.
pub(crate) fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_may_be_named_like_something_of_postgresql() {
        assert_eq!(role_name("hotclub"), "app_hotclub");
        assert_eq!(role_name("pg_monitor"), "app_pg_monitor");
        assert_eq!(role_name("portfolio"), "portfolio");
        assert_eq!(database_name("postgres"), "app_postgres");
        assert_eq!(identifier("a\"b"), "\"a\"\"b\"");
    }
}
