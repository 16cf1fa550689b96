//! Release commands: what they print, and how they fail.

use std::sync::Mutex;

use hotclub_django::Progress;
use hotclub_django::inspect::inspect;
use hotclub_django::inspection::Pending;
use hotclub_django::migrate::{DEFAULT_COMMAND, MigrateError, run};
use hotclub_django::progress::silent;

use crate::support::Site;

fn default_command() -> Vec<String> {
    vec![DEFAULT_COMMAND.to_owned()]
}

#[tokio::test]
async fn migrations_run_once_and_are_not_pending_afterwards() {
    let site = Site::start().await;
    let lines = Mutex::new(Vec::new());
    let report = |progress: Progress| lines.lock().unwrap().push(progress.message);
    run(&site.app, &default_command(), &held(), &report)
        .await
        .unwrap();
    let lines = lines.into_inner().unwrap();
    assert!(
        lines
            .iter()
            .any(|line| line.contains("Applying auth.0001_initial")),
        "{lines:?}"
    );
    let found = inspect(&site.app, true).await.unwrap();
    assert_eq!(found.pending, Some(Pending::Migrations(Vec::new())));
}

#[tokio::test]
async fn a_failing_migration_shows_the_users_frames() {
    let site = Site::start().await;
    site.write("blog/__init__.py", "");
    site.write("blog/migrations/__init__.py", "");
    site.write(
        "blog/migrations/0001_initial.py",
        "from django.db import migrations

def fill(apps, schema_editor):
    raise ValueError('no such author')

class Migration(migrations.Migration):
    operations = [migrations.RunPython(fill)]
",
    );
    site.append("mysite/settings.py", "INSTALLED_APPS += ['blog']");
    let error = run(&site.app, &default_command(), &held(), &silent)
        .await
        .unwrap_err();
    let MigrateError::Failed { cause, log, .. } = &error else {
        panic!("{error}")
    };
    assert!(
        cause.contains("File \"blog/migrations/0001_initial.py\", line 4, in fill"),
        "{cause}"
    );
    assert!(cause.ends_with("ValueError: no such author"), "{cause}");
    assert!(!cause.contains("site-packages"), "{cause}");
    assert!(
        std::fs::read_to_string(log)
            .unwrap()
            .contains("site-packages/django")
    );
}

#[tokio::test]
async fn djangos_own_checks_come_with_their_message_and_a_hint() {
    let site = Site::start().await;
    site.append("mysite/settings.py", "CSRF_TRUSTED_ORIGINS = ['*']");
    let error = run(&site.app, &default_command(), &held(), &silent)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("4_0.E001"), "{error}");
    assert!(error.hint().unwrap().contains("https://example.com"));
}

#[tokio::test]
async fn a_database_that_does_not_answer_is_an_unknown_and_no_failure() {
    let site = Site::start().await;
    site.replace(
        "mysite/settings.py",
        "BASE_DIR / 'db.sqlite3'",
        "BASE_DIR / 'mysite'",
    );
    let found = inspect(&site.app, true).await.unwrap();
    let Some(Pending::Unknown { kind, .. }) = found.pending else {
        panic!("{:?}", found.pending)
    };
    assert_eq!(kind, "OperationalError");
}

/// Nothing to read.
fn held() -> std::fs::File {
    tempfile::tempfile().unwrap()
}
