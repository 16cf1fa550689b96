//! Private clusters with the real PostgreSQL. Each test has a folder of its own; most of the time goes
//! into `initdb`, so that what can share a cluster does. Without PostgreSQL's programs there is nothing to test.

#![allow(clippy::unwrap_used, clippy::print_stderr)] // a test's own functions may, as tests may

use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use hotclub_config::Secret;
use hotclub_postgres::{
    Cause, Cluster, Connection, Error, Options, Ready, RunAs, Server, Stopped, programs, wait_ready,
};
use tempfile::TempDir;
use tokio_postgres::{Client, NoTls};

const WAIT: Duration = Duration::from_secs(60);

/// A folder that PostgreSQL's user can pass, in a place of short paths.
fn folder() -> TempDir {
    let dir = tempfile::Builder::new()
        .prefix("hc")
        .tempdir_in("/tmp")
        .unwrap_or_else(|error| panic!("{error}"));
    set_mode(dir.path(), 0o711);
    dir
}

fn set_mode(path: &Path, mode: u32) {
    let set = std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode));
    set.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

fn options(dir: &Path) -> Options {
    let user = RunAs::choose().unwrap_or_else(|error| panic!("{error}"));
    Options {
        dir: dir.to_path_buf(),
        version: None,
        user,
        name: "my-site".into(),
        connections: 4,
    }
}

