//! Static files land in a folder of Hotclub's, and nowhere else.

use std::fs;
use std::path::Path;

use hotclub_django::collect::{CollectError, Collected, Static, collect};
use hotclub_django::inspect::inspect;
use hotclub_django::progress::silent;

use crate::support::Site;

const MANIFEST: &str = "STATIC_ROOT = BASE_DIR / 'staticfiles'
STORAGES = {'default': {'BACKEND': 'django.core.files.storage.FileSystemStorage'},
    'staticfiles': {'BACKEND': 'django.contrib.staticfiles.storage.ManifestStaticFilesStorage'}}
STATICFILES_DIRS = [BASE_DIR / 'assets']";

async fn collected(site: &Site) -> Result<Collected, CollectError> {
    let inspection = inspect(&site.app, false).await.unwrap();
    collect(
        &site.app,
        &inspection,
        (&site.state().join("static"), None),
        &silent,
    )
    .await
}

async fn files(site: &Site) -> Static {
    match collected(site).await.unwrap() {
        Collected::Files(files) => files,
        Collected::None { why } => panic!("{why}"),
    }
}

/// Few files, so that compressing them takes no time.
async fn small_site() -> Site {
    let site = Site::start().await;
    site.replace("mysite/settings.py", "    'django.contrib.admin',\n", "");
    site.replace("mysite/urls.py", "path('admin/', admin.site.urls),", "");
    site.write(
        "assets/site.css",
        &"body { background: url(dot.svg) }\n".repeat(100),
    );
    site.write("assets/dot.svg", "<svg/>");
    site
}

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut found: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    found.sort();
    found
}

#[tokio::test]
async fn hashed_files_are_collected_compressed_and_listed_without_touching_the_tree() {
    let site = small_site().await;
    site.append("mysite/settings.py", MANIFEST);
    let before = site.tree();
    let found = files(&site).await;
    assert!(found.fresh);
    assert_eq!(site.tree(), before);
    let hashed: Vec<String> = serde_json::from_slice(&fs::read(&found.hashed).unwrap()).unwrap();
    assert_eq!((found.hashed_names, hashed.len()), (2, 2));
    let css = hashed.iter().find(|name| name.ends_with(".css")).unwrap();
    assert!(css.starts_with("site.") && css != "site.css");
    for ending in ["", ".gz", ".br", ".zst"] {
        assert!(
            found.dir.join(format!("{css}{ending}")).is_file(),
            "{ending}"
        );
    }
    assert!(found.dir.join("staticfiles.json").is_file());
    // Two files, each under two names, and the manifest.
    assert_eq!(found.files, 5);
    assert_eq!(
        names(site.state()),
        [
            "log",
            "python",
            "static",
            "static.hashed.json",
            "static.stamp"
        ]
    );
}

#[tokio::test]
async fn a_worker_that_is_told_the_folder_finds_the_hashed_names() {
    let site = small_site().await;
    site.append("mysite/settings.py", MANIFEST);
    site.append("mysite/settings.py", "DEBUG = False");
    let found = files(&site).await;
    let worker = format!(
        "import django\nfrom hotclub_project import override\noverride.static_root({:?})\n\
         django.setup()\nfrom django.templatetags.static import static\nprint(static('site.css'))",
        found.dir.display().to_string()
    );
    let mut command = site.app.command("python");
    command.env("DJANGO_SETTINGS_MODULE", "mysite.settings");
    command.env(
        "PYTHONPATH",
        hotclub_django::scripts::install(site.state()).unwrap(),
    );
    let output = command.args(["-c", &worker]).output().await.unwrap();
    let url = String::from_utf8(output.stdout).unwrap();
    let name = url.trim().strip_prefix("/static/").unwrap();
    assert!(
        name != "site.css" && found.dir.join(name).is_file(),
        "{url}"
    );
}

#[tokio::test]
async fn nothing_is_done_twice_and_a_change_is_noticed() {
    let site = small_site().await;
    site.append("mysite/settings.py", MANIFEST);
    let first = files(&site).await;
    let again = files(&site).await;
    assert!(first.fresh && !again.fresh);
    assert_eq!(
        Static {
            fresh: true,
            ..again
        },
        first
    );
    let modified = |name: &str| {
        fs::metadata(first.dir.join(name))
            .unwrap()
            .modified()
            .unwrap()
    };
    let time = modified("dot.svg");
    site.write("assets/new.css", "a {}");
    let third = files(&site).await;
    assert!(third.fresh && third.dir.join("new.css").is_file());
    assert_eq!(
        modified("dot.svg"),
        time,
        "an unchanged file keeps its time"
    );
}

#[tokio::test]
async fn a_failed_collecting_leaves_the_old_folder() {
    let site = small_site().await;
    site.append("mysite/settings.py", MANIFEST);
    let first = files(&site).await;
    site.write("assets/bad.css", "a { background: url(missing.png) }");
    let error = collected(&site).await.unwrap_err();
    assert!(error.to_string().contains("missing.png"), "{error}");
    assert!(first.dir.join("site.css").is_file());
    assert!(!site.state().join("static.new").exists());
    fs::remove_file(site.path("assets/bad.css")).unwrap();
    assert!(files(&site).await.dir.join("site.css").is_file());
}

#[tokio::test]
async fn without_static_files_it_says_why() {
    let site = Site::start().await;
    site.append(
        "mysite/settings.py",
        "INSTALLED_APPS.remove('django.contrib.staticfiles')",
    );
    let found = collected(&site).await.unwrap();
    let Collected::None { why } = &found else {
        panic!("{found:?}")
    };
    assert!(why.contains("django.contrib.staticfiles"), "{why}");
    assert_eq!(collected(&site).await.unwrap(), found);
}

#[tokio::test]
async fn files_that_are_kept_elsewhere_are_left_to_the_project() {
    let site = small_site().await;
    site.write(
        "mysite/storage.py",
        "from django.core.files.storage import Storage\nclass Cloud(Storage):\n    \
         def exists(self, name): return False\n",
    );
    let cloud = "STORAGES = {'default': {'BACKEND': 'mysite.storage.Cloud'},\n    \
                 'staticfiles': {'BACKEND': 'mysite.storage.Cloud'}}";
    site.append("mysite/settings.py", cloud);
    let Collected::None { why } = collected(&site).await.unwrap() else {
        panic!()
    };
    assert!(why.contains("mysite.storage.Cloud"), "{why}");
}
