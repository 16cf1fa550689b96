//! What is in a database, short enough to be kept and compared: rows and a checksum of every table, where
//! the sequences stand, and how many objects of each kind there are.
//!
//! The checksum of a table is the sum over its rows of half of each row's MD5: it needs no order and no key. It
//! stands against accidents, not against forgery.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tokio_postgres::{Client, Error};

use crate::role::identifier;

/// A database in short.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// By `schema.table`.
    pub tables: BTreeMap<String, Table>,
    /// The last value given out; `None` before the first.
    pub sequences: BTreeMap<String, Option<i64>>,
    /// How many of each kind: indexes, constraints, functions…
    pub objects: BTreeMap<String, i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    pub rows: u64,
    pub checksum: String,
}

/// How rows are written as text, in both databases alike.
const SESSION: &str = "SET search_path = pg_catalog; SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; \
    SET IntervalStyle = 'postgres'; SET extra_float_digits = 1; SET bytea_output = 'hex'; \
    SET xmloption = 'content'; SET lock_timeout = '60s'; SET statement_timeout = 0; \
    SET idle_in_transaction_session_timeout = 0; SET row_security = off";

/// Tables whose rows a dump holds: not those of the system, of extensions, or that live elsewhere.
const TABLES: &str = "SELECT n.nspname::text, c.relname::text FROM pg_class c \
    JOIN pg_namespace n ON n.oid = c.relnamespace \
    WHERE c.relkind = 'r' AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' \
    AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass \
        AND d.objid = c.oid AND d.deptype = 'e') ORDER BY 1, 2";

/// From PostgreSQL 18 on, NOT NULL is a constraint (`n`) as well; before, it is none.
const OBJECTS: &str = "WITH own AS (SELECT oid FROM pg_namespace \
        WHERE nspname <> 'information_schema' AND nspname !~ '^pg_') \
    SELECT 'relation ' || relkind::text, count(*) FROM pg_class WHERE relnamespace IN (TABLE own) GROUP BY 1 \
    UNION ALL SELECT 'constraint ' || contype::text, count(*) FROM pg_constraint \
        WHERE connamespace IN (TABLE own) AND contype <> 'n' GROUP BY 1 \
    UNION ALL SELECT 'trigger', count(*) FROM pg_trigger WHERE NOT tgisinternal \
    UNION ALL SELECT 'function', count(*) FROM pg_proc WHERE pronamespace IN (TABLE own) \
    UNION ALL SELECT 'extension', count(*) FROM pg_extension \
    UNION ALL SELECT 'large object', count(*) FROM pg_largeobject_metadata";

const SEQUENCES: &str = "SELECT schemaname || '.' || sequencename, last_value FROM pg_sequences";

/// Makes a session of the superuser fit to take fingerprints.
pub(crate) async fn ready(client: &Client) -> Result<(), Error> {
    client.batch_execute(SESSION).await
}

/// Whether there is any table of the site's own.
pub(crate) async fn has_tables(client: &Client) -> Result<bool, Error> {
    Ok(!client.query(TABLES, &[]).await?.is_empty())
}

/// Reads it all, in whatever transaction the session is in.
pub(crate) async fn take(client: &Client) -> Result<Fingerprint, Error> {
    let mut tables = BTreeMap::new();
    for row in client.query(TABLES, &[]).await? {
        let (schema, name): (String, String) = (row.try_get(0)?, row.try_get(1)?);
        let table = table(client, &schema, &name).await?;
        tables.insert(format!("{schema}.{name}"), table);
    }
    let objects = client.query(OBJECTS, &[]).await?;
    let objects = objects
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    Ok(Fingerprint {
        tables,
        sequences: sequences(client).await?,
        objects: objects.collect::<Result<_, Error>>()?,
    })
}

async fn table(client: &Client, schema: &str, name: &str) -> Result<Table, Error> {
    let query = format!(
        "SELECT count(*), coalesce(sum(('x' || substr(md5(\"hotclub row\"::text), 1, 15))::bit(60)::bigint), 0)::text \
         FROM ONLY {}.{} AS \"hotclub row\"",
        identifier(schema),
        identifier(name)
    );
    let row = client.query_one(&query, &[]).await?;
    let rows: i64 = row.try_get(0)?;
    Ok(Table {
        rows: rows.unsigned_abs(),
        checksum: row.try_get(1)?,
    })
}

