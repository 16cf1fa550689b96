//! What a file is, by its name's extension: its media type, whether a browser may show a stranger's
//! file of this type, and whether it is worth looking for compressed siblings.
//!
//! An own table instead of a library's: each line decides three things, and a wrong guess matters
//! (a `.ts` taken for a video, a `.js` that `nosniff` then refuses to run).

/// One line of the table.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MediaType {
    /// The value of Content-Type. Text says UTF-8, as Django writes it; XML and SVG say it inside.
    pub(super) name: &'static str,
    /// A browser that opens this, uploaded by a stranger, runs no script of his on our origin.
    pub(super) inert: bool,
    /// The format is itself compressed: a `.gz` beside it would be a file of its own.
    pub(super) packed: bool,
}

const fn text(name: &'static str) -> MediaType {
    MediaType {
        name,
        inert: true,
        packed: false,
    }
}
const fn packed(name: &'static str) -> MediaType {
    MediaType {
        name,
        inert: true,
        packed: true,
    }
}
/// Runs in the browser, or hands itself to a program that does.
const fn active(name: &'static str) -> MediaType {
    MediaType {
        name,
        inert: false,
        packed: false,
    }
}
const fn archive(name: &'static str) -> MediaType {
    MediaType {
        name,
        inert: false,
        packed: true,
    }
}

const UNKNOWN: MediaType = active("application/octet-stream");

