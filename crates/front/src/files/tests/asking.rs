//! Methods, conditions and ranges, each asked of a file on the disk and of one in memory.

use super::*;

/// Fields of a request, and the status and content they bring.
type Row<'a> = (&'a [(&'a str, &'a str)], u16, &'a str);

const ALPHABET: &str = "abcdefghijklmnopqrstuvwxyz";

/// Runs the same questions against a descriptor and against memory.
fn both(ground: &Ground, path: &str, questions: impl Fn(&FileMount)) {
    let mut options = MountOptions::new(MountKind::Static);
    options.cache.max_total_bytes = 0;
    let disk = ground.mount(options);
    questions(&disk);
    assert!(!is_in_memory(&disk, path));

    let memory = ground.site();
    get(&memory, path, &[]);
    get(&memory, path, &[]);
    assert!(is_in_memory(&memory, path));
    questions(&memory);
}

fn etag_of(mount: &FileMount, path: &str) -> String {
    get(mount, path, &[]).field("ETag").unwrap().to_owned()
}

#[test]
fn a_file_is_sent_with_all_its_fields() {
    let ground = Ground::new();
    ground.write("css/site.css", ALPHABET);
    both(&ground, "css/site.css", |mount| {
        let seen = get(mount, "css/site.css", &[]);
        assert_eq!((seen.status, seen.text()), (200, ALPHABET));
        let fields: Vec<_> = seen
            .fields
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .collect();
        let expected = [
            ("ETag", "\"6553f100.0-1a\""),
            ("Last-Modified", WRITTEN_TEXT),
            ("Cache-Control", "public, max-age=60, must-revalidate"),
            ("Content-Type", "text/css; charset=utf-8"),
            ("Accept-Ranges", "bytes"),
            ("X-Content-Type-Options", "nosniff"),
        ];
        assert_eq!(fields, expected);
    });
}

#[test]
fn head_is_get_without_the_content() {
    let ground = Ground::new();
    ground.write("a.txt", ALPHABET);
    both(&ground, "a.txt", |mount| {
        let get = get(mount, "a.txt", &[]);
        for lines in [&[][..], &[("Range", "bytes=0-1")]] {
            let mut head = ask(mount, FileMethod::Head, "a.txt", lines).unwrap();
            assert_eq!(
                head.fields.pop().unwrap(),
                ("Content-Length".into(), "26".into())
            );
            assert_eq!(
                (head.status, &head.fields, head.text()),
                (200, &get.fields, "")
            );
        }
    });
}

#[test]
fn other_methods_are_told_which_are_allowed() {
    let ground = Ground::new();
    let seen = ask(&ground.site(), FileMethod::Other, "missing", &[]).unwrap();
    assert_eq!((seen.status, seen.field("Allow")), (405, Some("GET, HEAD")));
}

#[test]
fn an_empty_file_is_sent_whatever_the_range() {
    let ground = Ground::new();
    ground.write("empty.txt", "");
    both(&ground, "empty.txt", |mount| {
        for range in ["bytes=0-", "bytes=-1", "bytes=5-6", "bytes=0-0,2-3"] {
            let seen = get(mount, "empty.txt", &[("Range", range)]);
            assert_eq!((seen.status, seen.text()), (200, ""), "{range}");
        }
    });
}

#[test]
fn conditions_and_ranges_combine_as_the_rfc_says() {
    let ground = Ground::new();
    ground.write("a.txt", ALPHABET);
    both(&ground, "a.txt", |mount| {
        let etag = etag_of(mount, "a.txt");
        let weak = format!("W/{etag}");
        let (etag, weak) = (etag.as_str(), weak.as_str());
        let earlier = "Tue, 14 Nov 2023 22:13:19 GMT";
        let range = ("Range", "bytes=0-4");
        let rows: &[Row<'_>] = &[
            (&[("If-None-Match", etag)], 304, ""),
            (&[("If-None-Match", weak)], 304, ""),
            (&[("If-None-Match", "*")], 304, ""),
            (&[("If-None-Match", "\"other\"")], 200, ALPHABET),
            (&[("If-Modified-Since", WRITTEN_TEXT)], 304, ""),
            (&[("If-Modified-Since", earlier)], 200, ALPHABET),
            (
                &[
                    ("If-None-Match", "\"other\""),
                    ("If-Modified-Since", WRITTEN_TEXT),
                ],
                200,
                ALPHABET,
            ),
            (&[("If-Match", etag)], 200, ALPHABET),
            (&[("If-Match", weak)], 412, ""),
            (&[("If-Match", "\"other\"")], 412, ""),
            (&[("If-Unmodified-Since", earlier)], 412, ""),
            (&[("If-Unmodified-Since", WRITTEN_TEXT)], 200, ALPHABET),
            (&[range], 206, "abcde"),
            (&[range, ("If-None-Match", etag)], 304, ""),
            (&[range, ("If-Match", etag)], 206, "abcde"),
            (&[range, ("If-Match", "\"other\"")], 412, ""),
            (&[range, ("If-Range", etag)], 206, "abcde"),
            (&[range, ("If-Range", weak)], 200, ALPHABET),
            (&[range, ("If-Range", "\"other\"")], 200, ALPHABET),
            (&[range, ("If-Range", WRITTEN_TEXT)], 206, "abcde"),
            (&[range, ("If-Range", earlier)], 200, ALPHABET),
            (&[("If-Range", etag)], 200, ALPHABET),
            (
                &[("Range", "bytes=26-"), ("If-Range", "\"other\"")],
                200,
                ALPHABET,
            ),
            (&[range, range], 200, ALPHABET),
            (&[("Range", "bytes=-3")], 206, "xyz"),
            (&[("Range", "bytes=20-")], 206, "uvwxyz"),
            (&[("Range", "bytes=0-")], 206, ALPHABET),
            (&[("Range", "bytes=0-3,2-5,6-7")], 206, "abcdefgh"),
            (&[("Range", "bytes=26-")], 416, ""),
            (&[("Range", "bytes=-0")], 416, ""),
            (&[("Range", "bytes=5-2")], 200, ALPHABET),
            (&[("Range", "pages=1-2")], 200, ALPHABET),
        ];
        for (lines, status, content) in rows {
            let seen = get(mount, "a.txt", lines);
            assert_eq!((seen.status, seen.text()), (*status, *content), "{lines:?}");
        }
    });
}

