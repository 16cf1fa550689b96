//! A dump from elsewhere: loaded as the site's own role, so that everything in it belongs to that.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use crate::access::Access;
use crate::backup;
use crate::connection::Connection;
use crate::error::Error;

/// How a dump is written.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// `pg_dump -Fc` or `-Ft`.
    Archive,
    Sql,
}

/// Tells by the first bytes, and refuses what would reach beyond the database that it is loaded into.
pub(super) fn shape(dump: &Path) -> Result<Shape, Error> {
    let refuse = |why: &str| Error::Dump {
        path: dump.to_path_buf(),
        why: why.to_owned(),
    };
    let mut file = File::open(dump).map_err(Error::io("open", dump))?;
    let mut start = [0; 512];
    let mut length = 0;
    while length < start.len() {
        match file
            .read(&mut start[length..])
            .map_err(Error::io("read", dump))?
        {
            0 => break,
            read => length += read,
        }
    }
    let start = &start[..length];
    match start {
        [b'P', b'G', b'D', b'M', b'P', ..] => return Ok(Shape::Archive),
        [0x1f, 0x8b, ..] => return Err(refuse("it is compressed: gunzip it first")),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => return Err(refuse("it is compressed: unzstd it first")),
        [b'S', b'Q', b'L', b'i', b't', b'e', ..] => {
            return Err(refuse(
                "it is a file of SQLite: use `manage.py dumpdata` and `loaddata`",
            ));
        }
        _ if start.get(257..262) == Some(b"ustar") => return Ok(Shape::Archive),
        [] => return Err(refuse("it is empty")),
        _ => {}
    }
    only_sql(dump)?;
    Ok(Shape::Sql)
}

/// psql's own commands could run programs, or go on in another database. Those that pg_dump itself writes may stay,
/// and so may rows of COPY, whose escapes are none of these letters.
fn only_sql(dump: &Path) -> Result<(), Error> {
    let file = File::open(dump).map_err(Error::io("open", dump))?;
    let mut lines = BufReader::new(file);
    let (mut line, mut number) = (Vec::new(), 0);
    loop {
        line.clear();
        number += 1;
        if lines
            .read_until(b'\n', &mut line)
            .map_err(Error::io("read", dump))?
            == 0
        {
            return Ok(());
        }
        let [b'\\', rest @ ..] = line.as_slice() else {
            continue;
        };
        let of_pg_dump = rest.starts_with(b"restrict ") || rest.starts_with(b"unrestrict ");
        let escape = matches!(
            rest,
            [
                b'.' | b'\\' | b'N' | b'b' | b'f' | b'n' | b't' | b'v' | b'0'..=b'9',
                ..
            ] | [b'r', b'\t' | b'\n', ..]
        );
        if !of_pg_dump && !escape {
            let why = format!(
                "line {number} is a command of psql, which could reach beyond this database: dump one database, without --create"
            );
            return Err(Error::Dump {
                path: dump.to_path_buf(),
                why,
            });
        }
    }
}

/// Loads a dump into an empty database of the site's role.
pub(super) async fn load(
    access: &Access,
    dump: &Path,
    shape: &Shape,
    database: &str,
) -> Result<(), Error> {
    let login = Connection {
        database: database.to_owned(),
        ..access.app().clone()
    };
    match shape {
        Shape::Archive => backup::restore(access, dump, &login, &["--no-owner", "--no-acl"]).await,
        Shape::Sql => {
            let mut psql = backup::client_of(access, "psql", &login);
            psql.args([
                "--no-psqlrc",
                "--quiet",
                "--no-password",
                "--single-transaction",
                "--set=ON_ERROR_STOP=1",
            ]);
            backup::feed(psql, "psql", dump).await
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
mod tests {
    use super::*;

    fn told(bytes: &[u8]) -> Result<Shape, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        shape(file.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_dump_is_known_by_its_first_bytes() {
        assert_eq!(told(b"PGDMP\x01").unwrap(), Shape::Archive);
        assert_eq!(
            told(b"--\n-- PostgreSQL database dump\n").unwrap(),
            Shape::Sql
        );
        for (bytes, says) in [
            (&b"\x1f\x8b\x08"[..], "gunzip"),
            (b"SQLite format 3\0", "SQLite"),
            (b"", "empty"),
        ] {
            assert!(told(bytes).unwrap_err().contains(says), "{says}");
        }
    }

    #[test]
    fn sql_that_leaves_its_database_is_refused() {
        let copied =
            b"\\restrict abc\nCOPY a FROM stdin;\n\\N\t1\n\\\\x\t2\n\\.\n\\unrestrict abc\n";
        assert_eq!(told(copied).unwrap(), Shape::Sql);
        for line in [
            "\\connect other",
            "\\! rm x",
            "\\i /etc/passwd",
            "\\copy a to 'x'",
        ] {
            let error = told(format!("SELECT 1;\n{line}\n").as_bytes()).unwrap_err();
            assert!(error.contains("line 2 is a command of psql"), "{error}");
        }
    }
}
