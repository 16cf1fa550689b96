//! Files and folders that change under a mount.

use super::*;

/// Options whose answers hold for an hour.
fn never_asking() -> MountOptions {
    let mut options = MountOptions::new(MountKind::Static);
    options.cache.recheck = Duration::from_secs(3600);
    options
}

fn text(mount: &FileMount, path: &str) -> Option<String> {
    ask(mount, FileMethod::Get, path, &[]).map(|seen| seen.text().to_owned())
}

#[test]
fn a_changed_a_removed_and_a_new_file_are_noticed() {
    let ground = Ground::new();
    let mount = ground.mount(always_asking(MountKind::Static));
    assert_eq!(text(&mount, "a.txt"), None);
    ground.write("a.txt", "one");
    for _ in 0..3 {
        assert_eq!(text(&mount, "a.txt").unwrap(), "one");
    }
    assert!(is_in_memory(&mount, "a.txt"));
    ground.write_at(b"a.txt", b"two", WRITTEN + 1);
    for _ in 0..3 {
        assert_eq!(text(&mount, "a.txt").unwrap(), "two");
    }
    // The same size and the same modification time, but another file.
    std::fs::remove_file(ground.root().join("a.txt")).unwrap();
    ground.write_at(b"a.txt", b"six", WRITTEN + 1);
    assert_eq!(text(&mount, "a.txt").unwrap(), "six");
    std::fs::remove_file(ground.root().join("a.txt")).unwrap();
    assert_eq!(text(&mount, "a.txt"), None);
}

#[test]
fn the_disk_is_not_asked_before_its_time() {
    let ground = Ground::new();
    let mount = ground.mount(never_asking());
    ground.write("a.txt", "one");
    for _ in 0..3 {
        assert!(is_found(&mount, "a.txt"));
    }
    std::fs::remove_dir_all(ground.root()).unwrap();
    assert_eq!(text(&mount, "a.txt").unwrap(), "one");
}

#[test]
fn a_file_comes_to_memory_with_its_second_request_if_it_is_small_and_settled() {
    let ground = Ground::new();
    let mut options = never_asking();
    options.cache.max_file_bytes = 100;
    let mount = ground.mount(options);
    ground.write("small.txt", "x".repeat(100));
    ground.write("large.txt", "x".repeat(101));
    ground.write_at(b"young.txt", b"x", now());
    for name in ["small.txt", "large.txt", "young.txt"] {
        assert!(is_found(&mount, name));
    }
    assert!(mount.shelf.get(b"nothing").is_none());
    assert!(is_in_memory(&mount, "small.txt"));
    assert!(!is_in_memory(&mount, "large.txt"));
    assert!(!is_in_memory(&mount, "young.txt"));
}

#[test]
fn without_kept_descriptors_small_files_still_come_to_memory() {
    let ground = Ground::new();
    let mut options = never_asking();
    options.cache.max_open_files = 0;
    let mount = ground.mount(options);
    ground.write("small.txt", "x");
    ground.write("large.txt", "x".repeat(300 << 10));
    assert!(is_found(&mount, "small.txt") && is_found(&mount, "large.txt"));
    assert!(is_in_memory(&mount, "small.txt"));
    assert!(mount.shelf.get(b"large.txt").is_none());
}

#[test]
fn what_is_kept_stays_within_its_bounds() {
    let ground = Ground::new();
    let mut options = never_asking();
    options.cache.max_total_bytes = 50 << 10;
    options.cache.max_open_files = 8;
    let mount = ground.mount(options);
    for number in 0..100 {
        let (small, large) = (format!("small-{number}.bin"), format!("large-{number}.bin"));
        ground.write(&small, vec![b's'; 4 << 10]);
        ground.write(&large, vec![b'l'; 300 << 10]);
        for _ in 0..3 {
            assert_eq!(get(&mount, &small, &[]).content, vec![b's'; 4 << 10]);
            assert_eq!(get(&mount, &large, &[]).content.len(), 300 << 10);
        }
    }
    let (bytes, descriptors) = mount.shelf.weights();
    assert!(bytes > 0 && bytes <= 50 << 10, "{bytes}");
    assert!(descriptors > 0 && descriptors <= 8, "{descriptors}");
}

#[test]
fn a_folder_swapped_in_by_a_rename_is_served_from_then_on() {
    let ground = Ground::new();
    let mount = ground.mount(always_asking(MountKind::Static));
    ground.write("same.txt", "same");
    ground.write("a.txt", "old");
    for _ in 0..3 {
        assert_eq!(text(&mount, "a.txt").unwrap(), "old");
    }
    let etag = get(&mount, "same.txt", &[])
        .field("ETag")
        .unwrap()
        .to_owned();

    let old = ground.outside.path().join("old");
    std::fs::rename(ground.root(), &old).unwrap();
    assert_eq!(text(&mount, "a.txt"), None);

    std::fs::create_dir(ground.root()).unwrap();
    ground.write("same.txt", "same");
    ground.write("a.txt", "new");
    assert_eq!(text(&mount, "a.txt").unwrap(), "new");
    assert_eq!(
        get(&mount, "same.txt", &[("If-None-Match", &etag)]).status,
        304
    );

    let rules = rustix::fs::RenameFlags::EXCHANGE;
    let here = rustix::fs::CWD;
    rustix::fs::renameat_with(here, &old, here, ground.root(), rules).unwrap();
    assert_eq!(text(&mount, "a.txt").unwrap(), "old");
}

#[test]
fn a_root_that_is_a_link_is_followed_to_where_it_points_now() {
    let ground = Ground::new();
    ground.write("one/a.txt", "one");
    ground.write("two/a.txt", "two");
    let current = ground.outside.path().join("current");
    std::os::unix::fs::symlink("root/one", &current).unwrap();
    let mount = FileMount::open(&current, always_asking(MountKind::Static)).unwrap();
    assert_eq!(text(&mount, "a.txt").unwrap(), "one");
    let next = ground.outside.path().join("next");
    std::os::unix::fs::symlink("root/two", &next).unwrap();
    std::fs::rename(&next, &current).unwrap();
    assert_eq!(text(&mount, "a.txt").unwrap(), "two");
}

#[test]
fn a_mount_can_be_handed_to_threads() {
    fn is_shareable<T: Send + Sync + 'static>() {}
    is_shareable::<FileMount>();
}

#[test]
fn threads_see_whole_files_only_while_one_is_replaced() {
    let ground = Ground::new();
    let contents = [vec![b'a'; 5000], vec![b'b'; 7000]];
    ground.write("a.txt", &contents[0]);
    let mut options = MountOptions::new(MountKind::Static);
    options.cache.recheck = Duration::from_millis(1);
    let mount = ground.mount(options);
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    let seen = get(&mount, "a.txt", &[]);
                    assert!(contents.contains(&seen.content));
                }
            });
        }
        for round in 0..200 {
            ground.write("next.txt", &contents[round % 2]);
            let root = ground.root();
            std::fs::rename(root.join("next.txt"), root.join("a.txt")).unwrap();
        }
        done.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}
