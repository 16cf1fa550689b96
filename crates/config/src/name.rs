//! The grammar of names of sites and processes.

use std::path::Path;

use crate::defaults;

/// Longest name: PostgreSQL cuts identifiers at 63 bytes, and so does DNS.
const LONGEST: usize = 63;

/// Whether a text may name a site or a process: it becomes a folder, a role, a label of a metric.
pub fn is_name(text: &str) -> bool {
    let inside = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_');
    let starts_well = text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    starts_well && text.len() <= LONGEST && text.chars().all(inside)
}

/// The nearest name to any text, or none when nothing of it is left.
pub(crate) fn nearest_name(text: &str) -> Option<String> {
    let replaced: String = text
        .to_lowercase()
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || c == '_' {
                c
            } else {
                '-'
            }
        })
        .collect();
    let name: String = replaced
        .trim_matches(['-', '_'])
        .chars()
        .take(LONGEST)
        .collect();
    is_name(&name).then_some(name)
}

/// A site's name when none is written: the folder's. A link keeps the name it is called by; only `.` and
/// the like have to be looked up.
pub(crate) fn from_folder(dir: &Path) -> String {
    let called = dir.file_name().map(ToOwned::to_owned);
    let looked_up = || dir.canonicalize().ok()?.file_name().map(ToOwned::to_owned);
    let folder = called.or_else(looked_up);
    let name = folder.and_then(|name| nearest_name(&name.to_string_lossy()));
    name.unwrap_or_else(|| defaults::NAME.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folders_name_becomes_a_sites_name() {
        assert_eq!(from_folder(Path::new("/srv/My Portfolio!")), "my-portfolio");
        assert_eq!(from_folder(Path::new("/")), "site");
        assert_eq!(
            from_folder(Path::new(".")),
            "config",
            "tests run in the crate's folder"
        );
        assert_eq!(from_folder(Path::new("/srv/日本")), "site");
    }
}
