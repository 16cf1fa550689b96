//! Backups and restores with the real PostgreSQL, and with SQLite: proven, compared, swapped, and refused.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test's own functions may, as tests may

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hotclub_postgres::backup::{self, Holdings, Kept, Proof, Reason, Source, Sqlite, Store};
use hotclub_postgres::{Access, Cluster, Error, Options, RunAs, Server, programs, restore};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

const WAIT: Duration = Duration::from_secs(60);

fn quiet(_: &str) {}

/// A folder that PostgreSQL's user can pass.
fn folder() -> TempDir {
    let dir = tempfile::Builder::new()
        .prefix("hc")
        .tempdir_in("/tmp")
        .unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    dir
}

fn skip_without_programs() -> bool {
    let missing = programs::installed().is_empty();
    if missing {
        eprintln!("skipped: PostgreSQL is not installed");
    }
    missing
}

/// A cluster with a site's database in it, and the site's media.
struct House {
    root: TempDir,
    server: Server,
    store: Store,
    holdings: Holdings,
}

impl House {
    async fn build() -> House {
        let root = folder();
        let cluster = Cluster::prepare(Options {
            dir: root.path().join("pg"),
            version: None,
            user: RunAs::choose().unwrap(),
            name: "site".into(),
            connections: 8,
        });
        let server = cluster.await.unwrap().start(WAIT).await.unwrap();
        let media = root.path().join("media");
        std::fs::create_dir(&media).unwrap();
        std::fs::write(media.join("a.jpg"), "first").unwrap();
        let holdings = Holdings {
            media_stays: false,
            site: "site".into(),
            database: Source::Postgres(Box::new(Access::of(&server))),
            media: Some(media),
        };
        let store = Store::open(&root.path().join("backups")).unwrap();
        let house = House {
            root,
            server,
            store,
            holdings,
        };
        let app = house.app().await;
        app.batch_execute(
            "CREATE TABLE art (id serial PRIMARY KEY, title text NOT NULL, price float8, \
                 made timestamptz DEFAULT now(), tags jsonb, scan bytea); \
             CREATE INDEX ON art (title); CREATE VIEW cheap AS SELECT * FROM art WHERE price < 1; \
             CREATE EXTENSION citext; \
             CREATE TABLE \"odd \"\"name\" (t citext, u int REFERENCES art(id)); \
             CREATE SEQUENCE unused; \
             INSERT INTO art (title, price, tags, scan) \
                 SELECT 'ä' || n, n / 3.0, '{\"n\": 1}', '\\x00ff' FROM generate_series(1, 500) n",
        )
        .await
        .unwrap();
        house
    }

    async fn app(&self) -> Client {
        let url = self.server.connection().url();
        let login = tokio_postgres::connect(url.expose(), NoTls).await;
        let (client, driver) = login.unwrap();
        tokio::spawn(driver);
        client
    }

    async fn rows(&self) -> i64 {
        let row = self
            .app()
            .await
            .query_one("SELECT count(*) FROM art", &[])
            .await;
        row.unwrap().get(0)
    }

    async fn back_up(&self) -> Kept {
        let made = backup::make(&self.store, &self.holdings, Reason::Manual, &quiet).await;
        let kept = made.unwrap_or_else(|error| panic!("{error}"));
        assert!(kept.manifest.proof.is_good(), "{:?}", kept.manifest.proof);
        kept
    }

    async fn databases(&self) -> Vec<String> {
        let rows = self
            .app()
            .await
            .query("SELECT datname::text FROM pg_database ORDER BY 1", &[])
            .await;
        rows.unwrap().iter().map(|row| row.get(0)).collect()
    }

    fn media(&self) -> String {
        std::fs::read_to_string(self.root.path().join("media/a.jpg")).unwrap()
    }

    async fn restore(&self, kept: &Kept) -> Result<restore::Old, Error> {
        restore::restore(&self.store, &self.holdings, kept, &quiet).await
    }
}

