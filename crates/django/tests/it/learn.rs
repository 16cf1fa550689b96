//! Settings are given a key and led to PostgreSQL under the names they read.

use hotclub_django::database::Connection;
use hotclub_django::learn::{Managed, learn};

use crate::support::Site;

/// With a capital, because some helpers lower-case the host of a URL.
fn connection() -> Connection {
    Connection {
        socket_dir: "/run/Hotclub x/pg".into(),
        port: 5432,
        name: "hotclub_db".into(),
        user: "hotclub".into(),
        password: "a-b_c".into(),
    }
}

async fn pointed(site: &mut Site) -> Managed {
    let learned = learn(&mut site.app, Some(&connection())).await.unwrap();
    if learned.database == Managed::Pointed {
        let database = learned.inspection.default_database().unwrap();
        assert_eq!(
            (&*database.host, &*database.name),
            ("/run/Hotclub x/pg", "hotclub_db")
        );
        assert!(database.is_postgres() && database.has_password);
    }
    learned.database
}

#[tokio::test]
async fn a_secret_key_is_made_once_for_settings_that_read_one() {
    let mut site = Site::start().await;
    site.append(
        "mysite/settings.py",
        "import os\nPAYMENT = os.environ.get('PAYMENT_SECRET_KEY')\n\
         SECRET_KEY = os.environ['DJANGO_SECRET_KEY']",
    );
    let learned = learn(&mut site.app, None).await.unwrap();
    let injected: Vec<_> = learned.injected.keys().map(String::as_str).collect();
    assert_eq!(injected, ["DJANGO_SECRET_KEY"]);
    assert_eq!(learned.database, Managed::NotOffered);
    assert!(!learned.inspection.secret_key_insecure);
    let kept = std::fs::read_to_string(site.state().join("secret_key")).unwrap();
    assert_eq!(site.app.vars["DJANGO_SECRET_KEY"], kept);
    assert!(!site.app.vars.contains_key("PAYMENT_SECRET_KEY"));
}

#[tokio::test]
async fn a_key_under_an_unusual_name_is_recognised_by_its_value() {
    let mut site = Site::start().await;
    let read = "import os\nSECRET_KEY = os.environ.get('GALLERY_SECRET_KEY', 'dev')";
    site.append("mysite/settings.py", read);
    let learned = learn(&mut site.app, None).await.unwrap();
    assert!(learned.injected.contains_key("GALLERY_SECRET_KEY"));
}

#[tokio::test]
async fn a_database_url_is_found_in_the_form_that_each_helper_understands() {
    for read in [
        "import dj_database_url\nDATABASES = {'default': dj_database_url.config(default='sqlite:///x.db')}",
        "import environ\nDATABASES = {'default': environ.Env().db()}",
        "import environ\nDATABASES = {'default': environ.Env().db_url('DJANGO_DATABASE_URL', default='sqlite:///x.db')}",
        "import decouple, dj_database_url\nDATABASES = {'default': decouple.config('DATABASE_URL', default='sqlite:///x.db', cast=dj_database_url.parse)}",
    ] {
        let mut site = Site::start().await;
        site.append("mysite/settings.py", read);
        assert_eq!(pointed(&mut site).await, Managed::Pointed, "{read}");
    }
}

#[tokio::test]
async fn names_that_are_read_only_when_others_are_set_come_to_light() {
    let mut site = Site::start().await;
    site.append(
        "mysite/settings.py",
        "import os
if os.environ.get('DB_NAME'):
    ENGINE = os.environ.get('DB_ENGINE', 'sqlite3')
    DATABASES = {'default': {'ENGINE': f'django.db.backends.{ENGINE}',
        'NAME': os.environ['DB_NAME'], 'USER': os.environ['DB_USER'],
        'PASSWORD': os.environ['DB_PASSWORD'], 'HOST': os.environ.get('DB_HOST', 'localhost'),
        'PORT': os.environ.get('DB_PORT', '5432')}}
    LEGACY = os.environ.get('LEGACY_DB_HOST')",
    );
    assert_eq!(pointed(&mut site).await, Managed::Pointed);
    assert_eq!(site.app.vars["DB_ENGINE"], "postgresql");
    assert!(!site.app.vars.contains_key("LEGACY_DB_HOST"));
}

#[tokio::test]
async fn a_postgis_engine_of_the_users_stays() {
    let mut site = Site::start().await;
    site.append(
        "mysite/settings.py",
        "import os
DATABASES = {'default': {
    'ENGINE': os.environ.get('SQL_ENGINE', 'django.contrib.gis.db.backends.postgis'),
    'NAME': os.environ.get('POSTGRES_DB', 'x'), 'USER': os.environ.get('POSTGRES_USER', 'x'),
    'PASSWORD': os.environ.get('POSTGRES_PASSWORD', 'x'),
    'HOST': os.environ.get('POSTGRES_HOST', 'db'), 'PORT': 5432}}",
    );
    assert_eq!(pointed(&mut site).await, Managed::Pointed);
    assert!(!site.app.vars.contains_key("SQL_ENGINE"));
}

#[tokio::test]
async fn what_the_user_decided_stands_also_in_a_dotenv() {
    let read = "import environ\nenviron.Env.read_env(BASE_DIR / '.env')\n\
                DATABASES = {'default': environ.Env().db(default='sqlite:///x.db')}";
    let mut site = Site::start().await;
    site.append("mysite/settings.py", read);
    site.write(
        ".env",
        "DATABASE_URL=postgres://me:secret@db.example/shop\n",
    );
    let decided = Managed::Decided {
        names: vec!["DATABASE_URL".into()],
    };
    assert_eq!(pointed(&mut site).await, decided);
    std::fs::remove_file(site.path(".env")).unwrap();
    site.app
        .vars
        .insert("DATABASE_URL".into(), "sqlite:///y.db".into());
    assert_eq!(pointed(&mut site).await, decided);
    assert_eq!(site.app.vars["DATABASE_URL"], "sqlite:///y.db");
}

#[tokio::test]
async fn settings_that_name_their_database_themselves_say_why_not() {
    let mut site = Site::start().await;
    let Managed::Impossible { reason } = pointed(&mut site).await else {
        panic!()
    };
    assert!(reason.contains("read no environment variable"), "{reason}");
    site.append(
        "mysite/settings.py",
        "import os\nNAME = os.environ.get('DB_NAME')",
    );
    let Managed::Impossible { reason } = pointed(&mut site).await else {
        panic!()
    };
    assert!(
        reason.contains("DB_NAME") && reason.contains("sqlite3"),
        "{reason}"
    );
    assert!(!site.app.vars.contains_key("DB_NAME"));
}