async fn prepared(dir: &Path) -> Cluster {
    Cluster::prepare(options(dir))
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

async fn started(cluster: &Cluster) -> Server {
    cluster
        .start(WAIT)
        .await
        .unwrap_or_else(|error| panic!("{error}"))
}

/// Logs in the way an app's driver does: by the URL.
async fn client(connection: &Connection) -> Client {
    let login = tokio_postgres::connect(connection.url().expose(), NoTls).await;
    let (client, driver) = login.unwrap_or_else(|error| panic!("{error:?}"));
    tokio::spawn(driver);
    client
}

async fn rows(connection: &Connection) -> i64 {
    let count = client(connection)
        .await
        .query_one("SELECT count(*) FROM art", &[])
        .await;
    count
        .map(|row| row.get(0))
        .unwrap_or_else(|error| panic!("{error:?}"))
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path)
        .map(|metadata| metadata.mode() & 0o777)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn is_alive(pid: u32) -> bool {
    // An orphan may wait for whatever process 1 is here; what waits to be counted is dead.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')')
        .is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

fn kill(signal: &str, pid: u32) {
    let status = Command::new("kill")
        .arg(signal)
        .arg(pid.to_string())
        .status();
    assert!(
        status.is_ok_and(|status| status.success()),
        "kill {signal} {pid}"
    );
}

fn skip_without_programs() -> bool {
    let missing = programs::installed().is_empty();
    if missing {
        eprintln!("skipped: PostgreSQL is not installed");
    }
    missing
}

#[tokio::test]
async fn a_cluster_lives_through_starts_stops_and_crashes() {
    if skip_without_programs() {
        return;
    }
    let root = folder();
    let dir = root.path().join("pg");
    assert!(Cluster::is_new(&dir));
    let cluster = prepared(&dir).await;
    assert!(!Cluster::is_new(&dir));

    // First start.
    let server = started(&cluster).await;
    let connection = server.connection();
    let app = client(&connection).await;
    app.batch_execute("CREATE TABLE art (title text); INSERT INTO art VALUES ('ä')")
        .await
        .unwrap();
    the_app_is_no_superuser(&app).await;
    the_settings_are_as_written(&app).await;
    drop(app);
    every_secret_is_private(&dir, &connection);
    matches!(
        wait_ready(&connection.target(), WAIT).await,
        Ok(Ready::Answered { .. })
    );

    // Two at once.
    let second = Cluster::prepare(options(&dir)).await;
    assert!(matches!(second, Err(Error::Locked { .. })), "{second:?}");

    // A clean stop takes the clients' sessions with it, and nothing stays.
    let pid = server.pid();
    let idle = client(&connection).await;
    assert_eq!(server.stop(WAIT).await, Stopped::Cleanly);
    assert!(!is_alive(pid));
    drop((idle, server, cluster));
    assert!(!dir.join("data/postmaster.pid").exists());

    // Second start: same data, same password, one more connection for the app to hold.
    let cluster = Cluster::prepare(Options {
        connections: 5,
        ..options(&dir)
    })
    .await
    .unwrap();
    let server = started(&cluster).await;
    assert_eq!(server.connection(), connection);
    assert_eq!(rows(&connection).await, 1);

    // `kill -9` of the server: `exited` says so, the next start recovers.
    kill("-9", server.pid());
    assert!(!server.exited().await.success());
    assert_eq!(server.stop(WAIT).await, Stopped::Hurried);
    drop(server);
    let server = started(&cluster).await;
    assert_eq!(rows(&connection).await, 1);

    // Immediate shutdown.
    server.hurry();
    server.exited().await;
    drop(server);
    let server = started(&cluster).await;
    assert_eq!(rows(&connection).await, 1);
    server.stop(WAIT).await;
    drop((server, cluster));

    lost_passwords_are_made_anew(&dir, &connection).await;
    a_number_in_the_pid_file_that_is_another_process_does_not_matter(&dir, &connection).await;
    a_wrong_version_names_both(&dir).await;
    a_broken_configuration_is_quoted(&dir).await;
}

async fn the_app_is_no_superuser(app: &Client) {
    let row = app
        .query_one(
            "SELECT rolsuper, current_user::text FROM pg_roles WHERE rolname = current_user",
            &[],
        )
        .await;
    let row = row.unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(
        (row.get::<_, bool>(0), row.get::<_, &str>(1)),
        (false, "my-site")
    );
}

async fn the_settings_are_as_written(app: &Client) {
    for (name, value) in [
        ("listen_addresses", ""),
        ("max_connections", "28"),
        ("jit", "off"),
        ("data_checksums", "on"),
        ("server_encoding", "UTF8"),
        ("fsync", "on"),
        ("cluster_name", "hotclub my-site"),
    ] {
        let row = app.query_one("SELECT current_setting($1)", &[&name]).await;
        let found: String = row
            .map(|row| row.get(0))
            .unwrap_or_else(|error| panic!("{name}: {error:?}"));
        assert_eq!(found, value, "{name}");
    }
}

fn every_secret_is_private(dir: &Path, connection: &Connection) {
    assert_eq!(mode(&dir.join("secrets")), 0o700);
    for name in ["admin.password", "app.password"] {
        assert_eq!(mode(&dir.join("secrets").join(name)), 0o600);
    }
    assert_eq!(mode(&dir.join("data")), 0o700);
    assert_eq!(mode(&dir.join("log/postgresql.log")), 0o600);
    let password = connection.password.expose();
    assert!(password.len() >= 40 && password.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    let log = std::fs::read_to_string(dir.join("log/postgresql.log")).unwrap_or_default();
    assert!(!log.is_empty() && !log.contains(password));
    if rustix::process::geteuid().is_root() {
        let owner = std::fs::metadata(dir.join("data"))
            .map(|metadata| metadata.uid())
            .unwrap_or_default();
        assert_ne!(owner, 0);
    }
}

/// What an app with a wrong password, role or database is told by the real server.
#[tokio::test]
async fn the_real_server_gives_the_verdicts_too() {
    if skip_without_programs() {
        return;
    }
    let root = folder();
    let cluster = prepared(&root.path().join("pg")).await;
    let server = started(&cluster).await;
    let good = server.connection().target();
    let mut wrong = good.clone();
    wrong.password = Some(Secret::new("wrong"));
    let mut without = good.clone();
    without.password = None;
    let mut elsewhere = good.clone();
    elsewhere.database = "absent".into();
    // Each is believed after a grace of some seconds, so they are asked at once.
    let (wrong, without, elsewhere) = tokio::join!(
        wait_ready(&wrong, WAIT),
        wait_ready(&without, WAIT),
        wait_ready(&elsewhere, WAIT)
    );
    assert_eq!(wrong.unwrap_err().cause, Cause::WrongPassword);
    assert_eq!(without.unwrap_err().cause, Cause::PasswordMissing);
    assert_eq!(elsewhere.unwrap_err().cause, Cause::DatabaseMissing);
    let Ok(Ready::Answered { version }) = wait_ready(&good, WAIT).await else {
        panic!("the app's own login works");
    };
    assert!(version.starts_with(&cluster.version().major.to_string()));

    another_user_can_log_in(&cluster, &server.connection());

    // A start that was given up leaves nothing running.
    server.stop(WAIT).await;
    let given_up = tokio::time::timeout(Duration::from_millis(30), cluster.start(WAIT)).await;
    assert!(given_up.is_err(), "a start takes longer than this");
    cluster.ended().await;
    assert!(!root.path().join("pg/data/postmaster.pid").exists());
    let server = started(&cluster).await;

    // Dropping a server ends it, too.
    let exited = server.pid();
    drop(server);
    let server = started(&cluster).await;
    assert!(!is_alive(exited));
    server.stop(WAIT).await;
}

/// Workers may run as neither root nor PostgreSQL's user: socket and folder are open, the password stands guard.
fn another_user_can_log_in(cluster: &Cluster, connection: &Connection) {
    let psql = cluster.programs().path("psql");
    let Some(nobody) =
        RunAs::named("nobody").filter(|_| rustix::process::geteuid().is_root() && psql.exists())
    else {
        eprintln!("skipped in part: only root can be another user");
        return;
    };
    let mut psql = Command::new(psql);
    psql.args([
        "--no-psqlrc",
        "-At",
        "-c",
        "SELECT current_user || '@' || current_database()",
    ]);
    psql.env_clear().envs(
        connection
            .env()
            .iter()
            .map(|(name, value)| (name, value.expose())),
    );
    std::os::unix::process::CommandExt::uid(psql.current_dir("/"), nobody.uid);
    let output = psql.output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "my-site@my-site",
        "{output:?}"
    );
}

async fn lost_passwords_are_made_anew(dir: &Path, before: &Connection) {
    for name in ["admin.password", "app.password"] {
        std::fs::remove_file(dir.join("secrets").join(name))
            .unwrap_or_else(|error| panic!("{error}"));
    }
    let cluster = prepared(dir).await;
    let server = started(&cluster).await;
    let now = server.connection();
    assert_ne!(now.password, before.password);
    assert_eq!(rows(&now).await, 1);
    server.stop(WAIT).await;
}

async fn a_number_in_the_pid_file_that_is_another_process_does_not_matter(
    dir: &Path,
    before: &Connection,
) {
    let server = started(&prepared(dir).await).await;
    let pid_file = dir.join("data/postmaster.pid");
    let text = std::fs::read_to_string(&pid_file).unwrap_or_default();
    kill("-9", server.pid());
    server.exited().await;
    drop(server);
    // After a reboot the number may be anyone's: here a process of PostgreSQL's own user.
    let user = RunAs::choose().unwrap_or_default();
    let mut sleeper = Command::new("sleep");
    sleeper.arg("600");
    if let Some(user) = &user {
        std::os::unix::process::CommandExt::uid(&mut sleeper, user.uid);
    }
    let mut sleeper = sleeper.spawn().unwrap_or_else(|error| panic!("{error}"));
    let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
    std::fs::write(&pid_file, format!("{}\n{rest}", sleeper.id()))
        .unwrap_or_else(|error| panic!("{error}"));
    let outcome = prepared(dir).await.start(WAIT).await;
    let alive = sleeper.try_wait();
    let _ = sleeper.kill();
    let _ = sleeper.wait();
    assert!(matches!(alive, Ok(None)), "the stranger was left alone");
    let server = outcome.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(server.connection().database, before.database);
    server.stop(WAIT).await;
}

async fn a_wrong_version_names_both(dir: &Path) {
    let have = prepared(dir).await.version().major;
    let error = Cluster::prepare(Options {
        version: Some(have + 1),
        ..options(dir)
    })
    .await
    .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&format!(
            "belongs to PostgreSQL {have}, but version {} was asked for",
            have + 1
        )),
        "{text}"
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains(&format!("version = {have}")))
    );

    let file = dir.join("data/PG_VERSION");
    let kept = std::fs::read(&file).unwrap_or_default();
    std::fs::write(&file, "12\n").unwrap_or_else(|error| panic!("{error}"));
    let error = Cluster::prepare(options(dir)).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("belongs to PostgreSQL 12, but the installed programs are of version"),
        "{error}"
    );
    std::fs::write(&file, "").unwrap_or_else(|error| panic!("{error}"));
    assert!(matches!(
        Cluster::prepare(options(dir)).await,
        Err(Error::NotACluster { .. })
    ));
    std::fs::write(&file, kept).unwrap_or_else(|error| panic!("{error}"));
}

