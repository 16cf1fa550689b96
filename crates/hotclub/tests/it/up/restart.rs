//! What a start finds that is not the first, or that comes after a crash.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use hotclub_testkit::{need, python};

use super::{plain, refusal, says, state_of, up};
use crate::hotclub;

#[test]
fn after_a_kill_the_next_start_serves_again() {
    let python = need!(python());
    let project = plain(&python);
    up(&project).serve().kill();
    let program = up(&project).serve();
    assert_eq!(state_of(&program, "dependencies"), "skipped");
    program.get("/admin/login/").expect(200);
    program.stop();
}

#[test]
fn a_second_up_of_the_same_project_is_refused() {
    let python = need!(python());
    let project = plain(&python);
    let program = up(&project).serve();
    // Not marked as this project's: the first one's processes stay.
    let second = hotclub()
        .arg("up")
        .arg(project.dir())
        .args(["--listen", "127.0.0.1:0", "--json"]);
    let error = refusal(second);
    says(&error, &["served already", &program.pid().to_string()]);
    program.get("/").expect(200);
    program.stop();
}

#[test]
fn a_start_that_was_interrupted_leaves_nothing_that_breaks_the_next() {
    let python = need!(python());
    let project = plain(&python);
    for step in ["dependencies", "settings"] {
        let program = up(&project).start();
        // Told while this step is under way, or just after it.
        program
            .stdout
            .find(0, std::time::Duration::from_secs(60), |line| {
                line.contains(step).then_some(())
            });
        program.signal(hotclub_testkit::Signal::INT);
        let ended = program.end_within(std::time::Duration::from_secs(30));
        assert_eq!(ended.code, Some(0), "{}\n{}", ended.stdout, ended.stderr);
    }
    let program = up(&project).serve();
    program.get("/").expect(200);
    program.stop();
}

#[test]
fn a_changed_lock_file_and_a_new_migration_are_noticed() {
    let python = need!(python());
    let project = plain(&python);
    up(&project).serve().stop();
    project.append("requirements.txt", "\n# a comment changes the digest\n");
    project.write("poems/__init__.py", "");
    project.write("poems/migrations/__init__.py", "");
    project.write(
        "poems/models.py",
        "from django.db import models\nclass Poem(models.Model):\n    title = models.TextField()\n",
    );
    project.edit(
        "mysite/settings.py",
        "INSTALLED_APPS = [",
        "INSTALLED_APPS = [\n    'poems',",
    );
    project.write(
        "poems/migrations/0001_initial.py",
        "from django.db import migrations, models\nclass Migration(migrations.Migration):\n    initial = True\n    \
         dependencies = []\n    operations = [migrations.CreateModel('Poem', [\n        \
         ('id', models.BigAutoField(primary_key=True, auto_created=True, serialize=False)),\n        \
         ('title', models.TextField())])]\n",
    );
    let program = up(&project).serve();
    assert_eq!(state_of(&program, "dependencies"), "done");
    assert_eq!(state_of(&program, "backup"), "done");
    assert_eq!(state_of(&program, "migrations"), "done");
    program.stop();
    let made = crate::db::backups(&project);
    assert_eq!(made["backups"][0]["reason"], "migration", "{made:#}");
    let tables = "import sqlite3; print(sqlite3.connect('db.sqlite3').execute('select count(*) from poems_poem').fetchone()[0])";
    let output = python.run(project.dir(), &["-c", tables]);
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "0");
}

#[test]
fn a_read_only_project_is_served_with_its_state_elsewhere() {
    let python = need!(python());
    let project = plain(&python);
    let data = project.base().join("data");
    project.edit(
        "mysite/settings.py",
        "BASE_DIR / 'db.sqlite3'",
        &format!("'{}/db.sqlite3'", data.display()),
    );
    let everybody = fs::Permissions::from_mode(0o777);
    for folder in [&data, &project.state(), &project.base().join("home")] {
        fs::create_dir_all(folder).unwrap();
        fs::set_permissions(folder, everybody.clone()).unwrap();
    }
    fs::set_permissions(project.dir(), fs::Permissions::from_mode(0o555)).unwrap();
    let before = project.tree();
    let launch = || {
        up(&project)
            .unprivileged()
            .env("HOME", project.base().join("home"))
    };
    let program = launch().serve();
    program.get("/admin/login/").expect(200);
    program.get("/static/admin/css/base.css").expect(200);
    program.stop();
    assert_eq!(project.tree(), before);
    assert!(!project.path(".hotclub").exists());
    let program = launch().serve();
    assert_eq!(state_of(&program, "dependencies"), "skipped");
    program.stop();
}
