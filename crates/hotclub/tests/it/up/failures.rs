//! Projects that cannot be served: the cause, a hint, exit code 1, and nothing that breaks the next start.

use hotclub_testkit::{need, python};

use super::{plain, refusal, refused, says, state_of, up};

#[test]
fn settings_that_cannot_be_imported_show_the_users_own_line() {
    let python = need!(python());
    let project = plain(&python);
    project.append(
        "mysite/settings.py",
        "\nimport os\nKEY = os.environ['A_KEY_THAT_IS_NOT_SET']\n",
    );
    let error = refused(&project);
    says(&error, &["settings.py", "A_KEY_THAT_IS_NOT_SET"]);
    assert!(error["hint"].is_string(), "{error:#}");
    let detail = error.to_string();
    assert!(
        !detail.contains("importlib"),
        "not the user's frames: {detail}"
    );
}

#[test]
fn a_package_that_is_not_in_the_requirements_is_named() {
    let python = need!(python());
    let project = plain(&python);
    project.append("mysite/settings.py", "\nimport environ\n");
    let error = refused(&project);
    says(&error, &["environ", "django-environ"]);
    // Once it is added, all is well.
    project.append("requirements.txt", "django-environ\n");
    let program = up(&project).serve();
    program.get("/").expect(200);
    program.stop();
}

#[test]
fn requirements_that_cannot_be_installed_are_an_error_that_names_them() {
    let project = hotclub_testkit::Project::empty();
    project
        .write(
            "manage.py",
            "import django.core.management  # DJANGO_SETTINGS_MODULE\n",
        )
        .write("requirements.txt", "./a-package-that-is-not-there\n");
    let error = refused(&project);
    says(&error, &["a-package-that-is-not-there"]);
}

#[test]
fn a_migration_that_fails_ends_the_start_with_its_cause_and_may_be_repaired() {
    let python = need!(python());
    let project = plain(&python);
    let migration = |body: &str| {
        format!(
            "from django.db import migrations\n\ndef forwards(apps, schema_editor):\n    {body}\n\n\
             class Migration(migrations.Migration):\n    dependencies = []\n    \
             operations = [migrations.RunPython(forwards)]\n"
        )
    };
    project
        .write("poems/__init__.py", "")
        .write("poems/migrations/__init__.py", "")
        .write(
            "poems/migrations/0001_initial.py",
            &migration("raise ValueError('no rhyme')"),
        )
        .edit(
            "mysite/settings.py",
            "INSTALLED_APPS = [",
            "INSTALLED_APPS = [\n    'poems',",
        );
    let error = refused(&project);
    says(&error, &["migrat", "no rhyme", "0001_initial.py"]);
    assert!(error["hint"].is_string(), "{error:#}");
    project.write("poems/migrations/0001_initial.py", &migration("pass"));
    let program = up(&project).serve();
    assert_eq!(state_of(&program, "dependencies"), "skipped");
    assert_eq!(state_of(&program, "migrations"), "done");
    program.get("/").expect(200);
    program.stop();
}

#[test]
fn static_files_that_cannot_be_collected_end_the_start_with_the_cause() {
    let python = need!(python());
    let project = plain(&python);
    project
        .write("assets/site.css", "body { background: url('missing.png'); }\n")
        .append(
            "mysite/settings.py",
            "\nSTATICFILES_DIRS = [BASE_DIR / 'assets']\nSTORAGES = {\n    \
             'default': {'BACKEND': 'django.core.files.storage.FileSystemStorage'},\n    'staticfiles': \
             {'BACKEND': 'django.contrib.staticfiles.storage.ManifestStaticFilesStorage'},\n}\n",
        );
    let error = refused(&project);
    says(&error, &["static", "site.css", "missing.png"]);
    project.write("assets/missing.png", "not really a picture");
    let program = up(&project).serve();
    program.get("/static/site.css").expect(200);
    program.stop();
}

#[test]
fn a_wsgi_module_that_raises_shows_the_users_frames() {
    let python = need!(python());
    let project = plain(&python);
    project.append("mysite/wsgi.py", "\nraise RuntimeError('not this way')\n");
    let error = refused(&project);
    says(&error, &["wsgi.py", "not this way"]);
    assert!(error["hint"].is_string(), "{error:#}");
}

#[test]
fn urls_that_raise_are_found_by_the_probe_before_visitors_do() {
    let python = need!(python());
    let project = plain(&python);
    project.write("mysite/urls.py", "import environ\n");
    says(&refused(&project), &["urls.py", "django-environ"]);
    project.write("mysite/urls.py", "raise RuntimeError('no urls today')\n");
    let ended = up(&project).end_within(std::time::Duration::from_secs(120));
    assert_eq!(ended.code, Some(1), "{}\n{}", ended.stdout, ended.stderr);
    let all = ended.stdout + &ended.stderr;
    assert!(all.contains("no urls today"), "{all}");
}

#[test]
fn a_port_that_is_taken_is_found_out_before_anything_is_installed() {
    let python = need!(python());
    let project = plain(&python);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let launch = crate::hotclub()
        .arg("up")
        .arg(project.dir())
        .args(["--json", "--listen", &address]);
    says(&refusal(launch.of(&project)), &[&address]);
    assert!(!project.path(".hotclub/envs").exists());
}

#[test]
fn a_python_that_the_machine_does_not_have_is_an_error_that_lists_those_it_has() {
    let python = need!(python());
    let project = plain(&python);
    project.write("hotclub.toml", "[app]\npython = \"3.99\"\n");
    says(&refused(&project), &["3.99", "found: 3."]);
}