/// No snapshot holds a sequence: it always shows its present value.
pub(crate) async fn sequences(client: &Client) -> Result<BTreeMap<String, Option<i64>>, Error> {
    let rows = client.query(SEQUENCES, &[]).await?;
    let pairs = rows
        .iter()
        .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
    pairs.collect()
}

impl Fingerprint {
    /// What a restored database differs in, at most a few lines; `later` holds the sequences as they were
    /// after the dump, for a dump has them somewhere in between.
    pub(crate) fn differences(
        &self,
        restored: &Fingerprint,
        later: Option<&BTreeMap<String, Option<i64>>>,
    ) -> Vec<String> {
        let mut all = Vec::new();
        for (name, table) in &self.tables {
            match restored.tables.get(name) {
                None => all.push(format!("table {name} is missing")),
                Some(other) if other.rows != table.rows => all.push(format!(
                    "table {name} has {} rows instead of {}",
                    other.rows, table.rows
                )),
                Some(other) if other != table => {
                    all.push(format!("rows of table {name} differ"));
                }
                Some(_) => {}
            }
        }
        let unexpected = |name: &&String| !self.tables.contains_key(*name);
        let more = restored.tables.keys().filter(unexpected);
        all.extend(more.map(|name| format!("table {name} is too many")));
        for (name, first) in &self.sequences {
            let last = later.and_then(|later| later.get(name)).unwrap_or(first);
            match restored.sequences.get(name) {
                None => all.push(format!("sequence {name} is missing")),
                Some(value) if !is_between(*first, *value, *last) => {
                    all.push(format!(
                        "sequence {name} stands at {value:?} instead of {first:?}"
                    ));
                }
                Some(_) => {}
            }
        }
        if self.objects != restored.objects {
            all.push(format!(
                "objects differ: {:?} instead of {:?}",
                restored.objects, self.objects
            ));
        }
        all.truncate(8);
        all
    }
}

/// A sequence that was not used before may have got any value since, or none.
fn is_between(first: Option<i64>, value: Option<i64>, last: Option<i64>) -> bool {
    match (first, last) {
        (None, None) => value.is_none(),
        (Some(first), Some(last)) => {
            value.is_some_and(|value| (first.min(last)..=first.max(last)).contains(&value))
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn print(rows: u64, sequence: Option<i64>) -> Fingerprint {
        let table = Table {
            rows,
            checksum: rows.to_string(),
        };
        Fingerprint {
            tables: [("public.art".to_owned(), table)].into(),
            sequences: [("public.art_id_seq".to_owned(), sequence)].into(),
            objects: BTreeMap::new(),
        }
    }

    #[test]
    fn a_difference_is_named_by_what_it_is_in() {
        let made = print(3, Some(3));
        assert_eq!(made.differences(&made, None), Vec::<String>::new());
        let fewer = made.differences(&print(2, Some(3)), None);
        assert_eq!(fewer, ["table public.art has 2 rows instead of 3"]);
        let none = made.differences(&Fingerprint::default(), None);
        assert_eq!(none.len(), 2, "{none:?}");
        assert_eq!(Fingerprint::default().differences(&made, None).len(), 1);
    }

    #[test]
    fn a_sequence_may_stand_where_it_stood_while_the_dump_was_made() {
        let made = print(3, Some(3));
        let later = print(3, Some(9)).sequences;
        for (value, good) in [(3, true), (7, true), (9, true), (2, false), (10, false)] {
            let found = made.differences(&print(3, Some(value)), Some(&later));
            assert_eq!(found.is_empty(), good, "{value}: {found:?}");
        }
        assert!(!made.differences(&print(3, None), None).is_empty());
        assert!(
            print(0, None)
                .differences(&print(0, Some(4)), Some(&later))
                .is_empty()
        );
    }
}
