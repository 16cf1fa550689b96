//! Ready-made compressed siblings.

use super::*;

/// A style sheet with all siblings; contents name their coding and have its length.
fn ground() -> Ground {
    let ground = Ground::new();
    ground.write("a.css", "plain".repeat(10));
    ground.write("a.css.br", "br");
    ground.write("a.css.zst", "zstd");
    ground.write("a.css.gz", "gzip--");
    ground
}

fn accepting(mount: &FileMount, path: &str, value: &str) -> (String, Option<String>) {
    let seen = get(mount, path, &[("Accept-Encoding", value)]);
    (
        seen.text().to_owned(),
        seen.field("Content-Encoding").map(str::to_owned),
    )
}

#[test]
fn the_sibling_is_chosen_by_weight_and_then_by_size() {
    let ground = ground();
    let mount = ground.site();
    for _ in 0..3 {
        for (value, content, coding) in [
            ("gzip, deflate, br, zstd", "br", "br"),
            ("gzip, zstd", "zstd", "zstd"),
            ("gzip", "gzip--", "gzip"),
            ("br;q=0.5, gzip", "gzip--", "gzip"),
            ("*", "br", "br"),
            ("*, br;q=0", "zstd", "zstd"),
            ("identity;q=0.5, gzip;q=0.5", "gzip--", "gzip"),
        ] {
            let expected = (content.to_owned(), Some(coding.to_owned()));
            assert_eq!(accepting(&mount, "a.css", value), expected, "{value}");
        }
        for value in [
            "",
            "deflate",
            "br;q=0",
            "identity",
            "identity, br;q=0.9",
            "identity;q=0",
            "*;q=0",
        ] {
            assert_eq!(
                accepting(&mount, "a.css", value),
                ("plain".repeat(10), None),
                "{value}"
            );
        }
    }
    assert!(is_in_memory(&mount, "a.css"));
}

#[test]
fn each_coding_has_its_own_tag_and_all_vary() {
    let ground = ground();
    let mount = ground.site();
    let mut tags = std::collections::HashSet::new();
    for value in ["", "br", "zstd", "gzip"] {
        let seen = get(&mount, "a.css", &[("Accept-Encoding", value)]);
        assert_eq!(seen.field("Vary"), Some("Accept-Encoding"), "{value}");
        assert_eq!(
            seen.field("Content-Type"),
            Some("text/css; charset=utf-8"),
            "{value}"
        );
        let etag = seen.field("ETag").unwrap().to_owned();
        let again = [("Accept-Encoding", value), ("If-None-Match", etag.as_str())];
        let unchanged = get(&mount, "a.css", &again);
        assert_eq!(
            (unchanged.status, unchanged.field("Vary")),
            (304, Some("Accept-Encoding"))
        );
        assert!(tags.insert(etag));
    }
    ground.write("b.css", "alone");
    assert_eq!(
        get(&mount, "b.css", &[("Accept-Encoding", "br")]).field("Vary"),
        None
    );
}

#[test]
fn a_range_is_one_of_the_encoded_bytes() {
    let ground = ground();
    let mount = ground.site();
    let seen = get(
        &mount,
        "a.css",
        &[("Accept-Encoding", "gzip"), ("Range", "bytes=4-")],
    );
    assert_eq!((seen.status, seen.text()), (206, "--"));
    assert_eq!(seen.field("Content-Range"), Some("bytes 4-5/6"));
    assert_eq!(seen.field("Content-Encoding"), Some("gzip"));
    let plain = get(&mount, "a.css", &[]).field("ETag").unwrap().to_owned();
    let lines = [
        ("Accept-Encoding", "gzip"),
        ("Range", "bytes=4-"),
        ("If-Range", plain.as_str()),
    ];
    assert_eq!(get(&mount, "a.css", &lines).status, 200);
}

#[test]
fn a_sibling_that_is_older_larger_or_no_file_is_not_sent() {
    let ground = ground();
    ground.write_at(b"a.css.br", b"br", WRITTEN - 1);
    ground.write("a.css.zst", "z".repeat(50));
    std::fs::remove_file(ground.root().join("a.css.gz")).unwrap();
    std::fs::create_dir(ground.root().join("a.css.gz")).unwrap();
    let seen = get(
        &ground.site(),
        "a.css",
        &[("Accept-Encoding", "br, zstd, gzip")],
    );
    assert_eq!(
        (seen.field("Content-Encoding"), seen.field("Vary")),
        (None, None)
    );
}

#[test]
fn a_sibling_that_comes_or_goes_is_noticed() {
    let ground = ground();
    let mount = ground.mount(always_asking(MountKind::Static));
    let coding = |mount: &FileMount| accepting(mount, "a.css", "br, gzip").1;
    for _ in 0..3 {
        assert_eq!(coding(&mount).as_deref(), Some("br"));
    }
    std::fs::remove_file(ground.root().join("a.css.br")).unwrap();
    assert_eq!(coding(&mount).as_deref(), Some("gzip"));
    std::fs::remove_file(ground.root().join("a.css.gz")).unwrap();
    assert_eq!(coding(&mount), None);
    ground.write("a.css.gz", "back");
    assert_eq!(accepting(&mount, "a.css", "br, gzip").0, "back");
}

#[test]
fn a_compressed_file_asked_for_by_name_is_a_file_of_its_own() {
    let ground = ground();
    let seen = get(&ground.site(), "a.css.gz", &[("Accept-Encoding", "gzip")]);
    assert_eq!(seen.field("Content-Type"), Some("application/gzip"));
    assert_eq!(
        (seen.field("Content-Encoding"), seen.field("Vary")),
        (None, None)
    );
    assert_eq!(seen.text(), "gzip--");
}

#[test]
fn uploads_have_no_siblings_because_a_stranger_could_add_them() {
    let ground = ground();
    let mount = ground.mount(MountOptions::new(MountKind::Media));
    assert_eq!(accepting(&mount, "a.css", "br"), ("plain".repeat(10), None));
}

#[test]
fn pictures_have_no_siblings() {
    let ground = Ground::new();
    ground.write("a.png", "picture");
    ground.write("a.png.gz", "gz");
    assert_eq!(
        accepting(&ground.site(), "a.png", "gzip"),
        ("picture".to_owned(), None)
    );
}
