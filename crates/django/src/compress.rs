//! Makes `.gz`, `.br` and `.zst` siblings of text files, so that the front never compresses a file.
//!
//! The same bytes always give the same siblings. A file whose content lies in the folder's
//! predecessor is taken over from there with its siblings and its time, by hard link.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use sha2::{Digest, Sha256};

/// Types that shrink; pictures, fonts in woff and archives are compressed already.
const TEXT: [&str; 22] = [
    "css",
    "js",
    "mjs",
    "cjs",
    "json",
    "map",
    "html",
    "htm",
    "xml",
    "svg",
    "txt",
    "md",
    "csv",
    "wasm",
    "ico",
    "ttf",
    "otf",
    "eot",
    "webmanifest",
    "rss",
    "vtt",
    "geojson",
];

/// Below this an answer fits into one packet anyway.
const SMALLEST: u64 = 1024;

/// What a sibling's name ends in.
pub const SIBLINGS: [&str; 3] = ["gz", "br", "zst"];

/// Measured on the static files of a CMS (4.3 MB of text): 11 makes them 8 % smaller than 9 and takes
/// five times as long.
const BROTLI_QUALITY: i32 = 9;
const BROTLI_WINDOW: i32 = 22;
const ZSTD_LEVEL: i32 = 19;

/// What was done to a folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Compressed {
    /// Files that now have siblings.
    pub files: usize,
    /// Of those, compressed now rather than taken over.
    pub fresh: usize,
}

/// Compresses what is worth it below `dir`; `before` is the folder's predecessor. Blocks.
pub fn compress(dir: &Path, before: Option<&Path>) -> io::Result<Compressed> {
    let mut files = Vec::new();
    list(dir, &mut files)?;
    let mut done = Compressed::default();
    let mut work: BTreeMap<[u8; 32], Vec<PathBuf>> = BTreeMap::new();
    for path in files {
        let old = before.and_then(|before| Some(before.join(path.strip_prefix(dir).ok()?)));
        let taken = old
            .filter(|old| is_same(old, &path))
            .filter(|old| take_over(old, &path));
        if taken.is_some() {
            done.files += usize::from(has_sibling(&path));
        } else if is_worth_it(&path) {
            work.entry(digest(&path)?).or_default().push(path);
        }
    }
    let made = in_parallel(work.into_values().collect())?;
    Ok(Compressed {
        files: done.files + made,
        fresh: made,
    })
}

fn list(dir: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            list(&entry.path(), files)?;
        } else if !is_sibling(&entry.path()) {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// `app.css.gz` beside `app.css`, whoever made it.
pub(crate) fn is_sibling(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    SIBLINGS.contains(&&*extension) && path.with_extension("").is_file()
}

fn sibling(path: &Path, encoding: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(encoding);
    name.into()
}

fn has_sibling(path: &Path) -> bool {
    SIBLINGS
        .iter()
        .any(|encoding| sibling(path, encoding).is_file())
}

fn is_worth_it(path: &Path) -> bool {
    let extension = path
        .extension()
        .unwrap_or_default()
        .to_string_lossy()
        .to_lowercase();
    TEXT.contains(&&*extension) && fs::metadata(path).is_ok_and(|found| found.len() > SMALLEST)
}

fn is_same(old: &Path, new: &Path) -> bool {
    let size = |path: &Path| fs::metadata(path).ok().map(|found| found.len());
    size(old).is_some()
        && size(old) == size(new)
        && matches!((fs::read(old), fs::read(new)), (Ok(old), Ok(new)) if old == new)
}

/// The old file with its time, and its siblings, by hard link. Where links cannot be made the file
/// is compressed anew.
fn take_over(old: &Path, new: &Path) -> bool {
    let link = |from: &Path, to: &Path| {
        let beside = sibling(to, "link");
        fs::hard_link(from, &beside)
            .and_then(|()| fs::rename(&beside, to))
            .is_ok()
    };
    let siblings = SIBLINGS.map(|encoding| (sibling(old, encoding), sibling(new, encoding)));
    siblings
        .iter()
        .filter(|(from, _)| from.is_file())
        .all(|(from, to)| link(from, to))
        && link(old, new)
}

fn digest(path: &Path) -> io::Result<[u8; 32]> {
    Ok(Sha256::digest(fs::read(path)?).into())
}

/// Each entry is one content under several names (`app.css` and `app.3f2a….css`).
fn in_parallel(work: Vec<Vec<PathBuf>>) -> io::Result<usize> {
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(work.len().max(1));
    let queue = Mutex::new(work.into_iter());
    let next = || {
        queue
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .next()
    };
    let worker = || {
        let mut made = 0;
        while let Some(names) = next() {
            made += one_content(&names)?;
        }
        Ok::<usize, io::Error>(made)
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let ended = running.into_iter().map(|each| {
            each.join()
                .unwrap_or_else(|_| Err(io::Error::other("a compressing thread panicked")))
        });
        ended.sum()
    })
}

