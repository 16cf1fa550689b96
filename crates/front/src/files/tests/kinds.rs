//! Caching and safety by the kind of mount.

use super::*;

fn cache_control(options: MountOptions, path: &str) -> String {
    let ground = Ground::new();
    ground.write(path, "x");
    get(&ground.mount(options), path, &[])
        .field("Cache-Control")
        .unwrap()
        .to_owned()
}

#[test]
fn names_that_django_hashed_are_kept_for_good_and_others_by_the_mounts_rule() {
    let hashed = || -> HashedNames { ["css/a.55e7cbb9ba48.css"].into_iter().collect() };
    let rows = [
        (
            MountKind::Static,
            None,
            "css/a.css",
            "public, max-age=60, must-revalidate",
        ),
        (
            MountKind::Static,
            Some(600),
            "css/a.css",
            "public, max-age=600, must-revalidate",
        ),
        (MountKind::Static, Some(0), "css/a.css", "no-cache"),
        (
            MountKind::Static,
            Some(0),
            "css/a.55e7cbb9ba48.css",
            "public, max-age=31536000, immutable",
        ),
        (
            MountKind::Static,
            None,
            "a.55e7cbb9ba48.css",
            "public, max-age=60, must-revalidate",
        ),
        (
            MountKind::Media,
            None,
            "a.jpg",
            "max-age=3600, must-revalidate",
        ),
        (
            MountKind::Media,
            Some(5),
            "a.jpg",
            "max-age=5, must-revalidate",
        ),
    ];
    for (kind, max_age, path, expected) in rows {
        let mut options = MountOptions::new(kind);
        options.hashed = hashed();
        options.max_age = max_age.map(Duration::from_secs);
        assert_eq!(cache_control(options, path), expected, "{path}");
    }
}

#[test]
fn an_upload_that_a_browser_would_run_is_saved_instead() {
    let ground = Ground::new();
    let mount = ground.mount(MountOptions::new(MountKind::Media));
    for name in [
        "a.html",
        "a.HTM",
        "a.xhtml",
        "a.svg",
        "a.xml",
        "a.js",
        "a.swf",
        "a.unknown",
        "noname",
        "a.jpg.html",
    ] {
        ground.write(name, "<script>");
        let seen = get(&mount, name, &[]);
        let disposition = format!("attachment; filename=\"{name}\"");
        assert_eq!(
            seen.field("Content-Disposition"),
            Some(disposition.as_str())
        );
        assert!(
            seen.field("Content-Security-Policy")
                .unwrap()
                .contains("sandbox"),
            "{name}"
        );
        assert_eq!(seen.field("X-Content-Type-Options"), Some("nosniff"));
    }
    for name in [
        "a.jpg", "a.png", "a.webp", "a.mp4", "a.mp3", "a.pdf", "a.txt",
    ] {
        ground.write(name, "<script>");
        let seen = get(&mount, name, &[]);
        assert_eq!(seen.field("Content-Disposition"), None, "{name}");
        assert_eq!(seen.field("Content-Security-Policy"), None, "{name}");
        assert_eq!(seen.field("X-Content-Type-Options"), Some("nosniff"));
    }
}

#[test]
fn the_same_rules_hold_for_a_part_of_an_upload() {
    let ground = Ground::new();
    ground.write("a.svg", "<svg onload=x>");
    let mount = ground.mount(MountOptions::new(MountKind::Media));
    for range in ["bytes=0-3", "bytes=0-1,5-6"] {
        let seen = get(&mount, "a.svg", &[("Range", range)]);
        assert_eq!(seen.status, 206);
        assert!(
            seen.field("Content-Disposition")
                .unwrap()
                .starts_with("attachment")
        );
        assert_eq!(seen.field("X-Content-Type-Options"), Some("nosniff"));
    }
}

#[test]
fn a_sites_own_files_are_shown() {
    let ground = Ground::new();
    ground.write("a.svg", "<svg>");
    let seen = get(&ground.site(), "a.svg", &[]);
    assert_eq!(seen.field("Content-Disposition"), None);
    assert_eq!(seen.field("X-Content-Type-Options"), Some("nosniff"));
}