#[tokio::test]
async fn a_postgres_backup_is_proven_restored_undone_and_dropped() {
    if skip_without_programs() {
        return;
    }
    let house = House::build().await;
    let setting = "ALTER DATABASE site SET work_mem = '7MB'";
    let admin = Access::of(&house.server).login("postgres").await.unwrap();
    admin.batch_execute(setting).await.unwrap();
    let kept = house.back_up().await;
    let table = &kept.manifest.database.tables["public.art"];
    assert_eq!(table.rows, 500);
    assert_eq!(
        kept.manifest.database.sequences["public.art_id_seq"],
        Some(500)
    );
    assert_eq!(kept.manifest.media.as_ref().unwrap().files, 1);
    assert_eq!(
        house.databases().await,
        ["postgres", "site", "template0", "template1"]
    );
    let mode = std::fs::metadata(&kept.folder)
        .unwrap()
        .permissions()
        .mode()
        & 0o777;
    assert_eq!(mode, 0o700);

    // Something happens to the live data, with a session that stays.
    let app = house.app().await;
    app.batch_execute("DELETE FROM art WHERE id > 3")
        .await
        .unwrap();
    std::fs::write(house.root.path().join("media/a.jpg"), "second").unwrap();
    let old = house.restore(&kept).await.unwrap();
    assert!(app.is_closed(), "the sessions of before were sent away");
    assert_eq!((house.rows().await, house.media()), (500, "first".into()));
    let next: i32 = house
        .app()
        .await
        .query_one("INSERT INTO art (title) VALUES ('new') RETURNING id", &[])
        .await
        .unwrap()
        .get(0);
    assert_eq!(next, 501, "sequences are restored as well");
    let memory = house
        .app()
        .await
        .query_one("SHOW work_mem", &[])
        .await
        .unwrap();
    assert_eq!(
        memory.get::<_, &str>(0),
        "7MB",
        "settings of the database go along"
    );

    // And back, and forth again.
    let newer = restore::undo(&house.store, &house.holdings, None, &quiet)
        .await
        .unwrap();
    assert_eq!((house.rows().await, house.media()), (3, "second".into()));
    let listed = restore::list(house.store.dir());
    assert_eq!(
        listed,
        std::slice::from_ref(&newer),
        "{old:?} is live again"
    );
    restore::undo(&house.store, &house.holdings, Some(&newer.stamp), &quiet)
        .await
        .unwrap();
    assert_eq!((house.rows().await, house.media()), (501, "first".into()));

    let gone = restore::drop_old(&house.store, &house.holdings, None)
        .await
        .unwrap();
    assert_eq!(gone.len(), 1);
    assert_eq!(
        house.databases().await,
        ["postgres", "site", "template0", "template1"]
    );
    let beside: Vec<_> = std::fs::read_dir(house.root.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("media"))
        .collect();
    assert_eq!(beside, ["media"]);
    house.server.stop(WAIT).await;
}

#[tokio::test]
async fn a_postgres_backup_under_writes_compares_against_its_own_snapshot() {
    if skip_without_programs() {
        return;
    }
    let house = House::build().await;
    let writer = house.app().await;
    let writing = tokio::spawn(async move {
        let mut written = 0u32;
        while writer
            .execute("INSERT INTO art (title) VALUES ('meanwhile')", &[])
            .await
            .is_ok()
        {
            written += 1;
        }
        written
    });
    for _ in 0..3 {
        house.back_up().await;
    }
    house.server.stop(WAIT).await;
    let written = writing.await.unwrap();
    assert!(written > 0);
}

#[tokio::test]
async fn a_postgres_backup_that_is_damaged_truncated_or_newer_leaves_the_live_data_alone() {
    if skip_without_programs() {
        return;
    }
    let house = House::build().await;
    let kept = house.back_up().await;
    let dump = kept.folder.join("database.dump");
    let good = std::fs::read(&dump).unwrap();
    let manifest = std::fs::read_to_string(kept.folder.join("manifest.json")).unwrap();
    let app = house.app().await;
    app.batch_execute("DELETE FROM art WHERE id > 7")
        .await
        .unwrap();

    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    std::fs::write(&dump, flipped).unwrap();
    refused(&house, &kept, "SHA-256").await;
    std::fs::write(&dump, &good[..middle]).unwrap();
    refused(&house, &kept, "bytes instead of").await;
    std::fs::write(&dump, &good).unwrap();
    std::fs::write(kept.folder.join("media/a.jpg"), "forged").unwrap();
    refused(&house, &kept, "SHA-256").await;
    std::fs::write(kept.folder.join("media/a.jpg"), "first").unwrap();

    let mut newer = kept.clone();
    newer.manifest.engine = backup::Engine::Postgres {
        major: 99,
        version: "99.1".into(),
    };
    refused(&house, &newer, "PostgreSQL 99.1").await;
    let mut other = kept.clone();
    other
        .manifest
        .database
        .tables
        .get_mut("public.art")
        .unwrap()
        .rows = 501;
    refused(&house, &other, "500 rows instead of 501").await;
    let mut strange = kept.clone();
    strange.manifest.engine = backup::Engine::Sqlite {
        version: "3".into(),
    };
    refused(&house, &strange, "another kind").await;

    // A manifest that cannot be read makes it no backup.
    std::fs::write(kept.folder.join("manifest.json"), &manifest[..100]).unwrap();
    assert!(backup::list(house.store.dir()).is_empty());
    std::fs::write(kept.folder.join("manifest.json"), manifest).unwrap();
    house.restore(&kept).await.unwrap();
    assert_eq!(house.rows().await, 500);
    house.server.stop(WAIT).await;
}

