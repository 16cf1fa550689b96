//! Environments from real lock files, each written by its own tool or by hand.

use std::fs;
use std::path::Path;
use std::sync::Mutex;

use hotclub_django::environment::{Environment, EnvironmentError, Maker, build, prune};
use hotclub_django::find::find;
use hotclub_django::lockfile::detect;
use hotclub_django::progress::silent;
use hotclub_django::{Error, Progress};

/// A pure-Python package without dependencies keeps these tests quick.
const ASGIREF: &str = "asgiref==3.8.1";
const HASHES: [&str; 1] =
    ["sha256:3e1e3ecc849832fe52ccf2cb6686b7a55f82bb1d6aee72a58826471390335e47"];

fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("manage.py"), "").unwrap();
    for (file, content) in files {
        fs::write(dir.path().join(file), content).unwrap();
    }
    dir
}

async fn built(dir: &Path, python: Option<&str>) -> Result<Environment, Error> {
    let project = find(dir, None)?;
    let dependencies = detect(&project, None)?;
    let state = project.root.join(".hotclub");
    Ok(build(
        &project,
        &dependencies,
        Maker { python, user: None },
        &state,
        &silent,
    )
    .await?)
}

async fn has(environment: &Environment, module: &str) -> bool {
    let mut command = tokio::process::Command::new(environment.python());
    command
        .args(["-c", &format!("import {module}")])
        .stderr(std::process::Stdio::null());
    command.status().await.unwrap().success()
}

#[tokio::test]
async fn requirements_with_includes_are_installed_once_and_a_change_builds_anew() {
    let dir = project(&[("requirements.txt", "-r more.txt\n"), ("more.txt", ASGIREF)]);
    let first = built(dir.path(), None).await.unwrap();
    assert!(first.built && has(&first, "asgiref").await);
    let second = built(dir.path(), None).await.unwrap();
    assert_eq!(
        Environment {
            built: true,
            ..second.clone()
        },
        first
    );
    assert!(!second.built);
    fs::write(dir.path().join("more.txt"), "asgiref==3.8.0").unwrap();
    let third = built(dir.path(), None).await.unwrap();
    assert!(third.built && third.dir != first.dir && first.dir.is_dir());
    prune(&dir.path().join(".hotclub"), &[&third.digest]).unwrap();
    assert!(third.dir.is_dir() && !first.dir.exists());
}

#[tokio::test]
async fn what_a_crash_left_half_built_is_built_again() {
    let dir = project(&[("requirements.txt", ASGIREF)]);
    let first = built(dir.path(), None).await.unwrap();
    fs::remove_file(first.dir.join("complete")).unwrap();
    fs::write(first.dir.join("rubbish"), "").unwrap();
    let again = built(dir.path(), None).await.unwrap();
    assert!(again.built && !again.dir.join("rubbish").exists() && has(&again, "asgiref").await);
}

#[tokio::test]
async fn a_package_that_does_not_exist_fails_with_the_tools_words_and_leaves_no_environment() {
    let dir = project(&[("requirements.txt", "asgiref==0.0.0.1\n")]);
    let error = built(dir.path(), None).await.unwrap_err();
    assert!(error.to_string().contains("asgiref"), "{error}");
    let log = dir
        .path()
        .canonicalize()
        .unwrap()
        .join(".hotclub/log/environment.log");
    assert!(error.hint().unwrap().contains(&log.display().to_string()));
    fs::write(dir.path().join("requirements.txt"), ASGIREF).unwrap();
    assert!(built(dir.path(), None).await.unwrap().built);
    assert_eq!(
        fs::read_dir(dir.path().join(".hotclub/envs"))
            .unwrap()
            .count(),
        2,
        "and the lock"
    );
}

#[tokio::test]
async fn a_python_that_is_not_there_is_an_error_that_lists_those_that_are() {
    let dir = project(&[("requirements.txt", ASGIREF), (".python-version", "3.99\n")]);
    let error = built(dir.path(), None).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("no Python 3.99") && text.contains(".python-version"),
        "{text}"
    );
    assert!(error.hint().unwrap().contains("python = \""));
    let error = built(dir.path(), Some("./manage.py")).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::Environment(EnvironmentError::NotPython { .. })
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_bare_pyproject_is_installed() {
    let pyproject = format!("[project]\nname='x'\nversion='1'\ndependencies=['{ASGIREF}']\n");
    let dir = project(&[("pyproject.toml", &pyproject)]);
    let environment = built(dir.path(), None).await.unwrap();
    assert!(has(&environment, "asgiref").await);
}

#[tokio::test]
async fn pipfile_lock_is_installed_without_pipenv_and_without_development_packages() {
    let lock = serde_json::json!({
        "_meta": {"sources": [], "requires": {}},
        "default": {"asgiref": {"version": "==3.8.1", "hashes": HASHES}},
        "develop": {"sqlparse": {"version": "==0.5.3"}},
    });
    let dir = project(&[("Pipfile.lock", &lock.to_string())]);
    let environment = built(dir.path(), None).await.unwrap();
    assert!(has(&environment, "asgiref").await && !has(&environment, "sqlparse").await);
}