async fn a_broken_configuration_is_quoted(dir: &Path) {
    let file = dir.join("data/postgresql.conf");
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    std::fs::write(&file, format!("{text}\nwork_mem = 'plenty'\n"))
        .unwrap_or_else(|error| panic!("{error}"));
    let error = prepared(dir).await.start(WAIT).await.unwrap_err();
    assert!(
        matches!(error, Error::Died { .. }) && error.to_string().contains("work_mem"),
        "{error}"
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("postgresql.log"))
    );
}

/// Not a test: the process that the next test starts and kills.
#[tokio::test]
#[ignore = "the helper of a_server_left_over_by_a_killed_parent_is_stopped_and_its_data_kept"]
async fn the_parent_that_is_killed() {
    let Some(dir) = std::env::var_os("HOTCLUB_TEST_DIR") else {
        return;
    };
    let server = started(&prepared(&PathBuf::from(dir)).await).await;
    println!("server {}", server.pid());
    let app = client(&server.connection()).await;
    app.batch_execute("CREATE TABLE art (title text); INSERT INTO art VALUES ('kept')")
        .await
        .unwrap();
    println!("written");
    // The test kills this process; should it be gone instead, so are we.
    let _ = app.query("SELECT pg_sleep(120)", &[]).await;
}

#[tokio::test]
async fn a_server_left_over_by_a_killed_parent_is_stopped_and_its_data_kept() {
    if skip_without_programs() {
        return;
    }
    let root = folder();
    let dir = root.path().join("pg");
    let mut parent = Command::new(std::env::current_exe().unwrap())
        .args([
            "--ignored",
            "--exact",
            "the_parent_that_is_killed",
            "--nocapture",
        ])
        .env("HOTCLUB_TEST_DIR", &dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let lines: Vec<String> = BufReader::new(parent.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok)
        .take_while(|line| line != "written")
        .collect();
    let number = lines
        .iter()
        .find_map(|line| line.split_once("server "))
        .map(|(_, number)| number.to_owned());
    let orphan: u32 = number
        .unwrap_or_else(|| panic!("{lines:?}"))
        .trim()
        .parse()
        .unwrap();
    parent.kill().unwrap();
    parent.wait().unwrap();
    assert!(is_alive(orphan), "the server outlives its parent");

    let cluster = prepared(&dir).await;
    assert!(!is_alive(orphan));
    let server = started(&cluster).await;
    assert_eq!(rows(&server.connection()).await, 1);
    assert_eq!(server.stop(WAIT).await, Stopped::Cleanly);
}

#[tokio::test]
async fn a_long_path_gets_its_socket_elsewhere_and_keeps_it() {
    if skip_without_programs() {
        return;
    }
    let root = folder();
    let long = root
        .path()
        .join("a folder, with a long name and a 'quote'".repeat(3));
    std::fs::create_dir(&long).unwrap();
    let dir = long.join("pg");
    let cluster = prepared(&dir).await;
    let server = started(&cluster).await;
    let place = server.connection().socket_dir;
    assert!(!place.starts_with(root.path()));
    let app = client(&server.connection()).await;
    app.batch_execute("CREATE TABLE art (title text)")
        .await
        .unwrap();
    server.stop(WAIT).await;
    drop((server, cluster));

    // Remembered…
    let cluster = prepared(&dir).await;
    assert_eq!(cluster.connection().socket_dir, place);
    drop(cluster);
    // …but not when someone else could have put it there.
    set_mode(&place, 0o777);
    let cluster = prepared(&dir).await;
    let other = cluster.connection().socket_dir;
    assert_ne!(other, place);
    std::fs::remove_dir_all(place).unwrap();
    std::fs::remove_dir_all(other).unwrap();
}

#[tokio::test]
async fn a_folder_out_of_reach_is_told_before_anything_is_made() {
    let root = folder();
    let user = match RunAs::choose() {
        Ok(Some(user)) => user,
        _ => {
            eprintln!("skipped: only root runs PostgreSQL as another user");
            return;
        }
    };
    let barred = root.path().join("home");
    std::fs::create_dir(&barred).unwrap();
    set_mode(&barred, 0o700);
    let error = Cluster::prepare(options(&barred.join("pg")))
        .await
        .unwrap_err();
    let Error::Unreachable(unreachable) = &error else {
        panic!("{error}");
    };
    assert_eq!(
        (&unreachable.path, &unreachable.user),
        (&barred, &user.name)
    );
    assert!(!barred.join("pg/data").exists() && error.hint().is_some());
}

#[tokio::test]
async fn a_cluster_half_made_is_swept_away() {
    if skip_without_programs() {
        return;
    }
    let root = folder();
    let dir = root.path().join("pg");
    std::fs::create_dir_all(dir.join("making.0123/data/base")).unwrap();
    // Killed while `initdb` ran: the call is dropped half-way.
    let prepare =
        tokio::time::timeout(Duration::from_millis(150), Cluster::prepare(options(&dir))).await;
    assert!(prepare.is_err(), "initdb takes longer than this");
    assert!(Cluster::is_new(&dir));
    let cluster = prepared(&dir).await;
    let left: Vec<_> = std::fs::read_dir(&dir)
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name())
        .collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().starts_with("making.")),
        "{left:?}"
    );
    let server = started(&cluster).await;
    assert_eq!(server.stop(WAIT).await, Stopped::Cleanly);
}
