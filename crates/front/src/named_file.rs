//! An app's answer that names a file instead of giving it: `X-Accel-Redirect` with the URL path of an
//! internal mount (percent-encoded, a query is ignored), or `X-Sendfile` with an absolute path in such
//! a mount's folder.
//!
//! The app has decided who may see the file; the mount decides how it is opened (beneath its folder),
//! and answers conditions and ranges. Nothing outside an internal mount is ever sent.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

use crate::files::{FileMethod, FileMount, FileOutcome, FileRequest};
use crate::message::{Fields, Response};
use crate::path::Path;
use crate::request::Request;
use crate::table::Site;

const ACCEL: &str = "X-Accel-Redirect";
const SENDFILE: &str = "X-Sendfile";

/// Fields of the app's answer that the file's own replace: they would speak of another body.
const OF_THE_BODY: [&str; 9] = [
    ACCEL,
    SENDFILE,
    "Content-Length",
    "Content-Encoding",
    "Content-Range",
    "Content-MD5",
    "Accept-Ranges",
    "ETag",
    "Last-Modified",
];

/// Why a named file is not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NamedFileError {
    #[error(
        "the app's {field} names {}, which no internal mount holds\n\
         hint: add the folder to hotclub.toml as a [[files]] with internal = true", named.escape_ascii()
    )]
    Outside { field: &'static str, named: Vec<u8> },
    #[error(
        "the app's {field} names {}, where there is no file that may be served", named.escape_ascii()
    )]
    Missing { field: &'static str, named: Vec<u8> },
}

/// The answer with the file it names; the answer itself when it names none. Dropping the app's own body
/// frees the worker.
pub(crate) fn resolve(
    request: &Request,
    site: &Site,
    mut answer: Response,
) -> Result<Response, NamedFileError> {
    let Some((field, named)) = named(&answer.fields) else {
        return Ok(answer);
    };
    // An error page or a redirect is what the app says it is.
    if answer.status != 200 {
        answer.fields.remove(ACCEL);
        answer.fields.remove(SENDFILE);
        return Ok(answer);
    }
    let mut decoded = Path::default();
    let found = match field {
        ACCEL => by_url(site, &named, &mut decoded),
        _ => by_path(site, &named),
    };
    let Some((mount, rest)) = found else {
        return Err(NamedFileError::Outside { field, named });
    };
    match open(request, mount, rest) {
        FileOutcome::Response(file) => Ok(merged(&answer.fields, file)),
        FileOutcome::NotFound => {
            let error = NamedFileError::Missing { field, named };
            tracing::warn!(id = request.id.as_str(), "{error}; answered 404");
            Err(error)
        }
    }
}

fn named(fields: &Fields) -> Option<(&'static str, Vec<u8>)> {
    [ACCEL, SENDFILE]
        .into_iter()
        .find_map(|name| Some((name, fields.get(name)?.to_vec())))
}

fn by_url<'s, 'p>(
    site: &'s Site,
    named: &[u8],
    decoded: &'p mut Path,
) -> Option<(&'s FileMount, &'p [u8])> {
    let path = named.split(|byte| *byte == b'?').next().unwrap_or_default();
    decoded.decode(path).ok()?;
    let decoded: &'p Path = decoded;
    let (mount, rest) = site.mount(decoded.bytes())?;
    let files = mount.internal_files()?;
    (!decoded.has_encoded_slash()).then_some((files, rest))
}

fn by_path<'s, 'p>(site: &'s Site, named: &'p [u8]) -> Option<(&'s FileMount, &'p [u8])> {
    let file = std::path::Path::new(OsStr::from_bytes(named));
    let climbs = named
        .split(|byte| *byte == b'/')
        .any(|segment| matches!(segment, b"." | b".."));
    if climbs || !file.is_absolute() {
        return None;
    }
    site.internal_folder(file)
}

/// Conditions and ranges are those of a GET; any other method that ends in a file sends all of it.
fn open(request: &Request, files: &FileMount, path: &[u8]) -> FileOutcome {
    let none = Fields::default();
    let (method, fields) = match &request.method[..] {
        b"GET" => (FileMethod::Get, &request.fields),
        b"HEAD" => (FileMethod::Head, &request.fields),
        _ => (FileMethod::Get, &none),
    };
    files.respond(&FileRequest {
        method,
        path,
        fields,
    })
}

/// The file's answer with what the app said: its cookies, its Cache-Control, its Content-Disposition;
/// and its Content-Type, where there is a body of that type.
fn merged(said: &Fields, mut file: Response) -> Response {
    let has_own_type = match file.status {
        200 => true,
        206 => !file
            .fields
            .get("Content-Type")
            .is_some_and(|kind| kind.starts_with(b"multipart/byteranges")),
        _ => false,
    };
    let keeps = |name: &[u8], value: &[u8]| {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        if is("Content-Type") {
            return has_own_type && !value.is_empty();
        }
        !OF_THE_BODY.into_iter().any(is)
    };
    let kept = || said.iter().filter(|(name, value)| keeps(name, value));
    for (name, _) in kept() {
        // Names were checked to be tokens: ASCII.
        file.fields.remove(std::str::from_utf8(name).unwrap_or(""));
    }
    for (name, value) in kept() {
        file.fields.push(name, value);
    }
    file
}

#[cfg(test)]
#[path = "named_file/tests.rs"]
mod tests;
