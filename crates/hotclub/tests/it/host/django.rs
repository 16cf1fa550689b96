//! Deploys of Django projects: what outlives a release, what lies between two, and that nobody notices.

use std::path::PathBuf;
use std::time::Instant;

use hotclub_testkit::{Program, Project, Python, need, python};

use super::{done, home, host, kept, refused, releases, server, text};
use crate::up::says;

const URLS: &str = "
import os
from django.http import HttpResponse
from django.templatetags.static import static
from django.urls import path
from notes.models import Note

WORDS = 'one'

def home(request):
    return HttpResponse(WORDS)

def notes(request):
    if request.method == 'POST':
        Note.objects.create(text=request.body.decode())
        print('noted', request.body.decode(), flush=True)
    return HttpResponse(','.join(Note.objects.order_by('id').values_list('text', flat=True)))

def style(request):
    return HttpResponse(static('site.css'))

urlpatterns = [path('', home), path('notes', notes), path('style', style)]
";

const SETTINGS: &str = "
DEBUG = False
ALLOWED_HOSTS = ['localhost']
INSTALLED_APPS = ['django.contrib.staticfiles', 'django.contrib.contenttypes', 'notes']
MIDDLEWARE = []
TEMPLATES = []
STATIC_URL = '/static/'
STATICFILES_DIRS = [BASE_DIR / 'assets']
STORAGES = {'staticfiles': {'BACKEND': 'django.contrib.staticfiles.storage.ManifestStaticFilesStorage'},
            'default': {'BACKEND': 'django.core.files.storage.FileSystemStorage'}}
MEDIA_URL = '/media/'
MEDIA_ROOT = BASE_DIR / 'media'
";

/// A project with a table, a style sheet and uploads, on SQLite among its code.
pub(crate) fn notes(server: &Project, python: &Python) -> PathBuf {
    let folder = server.path("notes");
    std::fs::create_dir_all(folder.join("notes/migrations")).unwrap();
    python.run(&folder, &["-m", "django", "startproject", "config", "."]);
    server
        .write("notes/requirements.txt", &(python.pinned("Django") + "\n"))
        .write(
            "notes/hotclub.toml",
            "hosts = [\"localhost\"]\n[app]\nworkers = 2\n[database]\nengine = \"sqlite\"\n",
        )
        .write("notes/config/urls.py", URLS)
        .append("notes/config/settings.py", SETTINGS)
        .write("notes/assets/site.css", "body { color: red }")
        .write("notes/media/photo.txt", "a photo")
        .write("notes/notes/__init__.py", "")
        .write("notes/notes/migrations/__init__.py", "")
        .write(
            "notes/notes/models.py",
            "from django.db import models\n\nclass Note(models.Model):\n    text = models.TextField()\n",
        );
    python.run(&folder, &["manage.py", "makemigrations", "notes"]);
    folder
}

pub(crate) fn say(server: &Project, before: &str, after: &str) {
    let words = |word: &str| format!("WORDS = '{word}'");
    server.edit("notes/config/urls.py", &words(before), &words(after));
}

pub(crate) fn write(program: &Program, note: &str) {
    let answer = program.request("POST", "/notes", &[("Host", "localhost")], note.as_bytes());
    answer.expect(200);
}

pub(crate) fn notes_of(program: &Program) -> String {
    let answer = program.get_with("/notes", &[("Host", "localhost")]);
    answer.text().to_owned()
}

#[test]
fn uploads_rows_and_hashed_files_outlive_releases_and_a_release_that_fails_leaves_nothing() {
    let python = need!(python());
    let server = server();
    let folder = notes(&server, &python);
    let mut program = host(&server).serve();
    program.allow("Traceback");
    program.allow("Error");
    done(&server, &["deploy", text(&folder)]);
    assert_eq!(home(&program, "localhost"), (200, "one".to_owned()));
    write(&program, "first");
    let get = |path: &str| program.get_with(path, &[("Host", "localhost")]);
    let old_style = get("/style").text().to_owned();
    get(&old_style).expect(200);
    assert_eq!(get("/media/photo.txt").text(), "a photo");
    std::fs::write(
        kept(&server, "notes").join("data/media/new.txt"),
        "an upload",
    )
    .unwrap();

    say(&server, "one", "two");
    server.write("notes/assets/site.css", "body { color: blue }");
    done(&server, &["deploy", text(&folder)]);
    assert_eq!(home(&program, "localhost").1, "two");
    assert_eq!(notes_of(&program), "first");
    assert_eq!(get("/media/new.txt").text(), "an upload");
    let new_style = get("/style").text().to_owned();
    assert_ne!(old_style, new_style);
    let old = get(&old_style).expect(200);
    assert_eq!(old.text(), "body { color: red }");
    assert!(
        old.header("cache-control")
            .is_some_and(|value| value.contains("immutable"))
    );

    // It imports nothing that exists.
    server.append("notes/config/urls.py", "import nothing_like_that\n");
    let error = refused(&server, &["deploy", text(&folder)]);
    says(&error, &["not deployed, release 2 goes on"]);
    assert_eq!(home(&program, "localhost").1, "two");
    assert_eq!(releases(&server, "notes"), ["1", "2"]);

    let began = Instant::now();
    let back = done(&server, &["rollback", "notes"]);
    let took = back["seconds"].as_f64().unwrap();
    eprintln!(
        "rolled back in {took:.2} s, {:.2} s with the command",
        began.elapsed().as_secs_f64()
    );
    assert_eq!(home(&program, "localhost").1, "one");
    assert_eq!(notes_of(&program), "first");
    let new = program.get_with(&new_style, &[("Host", "localhost")]);
    new.expect(200);
    program.forget_descriptors();
    program.stop();
}

#[test]
fn migrations_between_two_releases_stop_a_rollback_with_a_plan() {
    let python = need!(python());
    let server = server();
    let folder = notes(&server, &python);
    let mut program = host(&server).serve();
    done(&server, &["deploy", text(&folder)]);
    write(&program, "first");
    server.append(
        "notes/notes/models.py",
        "    more = models.TextField(default='')\n",
    );
    python.run(
        &folder,
        &["manage.py", "makemigrations", "notes", "--name", "more"],
    );
    done(&server, &["deploy", text(&folder)]);
    let listed = done(&server, &["releases", "notes"]);
    let ran = &listed["releases"][0]["migrations"];
    assert_eq!(ran, &serde_json::json!(["notes.0002_more"]));

    let error = refused(&server, &["rollback", "notes"]);
    says(
        &error,
        &[
            "notes.0002_more",
            "--anyway",
            "hotclub manage",
            "hotclub db restore",
        ],
    );
    assert_eq!(notes_of(&program), "first");
    let backups = std::fs::read_dir(kept(&server, "notes").join("state/backups")).unwrap();
    assert!(
        backups.count() > 0,
        "a backup was made before the migration"
    );
    done(&server, &["rollback", "notes", "--anyway"]);
    let status = done(&server, &["status", "notes"]);
    assert_eq!(status["sites"][0]["release"], 1);
    assert!(status["sites"][0]["backup_age"].is_u64());
    program.forget_descriptors();
    program.stop();
}
