//! What a new cluster has from the old one beside the rows: both passwords, the lines that a person wrote into
//! postgresql.conf, and settings of the database and the app's role.

use tokio_postgres::Row;

use super::beside;
use crate::access::Access;
use crate::cluster::{Cluster, Options};
use crate::error::Error;

/// Makes an empty cluster of another version beside one.
pub(super) async fn cluster(old: &Cluster, to: u32) -> Result<Cluster, Error> {
    let dir = beside(old.dir());
    let fresh = Cluster::with_the_passwords_of(
        old,
        Options {
            version: Some(to),
            ..old.options(&dir)
        },
    )
    .await?;
    fresh.take_own_lines(old)?;
    Ok(fresh)
}

const SETTINGS: &str = "SELECT coalesce(r.rolname::text, ''), s.setconfig, s.setdatabase <> 0 \
    FROM pg_db_role_setting s LEFT JOIN pg_roles r ON r.oid = s.setrole \
    LEFT JOIN pg_database d ON d.oid = s.setdatabase \
    WHERE (d.datname = $1 AND (s.setrole = 0 OR r.rolname = $2)) OR (s.setdatabase = 0 AND r.rolname = $2)";

/// `ALTER DATABASE … SET` and `ALTER ROLE … SET` are no part of a dump.
pub(super) async fn settings(old: &Access, new: &Access) -> Result<(), Error> {
    let fail = |source| Error::Query {
        doing: "take the database's settings along",
        source,
    };
    let (from, to) = (old.login("postgres").await?, new.login("postgres").await?);
    let (database, role) = (old.database(), old.app().user.as_str());
    let rows = from.query(SETTINGS, &[&database, &role]).await;
    for row in rows.map_err(fail)? {
        let (role, settings, is_databases) = read(&row).map_err(fail)?;
        let insert = "INSERT INTO pg_db_role_setting SELECT \
            CASE WHEN $2 THEN (SELECT oid FROM pg_database WHERE datname = $1) ELSE 0::oid END, \
            coalesce((SELECT oid FROM pg_roles WHERE rolname = $3), 0::oid), $4::text[]";
        let inserted = to
            .execute(insert, &[&database, &is_databases, &role, &settings])
            .await;
        inserted.map_err(fail)?;
    }
    Ok(())
}

fn read(row: &Row) -> Result<(String, Vec<String>, bool), tokio_postgres::Error> {
    Ok((row.try_get(0)?, row.try_get(1)?, row.try_get(2)?))
}
