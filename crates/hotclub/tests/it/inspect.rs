//! `hotclub inspect` and `hotclub check`.

use std::time::Duration;

use hotclub_testkit::{Ended, Project, need, python};
use serde_json::Value;

use crate::hotclub;

fn run(project: &Project, arguments: &[&str]) -> Ended {
    let ended = hotclub()
        .args(arguments)
        .arg(project.dir())
        .of(project)
        .end_within(Duration::from_secs(120));
    assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    ended
}

fn inspect(project: &Project) -> Value {
    let ended = run(project, &["inspect", "--json"]);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stdout))
}

#[test]
fn what_django_says_about_a_project_is_printed_without_any_secret() {
    let python = need!(python());
    let project = Project::startproject(&python, "mysite", &[]);
    project.append(
        "mysite/settings.py",
        "\nimport os\nSECRET_KEY = os.environ.get('MY_SECRET_KEY', 'do-not-tell-anybody')\n\
         ALLOWED_HOSTS = ['example.com']\nMEDIA_URL = '/media/'\nMEDIA_ROOT = BASE_DIR / 'uploads'\n\
         TOKEN = os.getenv('A_TOKEN')\nDATABASES['default']['PASSWORD'] = 'do-not-tell-either'\n\
         DATABASES['default']['OPTIONS'] = {'timeout': 20}\n",
    );
    let told = inspect(&project);
    assert_eq!(told["settings"], "mysite.settings");
    assert_eq!(told["wsgi"], "mysite.wsgi:application");
    assert_eq!(told["asgi"], "mysite.asgi:application");
    assert_eq!(told["allowed_hosts"], serde_json::json!(["example.com"]));
    assert_eq!(told["static_url"], "/static/");
    assert_eq!(
        told["media_root"],
        project.path("uploads").to_str().unwrap()
    );
    let env = told["env"].as_array().unwrap();
    let read: Vec<_> = env
        .iter()
        .map(|read| {
            (
                read["name"].as_str().unwrap(),
                read["set"].as_bool().unwrap(),
            )
        })
        .collect();
    assert!(
        read.contains(&("MY_SECRET_KEY", false)) && read.contains(&("A_TOKEN", false)),
        "{read:?}"
    );
    let pending = told["pending"].to_string();
    assert!(pending.contains("auth.0001_initial"), "{pending}");
    for text in [told.to_string(), run(&project, &["inspect"]).stdout] {
        assert!(!text.contains("do-not-tell"), "a secret in {text}");
    }
    assert!(
        !project.path("db.sqlite3").exists(),
        "asking changes nothing"
    );
}

#[test]
fn a_project_below_src_and_split_settings_are_understood() {
    let python = need!(python());
    let project = Project::empty();
    std::fs::create_dir(project.path("src")).unwrap();
    python.run(
        &project.path("src"),
        &["-m", "django", "startproject", "mysite", "."],
    );
    let base = project.read("src/mysite/settings.py");
    std::fs::remove_file(project.path("src/mysite/settings.py")).unwrap();
    project
        .write("requirements.txt", &python.pinned("Django"))
        .write("src/mysite/settings/__init__.py", "")
        .write("src/mysite/settings/base.py", &base)
        .write("src/mysite/settings/local.py", "from .base import *\n")
        .edit("src/manage.py", "mysite.settings", "mysite.settings.local");
    let told = inspect(&project);
    assert_eq!(told["settings"], "mysite.settings.local");
}

#[test]
fn check_tells_what_a_deployment_lacks() {
    let python = need!(python());
    let project = Project::startproject(&python, "mysite", &[]);
    let ended = run(&project, &["check"]);
    assert!(ended.stdout.contains("DEBUG"), "{}", ended.stdout);
    project
        .write(
            "hotclub.toml",
            "hosts = [\"shop.example\"]\n[database.backup]\ndaily = false\n",
        )
        .append(
            "mysite/settings.py",
            "SECURE_SSL_REDIRECT = True\nMEDIA_URL = '/media/'\n",
        );
    let ended = run(&project, &["check"]);
    for doubt in [
        "ALLOWED_HOSTS lacks shop.example",
        "SECURE_SSL_REDIRECT sends visitors to https",
        "uploads are not served",
        "a backup is made only before migrations",
    ] {
        assert!(ended.stdout.contains(doubt), "{doubt}: {}", ended.stdout);
    }
    let broken = Project::empty();
    hotclub()
        .arg("check")
        .arg(broken.dir())
        .of(&broken)
        .fail()
        .says("no manage.py")
        .says("hint: ");
}
