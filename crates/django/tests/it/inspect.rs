//! What Django answers about projects of different make.

use hotclub_django::inspect::{InspectError, inspect};
use hotclub_django::inspection::{Inspection, Pending, SettingsFrom};

use crate::support::Site;

fn names(found: &Inspection) -> Vec<(&str, bool)> {
    found
        .env
        .iter()
        .map(|read| (read.name.as_str(), read.set))
        .collect()
}

#[tokio::test]
async fn an_unmodified_startproject_is_understood_and_left_as_it_was() {
    let site = Site::start().await;
    let before = site.tree();
    let found = inspect(&site.app, true).await.unwrap();
    assert_eq!(found.settings, "mysite.settings");
    assert_eq!(found.settings_from, SettingsFrom::ManagePy);
    assert_eq!(found.wsgi.as_deref(), Some("mysite.wsgi:application"));
    assert_eq!(found.asgi.as_deref(), Some("mysite.asgi:application"));
    assert_eq!(found.wsgi_settings, None);
    assert!(found.django.starts_with("5.2"), "{}", found.django);
    assert!(found.debug && found.secret_key_insecure && found.staticfiles_installed);
    assert_eq!(found.static_url.as_deref(), Some("/static/"));
    assert_eq!((&found.media_url, &found.media_root), (&None, &None));
    let database = found.default_database().unwrap();
    assert!(database.is_sqlite() && database.name.ends_with("db.sqlite3"));
    assert!(found.env.is_empty(), "{:?}", found.env);
    let Some(Pending::Migrations(pending)) = &found.pending else {
        panic!("{:?}", found.pending)
    };
    assert!(
        pending.contains(&"auth.0001_initial".to_owned()),
        "{pending:?}"
    );
    assert_eq!(site.tree(), before);
    let table = found.human(&site.app.vars, &site.app.project.root);
    assert!(
        table.contains("mysite.settings (from manage.py)"),
        "{table}"
    );
    assert!(table.contains("default: sqlite3 db.sqlite3"), "{table}");
}

#[tokio::test]
async fn split_settings_follow_manage_py_the_environment_and_the_option() {
    let mut site = Site::start_in("src").await;
    let base = std::fs::read_to_string(site.path("src/mysite/settings.py")).unwrap();
    std::fs::remove_file(site.path("src/mysite/settings.py")).unwrap();
    site.write("src/mysite/settings/__init__.py", "");
    site.write("src/mysite/settings/base.py", &base);
    site.write("src/mysite/settings/dev.py", "from .base import *\n");
    let production = "from .base import *\nDEBUG = False\nALLOWED_HOSTS = ['example.com']\n";
    site.write("src/mysite/settings/production.py", production);
    site.replace("src/manage.py", "mysite.settings", "mysite.settings.dev");
    site.replace(
        "src/mysite/wsgi.py",
        "mysite.settings",
        "mysite.settings.production",
    );

    let found = inspect(&site.app, false).await.unwrap();
    assert_eq!(found.settings, "mysite.settings.dev");
    assert_eq!(
        found.wsgi_settings.as_deref(),
        Some("mysite.settings.production")
    );
    assert!(found.debug);

    site.app.vars.insert(
        "DJANGO_SETTINGS_MODULE".into(),
        "mysite.settings.production".into(),
    );
    let found = inspect(&site.app, false).await.unwrap();
    assert_eq!(found.settings, "mysite.settings.production");
    assert_eq!(found.settings_from, SettingsFrom::Environment);
    assert_eq!(found.allowed_hosts, ["example.com"]);

    site.app.settings = Some("mysite.settings.base".into());
    let found = inspect(&site.app, false).await.unwrap();
    assert_eq!(found.settings, "mysite.settings.base");
    assert_eq!(found.settings_from, SettingsFrom::Option);
}

#[tokio::test]
async fn a_dotenv_loaded_by_manage_py_is_loaded_here_too() {
    let site = Site::start().await;
    site.write(".env", "SITE_NAME=Django\nNEVER_READ=1\n");
    site.replace(
        "manage.py",
        "def main():\n",
        "def main():\n    import dotenv; dotenv.load_dotenv('.env')\n",
    );
    site.append("mysite/settings.py", "SITE_NAME = os.environ['SITE_NAME']");
    site.replace(
        "mysite/settings.py",
        "from pathlib",
        "import os\nfrom pathlib",
    );
    let found = inspect(&site.app, false).await.unwrap();
    assert_eq!(names(&found), [("SITE_NAME", true)]);
}

