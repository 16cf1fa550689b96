//! Settings that have caused trouble elsewhere.

use hotclub_testkit::{need, python};

use super::{plain, refused, says, state_of, up};

#[test]
fn allowed_hosts_without_localhost_are_no_hindrance() {
    let python = need!(python());
    let project = plain(&python);
    project
        .edit(
            "mysite/settings.py",
            "ALLOWED_HOSTS = []",
            "ALLOWED_HOSTS = ['.example.com']",
        )
        .edit("mysite/settings.py", "DEBUG = True", "DEBUG = False");
    let program = up(&project).serve();
    program
        .get_with("/admin/login/", &[("Host", "www.example.com")])
        .expect(200);
    // Django's own answer to a host that it was not told of.
    program
        .get_with("/admin/login/", &[("Host", "localhost")])
        .expect(400);
    program.stop();
}

#[test]
fn an_https_only_site_is_probed_as_its_visitors_ask() {
    let python = need!(python());
    let project = plain(&python);
    project
        .edit("mysite/settings.py", "ALLOWED_HOSTS = []", "ALLOWED_HOSTS = ['example.com']")
        .edit("mysite/settings.py", "DEBUG = True", "DEBUG = False")
        .append(
            "mysite/settings.py",
            "\nSECURE_SSL_REDIRECT = True\nSECURE_PROXY_SSL_HEADER = ('HTTP_X_FORWARDED_PROTO', 'https')\n",
        );
    let program = up(&project).serve();
    let answer = program
        .get_with("/admin/login/", &[("Host", "example.com")])
        .expect(301);
    assert_eq!(
        answer.header("location"),
        Some("https://example.com/admin/login/")
    );
    // A stranger cannot say that it came over HTTPS.
    let forged = [("Host", "example.com"), ("X-Forwarded-Proto", "https")];
    program.get_with("/admin/login/", &forged).expect(301);
    program.stop();
}

#[test]
fn a_site_without_a_database_needs_no_migrations() {
    let python = need!(python());
    let project = plain(&python);
    project
        .append(
            "mysite/settings.py",
            "\nDATABASES = {}\nINSTALLED_APPS = []\nMIDDLEWARE = []\n",
        )
        .write(
            "mysite/urls.py",
            "from django.http import HttpResponse\nfrom django.urls import path\n\n\
             urlpatterns = [path('', lambda request: HttpResponse('no rows'))]\n",
        );
    let program = up(&project).serve();
    assert_eq!(program.get("/").expect(200).text(), "no rows");
    program.stop();
}

#[test]
fn a_star_in_csrf_trusted_origins_is_explained() {
    let python = need!(python());
    let project = plain(&python);
    project.append("mysite/settings.py", "\nCSRF_TRUSTED_ORIGINS = ['*']\n");
    says(
        &refused(&project),
        &["CSRF_TRUSTED_ORIGINS", "4_0.E001", "https://"],
    );
}

#[test]
fn split_settings_and_a_settings_module_of_the_environment_are_understood() {
    let python = need!(python());
    let project = plain(&python);
    let base = project.read("mysite/settings.py");
    std::fs::remove_file(project.path("mysite/settings.py")).unwrap();
    project
        .write("mysite/settings/__init__.py", "")
        .write(
            "mysite/settings/base.py",
            &base.replace("parent.parent", "parent.parent.parent"),
        )
        .write(
            "mysite/settings/local.py",
            "from .base import *\nROOT_URLCONF = 'mysite.nowhere'\n",
        )
        .write(
            "mysite/settings/production.py",
            "from .base import *\nDEBUG = False\nALLOWED_HOSTS = ['*']\n",
        )
        .edit("manage.py", "mysite.settings", "mysite.settings.local")
        .edit(
            "mysite/wsgi.py",
            "mysite.settings",
            "mysite.settings.production",
        );
    let chosen = |module: &str| up(&project).env("DJANGO_SETTINGS_MODULE", module).serve();
    let program = chosen("mysite.settings.production");
    program.get("/admin/login/").expect(200);
    program.stop();
    // What was learnt under one settings module is not taken for another's.
    let program = chosen("mysite.settings.base");
    assert_eq!(state_of(&program, "settings"), "done");
    assert_eq!(state_of(&program, "migrations"), "done");
    program.stop();
    let ended = up(&project).end_within(std::time::Duration::from_secs(120));
    let warned = ended.events().into_iter().find(|event| {
        event["event"] == "warning" && event["hint"].to_string().contains("settings.production")
    });
    assert!(warned.is_some(), "{}", ended.stdout);
    project.write(
        "hotclub.toml",
        "[app]\nsettings = \"mysite.settings.production\"\n",
    );
    let program = up(&project).serve();
    program.get("/admin/login/").expect(200);
    program.stop();
}

#[test]
fn variables_of_an_env_file_reach_the_settings_literally() {
    let python = need!(python());
    let project = plain(&python);
    project
        .edit("mysite/settings.py", "DEBUG = True", "import os\nDEBUG = False\nWORDS = os.environ['WORDS']")
        .edit("mysite/settings.py", "ALLOWED_HOSTS = []", "ALLOWED_HOSTS = ['*']")
        .write(
            "mysite/urls.py",
            "from django.conf import settings\nfrom django.http import HttpResponse\nfrom django.urls import path\n\
             urlpatterns = [path('', lambda request: HttpResponse(settings.WORDS))]\n",
        )
        .write(".env.prod", "WORDS=two words, $HOME and * too\r\n")
        .write("hotclub.toml", "[env]\nfiles = [\".env.prod\"]\n");
    let program = up(&project).serve();
    assert_eq!(
        program.get("/").expect(200).text(),
        "two words, $HOME and * too"
    );
    program.stop();
}
