//! Sites whose app is in a container. Everything that a test makes is in an engine of the tests' own.

mod building;
mod data;
pub(crate) mod deploys;
mod faults;
mod serving;

use hotclub_testkit::{Docker, Launch, Project};

use crate::up::up;

/// A Django site in one file, built into an image whose ENTRYPOINT waits for nothing and whose user is not root.
pub(crate) fn site(word: &str) -> Project {
    let project = Project::empty();
    site_in(&project, "", word);
    project
}

/// The same in a folder (`NAME/`) of the project.
pub(crate) fn site_in(project: &Project, folder: &str, word: &str) {
    let write = |name: &str, text: &str| {
        project.write(&format!("{folder}{name}"), text);
    };
    write("src/manage.py", MANAGE);
    write("src/site_settings.py", SETTINGS);
    write("src/app/__init__.py", "");
    write("src/app/static/app/style.css", "body { color: black }\n");
    write("src/views.py", &views(word));
    let entrypoint = "#!/bin/sh\necho entered >&2\nexec \"$@\"\n";
    write("src/entrypoint.sh", entrypoint);
    write("src/Dockerfile", DOCKERFILE);
    write("hotclub.toml", CONFIG);
}

pub(crate) fn up_in(docker: &Docker, project: &Project) -> Launch {
    docker.ask(&["volume", "create", "data"]);
    up(project).env("DOCKER_HOST", docker.host())
}

pub(crate) const CONFIG: &str = r#"
name = "boxed"
[app]
timeout = "2s"
[runtime]
kind = "docker"
context = "src"
volumes = ["data:/srv/data"]
"#;

const DOCKERFILE: &str = r#"
FROM python:3.11-slim
RUN useradd --uid 1234 --no-create-home app && mkdir -p /srv/data && chown app /srv/data
WORKDIR /usr/src/app
COPY . .
USER 1234
ENTRYPOINT ["sh", "/usr/src/app/entrypoint.sh"]
CMD ["python", "-c", "raise SystemExit('this is not how Hotclub starts it')"]
EXPOSE 8000
"#;

const MANAGE: &str = r#"
import os, sys
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "site_settings")
if __name__ == "__main__":
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"#;

const SETTINGS: &str = r#"
import os
SECRET_KEY = os.environ["SECRET_KEY"]
ALLOWED_HOSTS = ["*"]
ROOT_URLCONF = "views"
WSGI_APPLICATION = "views.application"
INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth", "django.contrib.staticfiles", "app"]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "/srv/data/db.sqlite3"}}
STATIC_URL = "/static/"
MEDIA_URL = "/media/"
MEDIA_ROOT = "/usr/src/app/mediafiles"
"#;

pub(crate) fn views(word: &str) -> String {
    format!("WORD = {word:?}\n{VIEWS}")
}

const VIEWS: &str = r#"
import os, pathlib, threading, time
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path

def home(request):
    return HttpResponse(WORD)

def who(request):
    from django.contrib.auth.models import User
    return HttpResponse(f"{os.getuid()} {os.getpid()} {User.objects.count()}")

def waits_for_ever(request):
    threading.Event().wait()

def held(request):
    pathlib.Path("/srv/kept/held").touch()
    while not pathlib.Path("/srv/kept/go").exists():
        time.sleep(0.02)
    return HttpResponse(WORD)

def upload(request):
    name = default_storage.save("picture.txt", ContentFile(b"a picture"))
    return HttpResponse(default_storage.url(name))

urlpatterns = [path("", home), path("who", who), path("hang", waits_for_ever), path("upload", upload), path("held", held)]
application = get_wsgi_application()
"#;
