//! Names that must not lead anywhere, with `openat2` and without.

use std::os::unix::fs::symlink;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;

/// A root with files, secrets inside it, and a secret outside.
fn ground() -> Ground {
    let ground = Ground::new();
    ground.write("a/b.txt", "inside");
    ground.write("c.txt", "inside");
    ground.write(".env", "secret");
    ground.write("a/.git/config", "secret");
    ground.write(".well-known/x", "secret");
    std::fs::write(ground.outside.path().join("secret.txt"), "secret").unwrap();
    std::fs::create_dir(ground.outside.path().join("root-2")).unwrap();
    std::fs::write(ground.outside.path().join("root-2/secret.txt"), "secret").unwrap();
    ground
}

/// The two ways of opening.
fn mounts(ground: &Ground) -> [FileMount; 2] {
    [ground.site(), ground.site().without_openat2()]
}

#[test]
fn no_spelling_leaves_the_root_or_finds_a_secret() {
    let ground = ground();
    let absolute = ground.outside.path().join("secret.txt");
    let spellings = [
        "",
        "/",
        ".",
        "..",
        "../",
        "../secret.txt",
        "a/../../secret.txt",
        "a/../../../secret.txt",
        "./c.txt",
        "a/./b.txt",
        "a/../c.txt",
        "a//b.txt",
        "/c.txt",
        "//c.txt",
        "/etc/passwd",
        absolute.to_str().unwrap(),
        "a",
        "a/",
        "c.txt/",
        "c.txt/x",
        "c.txt/.",
        "c.txt/..",
        "a/b.txt/",
        ".env",
        "a/.git/config",
        ".well-known/x",
        "..\\secret.txt",
        "a\\b.txt",
        "a\\..\\..\\secret.txt",
        "c.txt\0",
        "c.txt\0.png",
        "\0",
        "a/\0/../c.txt",
        "%2e%2e/secret.txt",
        "..%2fsecret.txt",
        "..;/secret.txt",
        "../root-2/secret.txt",
        "-2/secret.txt",
        "C.TXT",
        "c.txt ",
        "c.txt.",
        "~/c.txt",
        "proc/self/root/etc/passwd",
        "\u{2025}/secret.txt",
        "\u{ff0e}\u{ff0e}/secret.txt",
    ];
    for mount in mounts(&ground) {
        for spelling in spellings {
            assert!(
                ask(&mount, FileMethod::Get, spelling, &[]).is_none(),
                "{spelling:?}"
            );
            assert!(
                ask(&mount, FileMethod::Head, spelling, &[]).is_none(),
                "{spelling:?}"
            );
        }
        for long in [4095, 4096, 100_000] {
            assert!(!is_found(&mount, vec![b'x'; long]));
            assert!(!is_found(&mount, b"a/".repeat(long / 2)));
        }
        assert!(is_found(&mount, "a/b.txt") && is_found(&mount, "c.txt"));
    }
}

#[test]
fn names_are_bytes_and_not_decoded_again() {
    let ground = Ground::new();
    for name in [
        &b"caf\xe9.txt"[..],
        b"a%41.txt",
        "ünïcode/é.txt".as_bytes(),
        b"a b+c;d?e#f.txt",
        b"new\nline.txt",
    ] {
        ground.write_at(name, b"x", WRITTEN);
        for mount in mounts(&ground) {
            assert!(is_found(&mount, name), "{}", name.escape_ascii());
        }
    }
    for mount in mounts(&ground) {
        assert!(!is_found(&mount, "aA.txt"));
    }
}

#[test]
fn links_are_followed_beneath_the_root_only() {
    let ground = ground();
    let root = ground.root();
    let outside = ground.outside.path();
    symlink("c.txt", root.join("inside.txt")).unwrap();
    symlink("../c.txt", root.join("a/up.txt")).unwrap();
    symlink("a", root.join("folder")).unwrap();
    symlink("../secret.txt", root.join("out.txt")).unwrap();
    symlink("..", root.join("above")).unwrap();
    symlink("../root/c.txt", root.join("out-and-in.txt")).unwrap();
    symlink(outside.join("secret.txt"), root.join("absolute.txt")).unwrap();
    symlink(root.join("c.txt"), root.join("absolute-inside.txt")).unwrap();
    symlink("loop", root.join("loop")).unwrap();
    symlink("nothing", root.join("dangling")).unwrap();
    symlink("/proc/self/root", root.join("magic")).unwrap();

    let [kernel, walk] = mounts(&ground);
    let mut options = MountOptions::new(MountKind::Static);
    options.symlinks = Symlinks::Never;
    let never = ground.mount(options);
    for name in ["inside.txt", "a/up.txt", "folder/b.txt"] {
        assert!(is_found(&kernel, name), "{name}");
        assert!(!is_found(&walk, name), "{name}");
        assert!(!is_found(&never, name), "{name}");
    }
    for name in [
        "out.txt",
        "above/secret.txt",
        "above/root/c.txt",
        "out-and-in.txt",
        "absolute.txt",
        "absolute-inside.txt",
        "loop",
        "loop/x",
        "dangling",
        "magic/etc/passwd",
        "folder",
    ] {
        for mount in [&kernel, &walk, &never] {
            assert!(!is_found(mount, name), "{name}");
        }
    }
}

#[test]
fn only_regular_files_are_served_and_a_fifo_does_not_hang() {
    let ground = ground();
    let root = ground.root();
    let fifo = root.join("fifo.txt");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket.txt")).unwrap();
    std::fs::create_dir(root.join("folder.txt")).unwrap();
    std::fs::hard_link(root.join("c.txt"), root.join("linked.txt")).unwrap();
    for mount in mounts(&ground) {
        for name in ["fifo.txt", "socket.txt", "folder.txt"] {
            assert!(!is_found(&mount, name), "{name}");
        }
        assert!(is_found(&mount, "linked.txt"));
    }
}