#[tokio::test]
async fn reads_count_through_helpers_and_not_those_of_libraries_or_of_copies() {
    let site = Site::start().await;
    site.write(".env", "FROM_ENVIRON=1\nFROM_DECOUPLE=2\nNEVER_READ=3\n");
    site.append(
        "mysite/settings.py",
        "import os, environ, decouple
env = environ.Env()
environ.Env.read_env(BASE_DIR / '.env')
everything = dict(os.environ)
DIRECT = os.getenv('DIRECT', 'x')
A = env('FROM_ENVIRON')
B = env('UNSET_ENVIRON', default=None)
C = decouple.config('FROM_DECOUPLE')
D = decouple.config('UNSET_DECOUPLE', default=1)
print('settings may print', os.environ.get('HOME') and 'this')",
    );
    let found = inspect(&site.app, false).await.unwrap();
    let expected = [
        ("DIRECT", false),
        ("FROM_ENVIRON", true),
        ("UNSET_ENVIRON", false),
        ("FROM_DECOUPLE", true),
        ("UNSET_DECOUPLE", false),
        ("HOME", true),
    ];
    assert_eq!(names(&found), expected);
    assert!(found.env[0].has_default && found.env[0].at.starts_with("mysite/settings.py:"));
}

#[tokio::test]
async fn an_error_in_the_settings_shows_the_users_frames_and_a_hint() {
    let site = Site::start().await;
    site.write(
        "mysite/keys.py",
        "import environ\nKEY = environ.Env()('STRIPE_KEY')\n",
    );
    site.append("mysite/settings.py", "from mysite.keys import KEY");
    let error = inspect(&site.app, false).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("settings mysite.settings cannot be imported\n"),
        "{text}"
    );
    assert!(text.contains("File \"mysite/keys.py\", line 2"), "{text}");
    assert!(
        !text.contains("site-packages") && !text.contains("hotclub_project"),
        "{text}"
    );
    assert!(
        text.contains("ImproperlyConfigured: Set the STRIPE_KEY"),
        "{text}"
    );
    let hint = error.hint().unwrap();
    assert!(
        hint.contains("STRIPE_KEY") && hint.contains("mysite/keys.py:2"),
        "{hint}"
    );
    let InspectError::Raised(raised) = error else {
        panic!("{error}")
    };
    let log = std::fs::read_to_string(&raised.log).unwrap();
    assert!(log.contains("site-packages/environ"), "{log}");
}

#[tokio::test]
async fn a_missing_module_names_its_package_and_a_missing_driver_is_reported() {
    let site = Site::start().await;
    let settings = std::fs::read_to_string(site.path("mysite/settings.py")).unwrap();
    site.replace("mysite/settings.py", "backends.sqlite3", "backends.mysql");
    let found = inspect(&site.app, false).await.unwrap();
    assert_eq!(found.missing[0].package, "mysqlclient");
    site.write(
        "mysite/settings.py",
        &format!("import corsheaders\n{settings}"),
    );
    let hint = inspect(&site.app, false).await.unwrap_err().hint().unwrap();
    assert!(hint.contains("django-cors-headers"), "{hint}");
}

#[tokio::test]
async fn settings_that_leave_or_are_broken_in_syntax_are_answers_too() {
    let site = Site::start().await;
    site.append("mysite/settings.py", "import sys; sys.exit('no licence')");
    let text = inspect(&site.app, false).await.unwrap_err().to_string();
    assert!(text.contains("SystemExit: no licence"), "{text}");
    site.append("mysite/settings.py", "X = = 1");
    let text = inspect(&site.app, false).await.unwrap_err().to_string();
    assert!(
        text.contains("mysite/settings.py") && text.contains("X = = 1"),
        "{text}"
    );
    site.write("mysite/settings.py", "import os; os._exit(3)");
    let text = inspect(&site.app, false).await.unwrap_err().to_string();
    assert!(text.contains("Python ended without an answer"), "{text}");
}

#[tokio::test]
async fn no_password_of_a_database_is_answered() {
    let site = Site::start().await;
    site.append(
        "mysite/settings.py",
        "DATABASES = {'default': {'ENGINE': 'django.db.backends.postgresql', 'NAME': 'shop',
            'USER': 'me', 'PASSWORD': 'hush-hush', 'HOST': 'db', 'PORT': 5432,
            'CONN_MAX_AGE': 60, 'OPTIONS': {'sslcert': 'hush-hush'}}}",
    );
    let found = inspect(&site.app, true).await.unwrap();
    let database = found.default_database().unwrap();
    assert!(database.is_postgres() && database.has_password && database.sets_conn_max_age);
    assert_eq!((&*database.host, &*database.port), ("db", "5432"));
    assert_eq!(database.options, ["sslcert"]);
    assert_eq!(found.missing[0].package, "psycopg[binary]");
    assert!(!serde_json::to_string(&found).unwrap().contains("hush-hush"));
}

#[tokio::test]
async fn an_environment_without_django_is_told_from_broken_settings() {
    let mut site = Site::start().await;
    let dir = site.state().join("empty");
    let python = site.app.environment.python();
    let mut command = tokio::process::Command::new(python);
    let made = command
        .args(["-m", "venv", "--without-pip"])
        .arg(&dir)
        .status()
        .await
        .unwrap();
    assert!(made.success());
    site.app.environment.dir = dir;
    let error = inspect(&site.app, false).await.unwrap_err();
    assert!(matches!(error, InspectError::NoDjango { .. }), "{error}");
}