#[tokio::test]
async fn a_wrong_hash_in_a_lock_file_stops_the_installation() {
    let wrong = format!("sha256:{}", "0".repeat(64));
    let lock = serde_json::json!({
        "default": {"asgiref": {"version": "==3.8.1", "hashes": [wrong]}},
    });
    let dir = project(&[("Pipfile.lock", &lock.to_string())]);
    let error = built(dir.path(), None).await.unwrap_err();
    assert!(error.to_string().to_lowercase().contains("hash"), "{error}");
}

/// Both are written by hand as their tools write them.
#[tokio::test]
async fn current_poetry_and_pdm_locks_are_installed_without_their_tools() {
    let files: Vec<String> = HASHES
        .iter()
        .map(|hash| format!("{{file = \"x\", hash = \"{hash}\"}}"))
        .collect();
    let files = files.join(", ");
    let package = |group: &str| {
        format!(
            "[[package]]\nname = \"asgiref\"\nversion = \"3.8.1\"\noptional = false\n\
             groups = [\"{group}\"]\nfiles = [{files}]\n\
             [[package]]\nname = \"sqlparse\"\nversion = \"0.5.3\"\noptional = false\n\
             groups = [\"dev\"]\nfiles = []\n"
        )
    };
    let poetry = package("main") + "[metadata]\nlock-version = \"2.1\"\n";
    let strategy = "[metadata]\nstrategy = [\"inherit_metadata\"]\n";
    let pdm = format!("{strategy}{}", package("default"));
    for (name, lock) in [("poetry.lock", poetry), ("pdm.lock", pdm)] {
        let dir = project(&[(name, &lock)]);
        let environment = built(dir.path(), None).await.unwrap();
        assert!(has(&environment, "asgiref").await && !has(&environment, "sqlparse").await);
    }
}

#[tokio::test]
async fn uv_lock_is_installed_from_the_lock_alone_without_development_packages() {
    let pyproject = format!(
        "[project]\nname='x'\nversion='1'\nrequires-python='>=3.9'\n\
         dependencies=['{ASGIREF}']\n[dependency-groups]\ndev=['sqlparse==0.5.3']\n"
    );
    let dir = project(&[("pyproject.toml", &pyproject)]);
    // Without a lock file the project is built from its pyproject, which brings uv.
    built(dir.path(), None).await.unwrap();
    let own = dir.path().join(".hotclub/tools/uv/bin/uv");
    let uv = if own.is_file() { own } else { "uv".into() };
    let mut command = tokio::process::Command::new(uv);
    command
        .arg("lock")
        .current_dir(dir.path())
        .env("UV_PYTHON_DOWNLOADS", "never");
    assert!(command.status().await.unwrap().success());
    let environment = built(dir.path(), None).await.unwrap();
    assert!(environment.built, "the lock file decides now");
    assert!(has(&environment, "asgiref").await && !has(&environment, "sqlparse").await);
}

#[tokio::test]
async fn where_uv_cannot_be_had_pip_does_it() {
    let dir = project(&[("requirements.txt", ASGIREF)]);
    fs::create_dir(dir.path().join(".hotclub")).unwrap();
    fs::write(
        dir.path().join(".hotclub/tools"),
        "in the way of uv's folder",
    )
    .unwrap();
    let environment = built(dir.path(), None).await.unwrap();
    assert!(has(&environment, "asgiref").await);
}

#[tokio::test]
async fn two_builds_at_once_make_one_environment() {
    let dir = project(&[("requirements.txt", ASGIREF)]);
    let (first, second) = tokio::join!(built(dir.path(), None), built(dir.path(), None));
    let (first, second) = (first.unwrap(), second.unwrap());
    assert_eq!(first.dir, second.dir);
    assert!(first.built != second.built && has(&first, "asgiref").await);
}

/// Poetry is fetched for this one, which takes a while.
#[tokio::test]
async fn an_older_poetry_lock_is_exported_by_poetry() {
    let pyproject = "[tool.poetry]\nname = \"x\"\nversion = \"1\"\ndescription = \"\"\n\
                     authors = []\npackage-mode = false\n[tool.poetry.dependencies]\n\
                     python = \"^3.9\"\nasgiref = \"3.8.1\"\n";
    let lock = format!(
        "[[package]]\nname = \"asgiref\"\nversion = \"3.8.1\"\ndescription = \"\"\n\
         optional = false\npython-versions = \">=3.8\"\nfiles = [\n    \
         {{file = \"asgiref-3.8.1-py3-none-any.whl\", hash = \"{}\"}},\n]\n\n\
         [metadata]\nlock-version = \"2.0\"\npython-versions = \"^3.9\"\ncontent-hash = \"96160c6d42a554cc1d69fcd48c485e627cf3b1be4fd17d702c7c42a8c835566d\"\n",
        HASHES[0]
    );
    let dir = project(&[("pyproject.toml", pyproject), ("poetry.lock", &lock)]);
    let lines = Mutex::new(Vec::new());
    let report = |progress: Progress| lines.lock().unwrap().push(progress.message);
    let found = find(dir.path(), None).unwrap();
    let dependencies = detect(&found, None).unwrap();
    let state = found.root.join(".hotclub");
    let environment = build(&found, &dependencies, Maker::default(), &state, &report)
        .await
        .unwrap();
    assert!(has(&environment, "asgiref").await);
    assert!(
        lines
            .into_inner()
            .unwrap()
            .contains(&"getting poetry".to_owned())
    );
}