#[test]
fn a_link_put_there_later_is_noticed() {
    let ground = ground();
    let mount = ground.mount(always_asking(MountKind::Static));
    assert!(is_found(&mount, "c.txt") && is_found(&mount, "a/b.txt"));
    std::fs::remove_file(ground.root().join("c.txt")).unwrap();
    symlink("../secret.txt", ground.root().join("c.txt")).unwrap();
    std::fs::rename(ground.root().join("a"), ground.outside.path().join("a")).unwrap();
    symlink("../a", ground.root().join("a")).unwrap();
    assert!(!is_found(&mount, "c.txt") && !is_found(&mount, "a/b.txt"));
}

#[test]
fn a_file_that_may_not_be_read_is_not_found() {
    use std::os::unix::fs::PermissionsExt;
    let ground = ground();
    let protect = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    protect(ground.outside.path(), 0o755);
    protect(&ground.root().join("c.txt"), 0o000);
    protect(&ground.root().join("a"), 0o600);
    ground.write("open.txt", "open");
    let mounts = mounts(&ground);
    let ask_all = || {
        // Root reads everything; this thread becomes nobody and ends.
        if rustix::process::geteuid().is_root() {
            let nobody = rustix::process::Uid::from_raw(65_534);
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        }
        for mount in &mounts {
            assert!(!is_found(mount, "c.txt"));
            assert!(!is_found(mount, "a/b.txt"));
            assert!(is_found(mount, "open.txt"));
        }
    };
    std::thread::scope(|scope| scope.spawn(ask_all).join()).unwrap();
    protect(&ground.root().join("a"), 0o755);
}

#[test]
fn refusals_of_the_system_become_the_right_answers() {
    use rustix::io::Errno;
    let ground = ground();
    let mount = ground.site();
    for (errno, status) in [
        (Errno::ACCESS, None),
        (Errno::PERM, None),
        (Errno::LOOP, None),
        (Errno::XDEV, None),
        (Errno::NAMETOOLONG, None),
        (Errno::MFILE, Some(503)),
        (Errno::NFILE, Some(503)),
        (Errno::IO, Some(503)),
    ] {
        let outcome = mount.refuse(errno.into(), b"c.txt");
        let seen = match outcome {
            FileOutcome::Response(response) => Some(response.status),
            FileOutcome::NotFound => None,
        };
        assert_eq!(seen, status, "{errno}");
    }
}

#[test]
fn a_root_that_is_no_folder_is_refused_when_it_is_mounted() {
    let ground = ground();
    let open =
        |name: &str, kind| FileMount::open(&ground.root().join(name), MountOptions::new(kind));
    assert!(matches!(
        open("c.txt", MountKind::Static),
        Err(MountError::NotAFolder { .. })
    ));
    assert!(matches!(
        open("nothing", MountKind::Static),
        Err(MountError::Missing { .. })
    ));
    let media = open("nothing", MountKind::Media).unwrap();
    assert!(!is_found(&media, "c.txt"));
    ground.write("nothing/c.txt", "now");
    assert!(is_found(&media, "c.txt"));
}

/// Runs `check` on many values of `strategy`, all on one folder.
fn many<S: Strategy>(strategy: &S, check: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(2000)
    };
    TestRunner::new(config).run(strategy, check).unwrap();
}

#[test]
fn no_path_made_of_dangerous_pieces_escapes() {
    let ground = ground();
    symlink("a", ground.root().join("folder")).unwrap();
    symlink("..", ground.root().join("above")).unwrap();
    let mounts = mounts(&ground);
    let pieces = prop::sample::select(vec![
        "..",
        ".",
        "/",
        "//",
        "\\",
        "a",
        "b.txt",
        "c.txt",
        "root",
        "secret.txt",
        ".env",
        ".git",
        "config",
        "\0",
        "%2e",
        "folder",
        "above",
        "etc",
        "passwd",
        "",
    ]);
    many(&prop::collection::vec(pieces, 0..10), |pieces| {
        for path in [pieces.concat(), pieces.join("/")] {
            for mount in &mounts {
                if let Some(seen) = ask(mount, FileMethod::Get, &path, &[]) {
                    prop_assert_eq!(seen.text(), "inside", "{}", path);
                }
            }
        }
        Ok(())
    });
}

/// The opening alone, without the check of names before it.
#[test]
fn opening_does_not_depend_on_the_check_of_names() {
    let ground = ground();
    symlink("..", ground.root().join("above")).unwrap();
    let roots = || Root::open(&ground.root(), Symlinks::Beneath).unwrap();
    let roots = [roots(), roots().without_openat2()];
    let pieces = prop::sample::select(vec![
        "..",
        ".",
        "",
        "a",
        "root",
        "secret.txt",
        "above",
        "c.txt",
    ]);
    many(&prop::collection::vec(pieces, 0..6), |pieces| {
        let path = pieces.join("/");
        for root in &roots {
            let folder = root.folder().unwrap();
            if let Ok((file, stamp)) = root.file(&folder, path.as_bytes()) {
                prop_assert_eq!(stretch(&file, 0, stamp.size), b"inside", "{}", path);
            }
        }
        Ok(())
    });
}

#[test]
fn any_bytes_as_a_path_find_nothing_and_break_nothing() {
    let ground = Ground::new();
    std::fs::write(ground.outside.path().join("secret.txt"), "secret").unwrap();
    let mounts = mounts(&ground);
    many(&prop::collection::vec(any::<u8>(), 0..60), |path| {
        for mount in &mounts {
            prop_assert!(ask(mount, FileMethod::Get, &path, &[]).is_none());
        }
        Ok(())
    });
}