#[test]
fn a_part_says_where_it_lies_and_a_refusal_how_long_the_file_is() {
    let ground = Ground::new();
    ground.write("a.txt", ALPHABET);
    both(&ground, "a.txt", |mount| {
        let part = get(mount, "a.txt", &[("Range", "bytes=24-99")]);
        assert_eq!(part.field("Content-Range"), Some("bytes 24-25/26"));
        assert_eq!(part.field("ETag"), Some(etag_of(mount, "a.txt").as_str()));
        let none = get(mount, "a.txt", &[("Range", "bytes=26-")]);
        assert_eq!(none.field("Content-Range"), Some("bytes */26"));
        assert_eq!(none.field("Cache-Control"), None);
    });
}

#[test]
fn several_parts_come_as_multipart_in_the_order_asked_for() {
    let ground = Ground::new();
    ground.write("a.txt", ALPHABET);
    both(&ground, "a.txt", |mount| {
        let seen = get(mount, "a.txt", &[("Range", "bytes=-2, 0-1,5-6")]);
        assert_eq!(seen.status, 206);
        assert_eq!(seen.field("Content-Range"), None);
        let boundary = seen.field("Content-Type").unwrap();
        let boundary = boundary
            .strip_prefix("multipart/byteranges; boundary=")
            .unwrap();
        let part = |range: &str, content: &str| {
            format!(
                "--{boundary}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes {range}/26\r\n\r\n{content}\r\n"
            )
        };
        let parts = [part("24-25", "yz"), part("0-1", "ab"), part("5-6", "fg")];
        assert_eq!(seen.text(), format!("{}--{boundary}--\r\n", parts.concat()));
    });
}

#[test]
fn more_parts_than_eight_are_answered_by_the_whole() {
    let ground = Ground::new();
    ground.write("a.txt", ALPHABET);
    let parts = |count: usize| {
        let items: Vec<_> = (0..count).map(|at| format!("{0}-{0}", at * 2)).collect();
        format!("bytes={}", items.join(","))
    };
    let mount = ground.site();
    assert_eq!(get(&mount, "a.txt", &[("Range", &parts(8))]).status, 206);
    assert_eq!(get(&mount, "a.txt", &[("Range", &parts(9))]).status, 200);
}

#[test]
fn not_modified_carries_what_a_cache_must_renew() {
    let ground = Ground::new();
    ground.write("a.txt", ALPHABET);
    both(&ground, "a.txt", |mount| {
        let seen = get(mount, "a.txt", &[("If-None-Match", "*")]);
        let names: Vec<_> = seen.fields.iter().map(|field| field.0.as_str()).collect();
        assert_eq!(names, ["ETag", "Last-Modified", "Cache-Control"]);
    });
}

#[test]
fn times_that_http_cannot_say_do_no_harm() {
    let ground = Ground::new();
    ground.write("old.txt", "old");
    ground.write("future.txt", "future");
    let set = |name: &str, time: SystemTime| {
        let file = std::fs::File::options()
            .write(true)
            .open(ground.root().join(name))
            .unwrap();
        file.set_times(FileTimes::new().set_modified(time)).unwrap();
    };
    set("old.txt", UNIX_EPOCH - Duration::from_secs(1000));
    set("future.txt", UNIX_EPOCH + Duration::from_secs(now() + 1000));
    let mount = ground.site();
    for name in ["old.txt", "future.txt"] {
        let seen = get(&mount, name, &[("If-Modified-Since", WRITTEN_TEXT)]);
        assert_eq!(
            (seen.status, seen.field("Last-Modified")),
            (200, None),
            "{name}"
        );
        let etag = seen.field("ETag").unwrap();
        assert_eq!(
            get(&mount, name, &[("If-None-Match", etag)]).status,
            304,
            "{name}"
        );
    }
}
