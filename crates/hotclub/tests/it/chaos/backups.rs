//! `kill -9` of backups and restores at random moments, under writes: the site serves, every row that was
//! acknowledged is live or was put aside whole, and nothing half is left.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hotclub_testkit::{Outcome, Postgres, Project, need, python};
use serde_json::json;

use super::{count, random, record};
use crate::db::{backups, db, good};
use crate::up::postgres::{DB_SETTINGS, project};
use crate::up::up;

const MEDIA: &str = "MEDIA_URL = '/media/'\nMEDIA_ROOT = BASE_DIR / 'media'\n";

/// A POST writes the session that its body names.
const VIEWS: &str = r#"
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

@csrf_exempt
def write(request):
    if request.method == "POST":
        Session.objects.create(session_key=request.body.decode(), session_data="", expire_date=timezone.now())
    return HttpResponse("fine")

urlpatterns = [path("", write)]
"#;

#[test]
fn killed_backups_and_restores_of_a_postgres_site_leave_nothing_half() {
    let python = need!(python());
    need!(Postgres::available());
    let project = project(&python, DB_SETTINGS, &[]);
    project
        .append("mysite/settings.py", MEDIA)
        .write("mysite/urls.py", VIEWS)
        .write("media/a.txt", "media");
    let began = Instant::now();
    // Requests amid a swap fail, and say so.
    let program = up(&project).allow("").serve();
    let times = count(10, 200);
    let writer = Writer::start(program.address(), "/");
    let mut restores = 0;
    let (backup, restore) = (took(&project, "backup"), took(&project, "restore"));
    for turn in 0..times {
        let (command, longest) = if turn % 2 == 0 {
            ("restore", restore)
        } else {
            ("backup", backup)
        };
        restores += usize::from(command == "restore");
        let killed = db(&project, command, &[]).start();
        std::thread::sleep(Duration::from_micros(random(longest) as u64));
        killed.kill();
        program.get("/").expect(200);
    }
    let written = writer.finish();
    program.stop();
    // What was killed while nothing else runs has a server of its own.
    for command in ["restore", "backup"] {
        let killed = db(&project, command, &[]).start();
        std::thread::sleep(Duration::from_micros(random(restore) as u64));
        killed.kill();
    }
    good(db(&project, "backup", &[]));
    all_is_whole(&project, &written);
    let program = up(&project).serve();
    program.get("/").expect(200);
    program.stop();
    let outcome = Outcome {
        good: written.len() as u64,
        took: began.elapsed(),
        ..Outcome::default()
    };
    record(
        "kills_backups",
        times,
        &outcome,
        &json!({"restores": restores}),
    );
}

/// Microseconds that a whole run takes.
fn took(project: &Project, command: &str) -> usize {
    let began = Instant::now();
    good(db(project, command, &[]));
    usize::try_from(began.elapsed().as_micros()).unwrap()
}

fn all_is_whole(project: &Project, written: &BTreeSet<String>) {
    let listed = backups(project);
    assert_eq!(listed["interrupted"], false, "{listed:#}");
    for backup in listed["backups"].as_array().unwrap() {
        assert_eq!(backup["proof"]["state"], "proven", "{listed:#}");
    }
    let names = |folder: &str| -> Vec<String> {
        let entries = std::fs::read_dir(project.path(folder)).unwrap();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    };
    let unfinished = |name: &String| name.contains("making") || name.contains("removing");
    assert!(!names(".hotclub/backups").iter().any(unfinished));
    let beside = names(".")
        .into_iter()
        .filter(|name| name.starts_with(".media"));
    let old = listed["old"].as_array().unwrap();
    assert_eq!(beside.count(), old.len(), "{listed:#}");
    assert_eq!(project.read("media/a.txt"), "media");

    // The cluster is looked at through an `up`, so that its server runs.
    let program = up(project).serve();
    let databases = psql(
        project,
        "postgres",
        "select datname from pg_database where not datistemplate and datname <> 'postgres'",
    );
    assert_eq!(databases.len(), 1 + old.len(), "{databases:?} {listed:#}");
    let kept: BTreeSet<String> = databases
        .iter()
        .flat_map(|database| psql(project, database, "select session_key from django_session"))
        .collect();
    let lost: Vec<_> = written.difference(&kept).collect();
    assert!(
        lost.is_empty(),
        "{} of {} lost: {lost:?}",
        lost.len(),
        written.len()
    );
    program.stop();
}

fn psql(project: &Project, database: &str, query: &str) -> Vec<String> {
    let cluster = project.path(".hotclub/postgres");
    let password = std::fs::read_to_string(cluster.join("secrets/admin.password")).unwrap();
    let bin = std::env::var_os("HOTCLUB_TEST_PG_BIN").map(std::path::PathBuf::from);
    let output = Command::new(bin.unwrap_or_default().join("psql"))
        .args([
            "-X", "-A", "-t", "-q", "-U", "hotclub", "-d", database, "-c", query, "-h",
        ])
        .arg(cluster.join("run"))
        .env("PGPASSWORD", password.trim())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    text.lines().map(str::to_owned).collect()
}

/// Writes row after row, and remembers those that were acknowledged.
pub(super) struct Writer {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    thread: JoinHandle<BTreeSet<String>>,
}

impl Writer {
    pub(super) fn start(address: &str, path: &'static str) -> Self {
        let stop = Arc::<AtomicBool>::default();
        let acknowledged = Arc::<AtomicUsize>::default();
        let (told, address) = (stop.clone(), address.to_owned());
        let counted = acknowledged.clone();
        let thread = std::thread::spawn(move || {
            let mut written = BTreeSet::new();
            for n in 0.. {
                if told.load(Ordering::SeqCst) {
                    break;
                }
                let key = format!("key{n}");
                if is_acknowledged(&address, path, &key) {
                    written.insert(key);
                    counted.fetch_add(1, Ordering::SeqCst);
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            written
        });
        Self {
            stop,
            acknowledged,
            thread,
        }
    }

    /// Rows that were acknowledged so far.
    pub(super) fn count(&self) -> usize {
        self.acknowledged.load(Ordering::SeqCst)
    }

    pub(super) fn finish(self) -> BTreeSet<String> {
        self.stop.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

fn is_acknowledged(address: &str, path: &str, key: &str) -> bool {
    let mut connection = TcpStream::connect(address).unwrap();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{key}",
        key.len()
    );
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let _ = connection.read_to_string(&mut answer);
    answer.starts_with("HTTP/1.1 200 ")
}
