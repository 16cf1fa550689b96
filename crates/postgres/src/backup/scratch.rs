//! Databases beside the site's own: made like it, dropped in every outcome, and swept when a kill left one.

use tokio_postgres::Client;

use crate::access::Access;
use crate::error::Error;
use crate::role::identifier;

/// Nothing of a site's own is called so.
pub(crate) const PREFIX: &str = "hotclub_scratch_";

/// PostgreSQL cuts longer names off.
const LONGEST_NAME: usize = 63;

fn fail(doing: &'static str) -> impl Fn(tokio_postgres::Error) -> Error {
    move |source| Error::Query { doing, source }
}

/// Makes an empty database of the site's role, with encoding and locale as the site's own has them, or as a
/// new one would.
pub(crate) async fn create(access: &Access, client: &Client, name: &str) -> Result<(), Error> {
    let like = "SELECT pg_encoding_to_char(encoding)::text, datcollate::text, datctype::text \
        FROM pg_database WHERE datname = $1";
    let row = client.query_opt(like, &[&access.database()]).await;
    let row = row.map_err(fail("look at the database"))?;
    let mut statement = format!(
        "CREATE DATABASE {} TEMPLATE template0 OWNER {}",
        identifier(name),
        identifier(&access.app().user)
    );
    if let Some(row) = row {
        for (key, at) in [("ENCODING", 0), ("LC_COLLATE", 1), ("LC_CTYPE", 2)] {
            let value: String = row.try_get(at).map_err(fail("look at the database"))?;
            statement += &format!(" {key} '{}'", value.replace('\'', "''"));
        }
    }
    let made = client.batch_execute(&statement).await;
    made.map_err(fail("create a database beside"))
}

/// Drops a database, with whoever is in it.
pub(crate) async fn drop(access: &Access, client: &Client, name: &str) -> Result<(), Error> {
    let force = match access.programs().version.major {
        13.. => " WITH (FORCE)",
        _ => "",
    };
    let statement = format!("DROP DATABASE IF EXISTS {}{force}", identifier(name));
    let dropped = client.batch_execute(&statement).await;
    dropped.map_err(fail("drop a database"))
}

/// Drops what a killed run left.
pub(crate) async fn sweep(access: &Access, client: &Client) -> Result<(), Error> {
    let query = "SELECT datname::text FROM pg_database WHERE starts_with(datname::text, $1)";
    let rows = client.query(query, &[&PREFIX]).await;
    for row in rows.map_err(fail("look for databases left over"))? {
        let name: String = row
            .try_get(0)
            .map_err(fail("look for databases left over"))?;
        drop(access, client, &name).await?;
    }
    Ok(())
}

pub(crate) async fn exists(client: &Client, name: &str) -> Result<bool, Error> {
    let query = "SELECT 1 FROM pg_database WHERE datname = $1";
    let row = client.query_opt(query, &[&name]).await;
    Ok(row.map_err(fail("look for a database"))?.is_some())
}

/// Bytes of a database on disk.
pub(crate) async fn size(client: &Client, name: &str) -> Result<u64, Error> {
    let row = client
        .query_one("SELECT pg_database_size($1::text::name)", &[&name])
        .await;
    let bytes: i64 = row
        .and_then(|row| row.try_get(0))
        .map_err(fail("ask for the size of the database"))?;
    Ok(bytes.unsigned_abs())
}

/// A name beside another one, short enough.
pub(crate) fn beside(name: &str, what: &str) -> String {
    let mut kept = name.len().min(LONGEST_NAME - what.len());
    while !name.is_char_boundary(kept) {
        kept -= 1;
    }
    format!("{}{what}", &name[..kept])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_beside_fit_into_what_postgresql_keeps() {
        assert_eq!(beside("site", "-old"), "site-old");
        let long = beside(&"ä".repeat(40), "-before-20261124-041022");
        assert!(long.len() <= LONGEST_NAME && long.ends_with("-before-20261124-041022"));
    }
}