async fn refused(house: &House, kept: &Kept, why: &str) {
    let error = house.restore(kept).await.unwrap_err();
    assert!(error.to_string().contains(why), "{error}");
    assert!(error.hint().is_some(), "{error}");
    assert_eq!(house.rows().await, 7);
    assert_eq!(
        house.databases().await,
        ["postgres", "site", "template0", "template1"]
    );
    assert!(!restore::is_interrupted(house.store.dir()));
}

#[tokio::test]
async fn a_postgres_backup_whose_restore_differs_is_not_called_good() {
    if skip_without_programs() {
        return;
    }
    let house = House::build().await;
    // What depends on the search path fails in pg_restore, though it lives happily.
    let app = house.app().await;
    app.batch_execute(
        "CREATE FUNCTION helper(t text) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT length(t) > 0'; \
         CREATE FUNCTION checks(t text) RETURNS bool LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN helper(t); END'; \
         CREATE TABLE fragile (t text CHECK (checks(t))); INSERT INTO fragile VALUES ('x')",
    )
    .await
    .unwrap();
    let kept = backup::make(&house.store, &house.holdings, Reason::Daily, &quiet).await;
    let kept = kept.unwrap();
    match &kept.manifest.proof {
        Proof::Failed { why } => assert!(why.contains("helper"), "{why}"),
        good => panic!("{good:?}"),
    }
    assert_eq!(
        house.databases().await,
        ["postgres", "site", "template0", "template1"]
    );
    house.server.stop(WAIT).await;
}

/// Runs a statement list with Python's own sqlite3.
fn sqlite(file: &Path, statements: &str) -> String {
    let script = "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2]); \
        print(c.execute('select count(*) from art').fetchone()[0])";
    let output = std::process::Command::new(python())
        .args(["-c", script])
        .arg(file)
        .arg(statements)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn python() -> PathBuf {
    let named = std::env::var_os("HOTCLUB_TEST_PYTHON").map(PathBuf::from);
    named.unwrap_or_else(|| PathBuf::from("/usr/bin/python3"))
}

#[tokio::test]
async fn a_sqlite_backup_is_proven_restored_and_undone() {
    let root = folder();
    let file = root.path().join("db.sqlite3");
    let make = "CREATE TABLE art (id INTEGER PRIMARY KEY AUTOINCREMENT, title TEXT, scan BLOB); \
        INSERT INTO art (title, scan) VALUES ('ä', x'00ff'), (NULL, 1.5)";
    for journal in ["DELETE", "WAL"] {
        let _ = std::fs::remove_file(&file);
        sqlite(&file, &format!("PRAGMA journal_mode = {journal}; {make}"));
        let holdings = Holdings {
            media_stays: false,
            site: "site".into(),
            database: Source::Sqlite(Sqlite {
                file: file.clone(),
                python: python(),
            }),
            media: None,
        };
        let store = Store::open(&root.path().join(format!("backups-{journal}"))).unwrap();
        let kept = backup::make(&store, &holdings, Reason::Manual, &quiet)
            .await
            .unwrap();
        assert!(kept.manifest.proof.is_good(), "{:?}", kept.manifest.proof);
        assert_eq!(kept.manifest.rows(), 3, "with sqlite_sequence");
        assert_eq!(sqlite(&file, "DELETE FROM art"), "0");

        let old = restore::restore(&store, &holdings, &kept, &quiet)
            .await
            .unwrap();
        assert_eq!(sqlite(&file, ""), "2");
        let tables = sqlite(&file, "CREATE VIEW v AS SELECT 1; DROP VIEW v");
        assert_eq!(tables, "2");
        restore::undo(&store, &holdings, Some(&old.stamp), &quiet)
            .await
            .unwrap();
        assert_eq!(sqlite(&file, ""), "0");

        let copy = kept.folder.join("database.sqlite3");
        let mut bytes = std::fs::read(&copy).unwrap();
        let at = bytes.len() - 1;
        bytes[at] ^= 1;
        std::fs::write(&copy, bytes).unwrap();
        let error = restore::restore(&store, &holdings, &kept, &quiet)
            .await
            .unwrap_err();
        assert!(error.to_string().contains("SHA-256"), "{error}");
        assert_eq!(sqlite(&file, ""), "0");
        restore::drop_old(&store, &holdings, None).await.unwrap();
        let left: Vec<_> = std::fs::read_dir(root.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| {
                !name.starts_with("backups-") && !name.ends_with("-wal") && !name.ends_with("-shm")
            })
            .collect();
        assert_eq!(left, ["db.sqlite3"]);
    }
}
