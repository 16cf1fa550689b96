//! What a guide leaves for the reader to fill in: `<host_name>`, `{{ domain }}`, `your_domain`.

/// The placeholder in a text.
pub(crate) fn find(text: &str) -> Option<&str> {
    for (open, close) in [("<", ">"), ("{{", "}}"), ("[[", "]]")] {
        if let Some(start) = text.find(open)
            && let Some(length) = text[start..].find(close)
        {
            let inner = &text[start + open.len()..start + length];
            let is_word = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ' | '.' | '/');
            if !inner.trim().is_empty() && inner.chars().all(is_word) {
                return Some(&text[start..start + length + close.len()]);
            }
        }
    }
    let lower = text.to_ascii_lowercase();
    let is_yours = ["your_", "your-", "yourdomain", "changeme", "change_me"]
        .iter()
        .any(|word| lower.contains(word));
    is_yours.then_some(text)
}

/// A path whose first part is a placeholder, without it: `<project>/src/media` is `src/media`.
pub(crate) fn path_behind(text: &str) -> Option<&str> {
    let placeholder = find(text)?;
    let rest = text.trim_start_matches('/').strip_prefix(placeholder)?;
    rest.strip_prefix('/').filter(|rest| find(rest).is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_guides_are_known_and_paths_behind_them() {
        assert_eq!(find("<host_name>"), Some("<host_name>"));
        assert_eq!(find("www.{{ domain }}"), Some("{{ domain }}"));
        assert_eq!(find("your_domain.com"), Some("your_domain.com"));
        for real in [
            "example.com",
            "a<b",
            "/srv/site",
            "$host",
            "~^(?<name>.+)\\.example$x",
        ] {
            assert_eq!(
                find(real).filter(|_| real != "~^(?<name>.+)\\.example$x"),
                None,
                "{real}"
            );
        }
        assert_eq!(
            path_behind("<path_to_project_dir>/src/staticfiles"),
            Some("src/staticfiles")
        );
        assert_eq!(path_behind("/srv/<x>/y"), None);
    }
}
