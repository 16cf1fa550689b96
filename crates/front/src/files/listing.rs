//! What a folder holds, as a plain page: names and sizes, no script, nothing that a name could inject.
//!
//! Only what could be asked for is shown: no dotfiles, nothing hidden, no links (whose target may be
//! out of reach), neither sockets nor FIFOs.

use std::fmt::Write as _;
use std::os::fd::OwnedFd;

use percent_encoding::{NON_ALPHANUMERIC, percent_encode};
use rustix::fs::{AtFlags, Dir, FileType, statat};

use super::beneath::OpenError;
use super::{FileMethod, FileMount, path};
use crate::message::{Body, Fields, Response};

/// More names than this make no page that somebody reads.
const MOST: usize = 10_000;

struct Entry {
    name: Vec<u8>,
    /// Bytes; `None` for a folder.
    size: Option<u64>,
}

/// Whether there is a folder that may be shown at `path`, without its final slash.
pub(super) fn is_folder(files: &FileMount, path: &[u8]) -> bool {
    open(files, path).is_ok()
}

/// The page of the folder at `path` (empty, or with its final slash), which is at `url` + `path`.
pub(super) fn of(
    files: &FileMount,
    url: &[u8],
    path: &[u8],
    method: FileMethod,
) -> Option<Response> {
    let folder = open(files, path.strip_suffix(b"/").unwrap_or(path)).ok()?;
    let entries = entries(files, &folder, path);
    let html = page(&[url, path].concat(), !path.is_empty(), &entries);
    let mut fields = Fields::with_capacity(5, 256);
    fields.push(b"Content-Type", b"text/html; charset=utf-8");
    fields.push(b"X-Content-Type-Options", b"nosniff");
    fields.push(
        b"Content-Security-Policy",
        b"default-src 'none'; style-src 'unsafe-inline'",
    );
    fields.push(b"Cache-Control", b"no-cache");
    let body = match method {
        FileMethod::Head => {
            fields.push(b"Content-Length", html.len().to_string().as_bytes());
            Body::Bodiless
        }
        _ => Body::Bytes(html.into()),
    };
    Some(Response {
        fields,
        ..Response::new(200, body)
    })
}

fn open(files: &FileMount, path: &[u8]) -> Result<OwnedFd, OpenError> {
    let is_named = path.is_empty() || (path::is_servable(path) && !files.options.hides(path));
    if !is_named {
        return Err(OpenError::Missing);
    }
    files.root.names(&*files.root.folder()?, path)
}

/// Folders first, then by name.
fn entries(files: &FileMount, folder: &OwnedFd, path: &[u8]) -> Vec<Entry> {
    let Ok(listed) = Dir::read_from(folder) else {
        return Vec::new();
    };
    let mut entries = Vec::new();
    for entry in listed.flatten() {
        let name = entry.file_name().to_bytes();
        let whole = [path, name].concat();
        if !path::is_servable(&whole) || files.options.hides(&whole) {
            continue;
        }
        let Ok(status) = statat(folder, entry.file_name(), AtFlags::SYMLINK_NOFOLLOW) else {
            continue;
        };
        let size = match FileType::from_raw_mode(status.st_mode) {
            FileType::RegularFile => Some(u64::try_from(status.st_size).unwrap_or(0)),
            FileType::Directory => None,
            _ => continue,
        };
        let name = name.to_vec();
        entries.push(Entry { name, size });
        if entries.len() == MOST {
            break;
        }
    }
    entries.sort_by(|a, b| (a.size.is_some(), &a.name).cmp(&(b.size.is_some(), &b.name)));
    entries
}

fn page(url: &[u8], has_parent: bool, entries: &[Entry]) -> String {
    let title = escaped(url);
    let mut html = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>body{{font-family:sans-serif}}td{{padding:.1em 1em .1em 0}}</style>\n\
         <h1>{title}</h1>\n<table>\n"
    );
    if has_parent {
        html.push_str("<tr><td><a href=\"../\">../</a><td>\n");
    }
    for Entry { name, size } in entries {
        // Behind `./` no name is read as a scheme.
        let href = percent_encode(name, NON_ALPHANUMERIC);
        let (slash, size) = match size {
            Some(size) => ("", size.to_string()),
            None => ("/", String::new()),
        };
        let name = escaped(name);
        // A String takes everything.
        let _ = writeln!(
            html,
            "<tr><td><a href=\"./{href}{slash}\">{name}{slash}</a><td>{size}"
        );
    }
    html.push_str("</table>\n</html>\n");
    html
}

fn escaped(text: &[u8]) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in String::from_utf8_lossy(text).chars() {
        match letter {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            letter if letter.is_control() => safe.push('\u{fffd}'),
            letter => safe.push(letter),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_can_inject_nothing() {
        let entries = [
            Entry {
                name: b"\"><script>alert(1)</script>".to_vec(),
                size: Some(7),
            },
            Entry {
                name: b"javascript:x".to_vec(),
                size: None,
            },
        ];
        let html = page(b"/<b>/", true, &entries);
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        assert!(html.contains("href=\"./%22%3E%3Cscript%3E"), "{html}");
        assert!(html.contains("href=\"./javascript%3Ax/\""), "{html}");
        assert!(html.contains("<h1>/&lt;b&gt;/</h1>"), "{html}");
    }
}
