//! The URL under which a folder or another server appears. It begins and ends with `/`, so that a mount
//! is always whole path segments: `/static/` can never catch `/static../settings.py` or `/staticfiles`.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A path such as `/media/`: decoded, without dots, doubled slashes, query or fragment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Mount(String);

/// Why a text is no mount, with the text that may have been meant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct MountError {
    pub reason: &'static str,
    pub suggestion: Option<String>,
}

impl Mount {
    /// Reads a mount; says what to write instead where that can be known.
    pub fn parse(text: &str) -> Result<Mount, MountError> {
        let wrong = |reason| {
            Err(MountError {
                reason,
                suggestion: suggestion(text),
            })
        };
        if text.is_empty() {
            return wrong("it is empty");
        }
        if text.contains("://") {
            return wrong("it is a whole URL, but a path is wanted");
        }
        if text.contains(|c: char| matches!(c, '?' | '#' | '\\' | '%' | '*') || c.is_control()) {
            return wrong("it holds `?`, `#`, `%`, `*`, a backslash or a control character");
        }
        if !text.starts_with('/') {
            return wrong("it does not begin with `/`");
        }
        if !text.ends_with('/') {
            return wrong("it does not end with `/`");
        }
        let inner = text.trim_start_matches('/').trim_end_matches('/');
        if text.contains("//")
            || inner
                .split('/')
                .any(|segment| matches!(segment, "." | ".."))
        {
            return wrong("it holds an empty, `.` or `..` segment");
        }
        Ok(Mount(text.to_owned()))
    }

    /// The whole site.
    pub fn root() -> Mount {
        Mount("/".to_owned())
    }

    /// The text, with both slashes.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The rest of `path` behind the mount, or `None` when it is not beneath it.
    pub fn strip<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.strip_prefix(self.0.as_str())
    }
}

fn suggestion(text: &str) -> Option<String> {
    let path = text.split_once("://").map_or(text, |(_, rest)| {
        rest.split_once('/').map_or("", |(_, p)| p)
    });
    let clean = |segment: &&str| !matches!(*segment, "" | "." | "..");
    let segments: Vec<&str> = path.split('/').filter(clean).collect();
    let mount = match segments.is_empty() {
        true => "/".to_owned(),
        false => format!("/{}/", segments.join("/")),
    };
    (mount != text && Mount::parse(&mount).is_ok() && !text.is_empty()).then_some(mount)
}

impl fmt::Display for Mount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_matches_whole_segments_only() {
        let mount = Mount::parse("/static/").unwrap();
        assert_eq!(mount.strip("/static/a/b.css"), Some("a/b.css"));
        assert_eq!(mount.strip("/static"), None);
        assert_eq!(mount.strip("/static../settings.py"), None);
        assert_eq!(mount.strip("/staticfiles/a"), None);
    }

    #[test]
    fn what_is_no_mount_gets_the_nearest_one_as_advice() {
        for (text, advice) in [
            ("static", Some("/static/")),
            ("/static", Some("/static/")),
            ("/a//b/", Some("/a/b/")),
            ("/a/../b/", Some("/a/b/")),
            ("https://cdn.example/static/", Some("/static/")),
            ("", None),
            ("/a?b/", None),
            ("/%2e/", None),
        ] {
            assert_eq!(
                Mount::parse(text).unwrap_err().suggestion.as_deref(),
                advice,
                "{text}"
            );
        }
        assert!(Mount::parse("/").is_ok());
    }
}