/// By extension, sorted: the search halves it.
static TABLE: &[(&str, MediaType)] = &[
    ("3gp", packed("video/3gpp")),
    ("7z", archive("application/x-7z-compressed")),
    ("aac", packed("audio/aac")),
    ("apng", packed("image/apng")),
    ("atom", active("application/atom+xml")),
    ("avi", packed("video/x-msvideo")),
    ("avif", packed("image/avif")),
    ("bmp", text("image/bmp")),
    ("bz2", archive("application/x-bzip2")),
    ("cjs", active("text/javascript; charset=utf-8")),
    ("css", text("text/css; charset=utf-8")),
    ("csv", active("text/csv; charset=utf-8")),
    ("doc", active("application/msword")),
    (
        "docx",
        archive("application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ),
    ("eot", text("application/vnd.ms-fontobject")),
    ("epub", archive("application/epub+zip")),
    ("flac", packed("audio/flac")),
    ("geojson", text("application/geo+json")),
    ("gif", packed("image/gif")),
    ("glb", text("model/gltf-binary")),
    ("gltf", text("model/gltf+json")),
    ("gz", archive("application/gzip")),
    ("heic", packed("image/heic")),
    ("heif", packed("image/heif")),
    ("htm", active("text/html; charset=utf-8")),
    ("html", active("text/html; charset=utf-8")),
    ("ico", text("image/x-icon")),
    ("ics", active("text/calendar; charset=utf-8")),
    ("jar", archive("application/java-archive")),
    ("jfif", packed("image/jpeg")),
    ("jpeg", packed("image/jpeg")),
    ("jpg", packed("image/jpeg")),
    ("js", active("text/javascript; charset=utf-8")),
    ("json", text("application/json")),
    ("jsonld", text("application/ld+json")),
    ("jxl", packed("image/jxl")),
    ("kml", active("application/vnd.google-earth.kml+xml")),
    ("m3u8", text("application/vnd.apple.mpegurl")),
    ("m4a", packed("audio/mp4")),
    ("m4v", packed("video/mp4")),
    ("map", text("application/json")),
    ("markdown", text("text/markdown; charset=utf-8")),
    ("md", text("text/markdown; charset=utf-8")),
    ("mid", text("audio/midi")),
    ("mjs", active("text/javascript; charset=utf-8")),
    ("mkv", packed("video/x-matroska")),
    ("mov", packed("video/quicktime")),
    ("mp3", packed("audio/mpeg")),
    ("mp4", packed("video/mp4")),
    ("mpd", active("application/dash+xml")),
    ("mpeg", packed("video/mpeg")),
    ("mpg", packed("video/mpeg")),
    (
        "odp",
        archive("application/vnd.oasis.opendocument.presentation"),
    ),
    (
        "ods",
        archive("application/vnd.oasis.opendocument.spreadsheet"),
    ),
    ("odt", archive("application/vnd.oasis.opendocument.text")),
    ("oga", packed("audio/ogg")),
    ("ogg", packed("audio/ogg")),
    ("ogv", packed("video/ogg")),
    ("opus", packed("audio/ogg")),
    ("otf", text("font/otf")),
    // The viewers of browsers run a PDF's scripts in a sandbox, if at all; people read them in place.
    ("pdf", packed("application/pdf")),
    ("png", packed("image/png")),
    ("ppt", active("application/vnd.ms-powerpoint")),
    (
        "pptx",
        archive("application/vnd.openxmlformats-officedocument.presentationml.presentation"),
    ),
    ("rar", archive("application/vnd.rar")),
    ("rss", active("application/rss+xml")),
    ("rtf", active("application/rtf")),
    ("svg", active("image/svg+xml")),
    ("swf", archive("application/x-shockwave-flash")),
    ("tar", active("application/x-tar")),
    ("tif", text("image/tiff")),
    ("tiff", text("image/tiff")),
    ("ttc", text("font/collection")),
    ("ttf", text("font/ttf")),
    ("txt", text("text/plain; charset=utf-8")),
    ("vcf", active("text/vcard; charset=utf-8")),
    ("vtt", text("text/vtt; charset=utf-8")),
    ("wasm", active("application/wasm")),
    ("wav", text("audio/wav")),
    ("weba", packed("audio/webm")),
    ("webm", packed("video/webm")),
    ("webmanifest", text("application/manifest+json")),
    ("webp", packed("image/webp")),
    ("woff", packed("font/woff")),
    ("woff2", packed("font/woff2")),
    ("xht", active("application/xhtml+xml")),
    ("xhtml", active("application/xhtml+xml")),
    ("xls", active("application/vnd.ms-excel")),
    (
        "xlsx",
        archive("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ),
    ("xml", active("application/xml")),
    ("xsl", active("application/xslt+xml")),
    ("xslt", active("application/xslt+xml")),
    ("yaml", active("application/yaml")),
    ("yml", active("application/yaml")),
    ("zip", archive("application/zip")),
    ("zst", archive("application/zstd")),
];

/// The longest extension in the table.
const LONGEST: usize = 11;

/// The type of a file with this extension, in any case; unknown ones are bytes to be saved.
pub(super) fn of(extension: Option<&[u8]>) -> &'static MediaType {
    let Some(extension) = extension.filter(|extension| extension.len() <= LONGEST) else {
        return &UNKNOWN;
    };
    let mut lower = [0; LONGEST];
    let lower = &mut lower[..extension.len()];
    lower.copy_from_slice(extension);
    lower.make_ascii_lowercase();
    TABLE
        .binary_search_by(|(known, _)| known.as_bytes().cmp(lower))
        .map_or(&UNKNOWN, |at| &TABLE[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_its_longest_name_fits() {
        assert!(TABLE.is_sorted_by(|a, b| a.0 < b.0));
        assert_eq!(TABLE.iter().map(|line| line.0.len()).max(), Some(LONGEST));
        assert!(TABLE.iter().all(|line| {
            line.0
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
        }));
    }

    #[test]
    fn types_that_pages_depend_on() {
        for (extension, name) in [
            ("js", "text/javascript; charset=utf-8"),
            ("MJS", "text/javascript; charset=utf-8"),
            ("css", "text/css; charset=utf-8"),
            ("svg", "image/svg+xml"),
            ("woff2", "font/woff2"),
            ("webp", "image/webp"),
            ("avif", "image/avif"),
            ("Json", "application/json"),
            ("map", "application/json"),
            ("webmanifest", "application/manifest+json"),
            ("wasm", "application/wasm"),
            ("xml", "application/xml"),
            ("txt", "text/plain; charset=utf-8"),
            ("ico", "image/x-icon"),
            ("mp4", "video/mp4"),
            ("pdf", "application/pdf"),
            ("html", "text/html; charset=utf-8"),
            ("ts", "application/octet-stream"),
            ("", "application/octet-stream"),
            ("averyveryverylongextension", "application/octet-stream"),
        ] {
            assert_eq!(of(Some(extension.as_bytes())).name, name, "{extension}");
        }
        assert_eq!(of(None), &UNKNOWN);
    }

    #[test]
    fn what_a_browser_would_run_is_not_inert() {
        for extension in [
            "html", "htm", "xhtml", "xht", "svg", "xml", "xsl", "rss", "js", "mjs", "swf", "mht",
            "hta", "svgz", "shtml",
        ] {
            assert!(!of(Some(extension.as_bytes())).inert, "{extension}");
        }
        for extension in ["jpg", "png", "webp", "mp4", "mp3", "pdf", "txt"] {
            assert!(of(Some(extension.as_bytes())).inert, "{extension}");
        }
    }
}