fn one_content(names: &[PathBuf]) -> io::Result<usize> {
    let Some(first) = names.first() else {
        return Ok(0);
    };
    let content = fs::read(first)?;
    let mut any = false;
    for (encoding, bytes) in [
        ("gz", gzip(&content)?),
        ("br", brotli(&content)?),
        ("zst", zstandard(&content)?),
    ] {
        // Less than a tenth saved is not worth a second file.
        if bytes.len() * 10 > content.len() * 9 {
            continue;
        }
        any = true;
        for name in names {
            let path = sibling(name, encoding);
            if !path.exists() {
                write_with_time_of(name, &path, &bytes)?;
            }
        }
    }
    Ok(if any { names.len() } else { 0 })
}

fn write_with_time_of(source: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.set_modified(fs::metadata(source)?.modified()?)
}

/// Without name and time in its head, so that the same bytes stay the same.
fn gzip(content: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(content)?;
    encoder.finish()
}

fn brotli(mut content: &[u8]) -> io::Result<Vec<u8>> {
    let parameters = brotli::enc::BrotliEncoderParams {
        quality: BROTLI_QUALITY,
        lgwin: BROTLI_WINDOW,
        size_hint: content.len(),
        ..Default::default()
    };
    let mut bytes = Vec::new();
    brotli::BrotliCompress(&mut content, &mut bytes, &parameters)?;
    Ok(bytes)
}

fn zstandard(content: &[u8]) -> io::Result<Vec<u8>> {
    zstd::bulk::compress(content, ZSTD_LEVEL)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::fs::MetadataExt;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(dir.path().join(name), content).unwrap();
        }
        dir
    }

    #[test]
    fn text_gets_siblings_that_hold_the_same_and_carry_its_time() {
        let css = "body { color: red }\n".repeat(200);
        let dir = folder(&[("a.css", css.as_bytes()), ("a.1f.css", css.as_bytes())]);
        let done = compress(dir.path(), None).unwrap();
        assert_eq!(done, Compressed { files: 2, fresh: 2 });
        let path = dir.path().join("a.1f.css");
        let mut text = String::new();
        let gz = File::open(sibling(&path, "gz")).unwrap();
        flate2::read::GzDecoder::new(gz)
            .read_to_string(&mut text)
            .unwrap();
        assert_eq!(text, css);
        let mut plain = Vec::new();
        let mut br = File::open(sibling(&path, "br")).unwrap();
        brotli::BrotliDecompress(&mut br, &mut plain).unwrap();
        assert_eq!(plain, css.as_bytes());
        let zst = fs::read(sibling(&path, "zst")).unwrap();
        assert_eq!(zstd::decode_all(&zst[..]).unwrap(), css.as_bytes());
        let time = |path: &Path| fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(time(&path), time(&sibling(&path, "br")));
    }

    #[test]
    fn small_files_pictures_and_what_does_not_shrink_stay_alone() {
        let mut noise = vec![0u8; 4096];
        getrandom::fill(&mut noise).unwrap();
        let zeros = [0u8; 4096];
        let dir = folder(&[("a.css", b"a{}"), ("b.png", &zeros), ("c.wasm", &noise)]);
        assert_eq!(compress(dir.path(), None).unwrap(), Compressed::default());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
    }

    #[test]
    fn an_unchanged_file_keeps_its_inode_and_its_siblings() {
        let css = "body { color: red }\n".repeat(200);
        let old = folder(&[("a.css", css.as_bytes())]);
        compress(old.path(), None).unwrap();
        let new = folder(&[("a.css", css.as_bytes()), ("b.css", css.as_bytes())]);
        let done = compress(new.path(), Some(old.path())).unwrap();
        assert_eq!(done, Compressed { files: 2, fresh: 1 });
        for name in ["a.css", "a.css.gz", "a.css.br", "a.css.zst"] {
            let inode = |dir: &Path| fs::metadata(dir.join(name)).unwrap().ino();
            assert_eq!(inode(old.path()), inode(new.path()), "{name}");
        }
    }
}
