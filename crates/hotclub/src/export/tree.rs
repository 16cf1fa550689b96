//! YAML to be written: a tree in the order in which it was made.

use std::fmt::Write;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Tree {
    Text(String),
    Number(u64),
    Flag(bool),
    List(Vec<Tree>),
    Table(Vec<(String, Tree)>),
}

impl From<&str> for Tree {
    fn from(text: &str) -> Tree {
        Tree::Text(text.to_owned())
    }
}

impl From<String> for Tree {
    fn from(text: String) -> Tree {
        Tree::Text(text)
    }
}

impl From<u64> for Tree {
    fn from(number: u64) -> Tree {
        Tree::Number(number)
    }
}

impl From<bool> for Tree {
    fn from(flag: bool) -> Tree {
        Tree::Flag(flag)
    }
}

impl<T: Into<Tree>> From<Vec<T>> for Tree {
    fn from(list: Vec<T>) -> Tree {
        Tree::List(list.into_iter().map(Into::into).collect())
    }
}

pub(super) fn table<const N: usize>(entries: [(&str, Tree); N]) -> Tree {
    Tree::Table(entries.map(|(key, value)| (key.to_owned(), value)).into())
}

impl Tree {
    /// Adds a key to a table.
    #[must_use]
    pub(super) fn with(self, key: &str, value: impl Into<Tree>) -> Tree {
        match self {
            Tree::Table(mut entries) => {
                entries.push((key.to_owned(), value.into()));
                Tree::Table(entries)
            }
            other => other,
        }
    }

    /// One document.
    pub(super) fn document(&self) -> String {
        let mut text = String::new();
        self.write(&mut text, 0);
        text.trim_start_matches('\n').to_owned()
    }

    /// Behind a key's colon or a list's dash.
    fn write(&self, text: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        match self {
            Tree::Text(value) if value.contains('\n') && !value.starts_with(' ') => {
                block(text, value, &indent)
            }
            Tree::Text(value) => {
                let _ = writeln!(text, " {}", scalar(value));
            }
            Tree::Number(number) => {
                let _ = writeln!(text, " {number}");
            }
            Tree::Flag(flag) => {
                let _ = writeln!(text, " {flag}");
            }
            Tree::List(list) if list.is_empty() => text.push_str(" []\n"),
            Tree::Table(entries) if entries.is_empty() => text.push_str(" {}\n"),
            Tree::List(list) => {
                text.push('\n');
                for entry in list {
                    let _ = write!(text, "{indent}-");
                    entry.write_in_list(text, depth);
                }
            }
            Tree::Table(entries) => {
                text.push('\n');
                for (key, value) in entries {
                    let _ = write!(text, "{indent}{}:", scalar(key));
                    value.write(text, depth + 1);
                }
            }
        }
    }

    /// A table's first key stands beside the dash.
    fn write_in_list(&self, text: &mut String, depth: usize) {
        let Tree::Table(entries) = self else {
            return self.write(text, depth + 1);
        };
        let indent = "  ".repeat(depth + 1);
        for (at, (key, value)) in entries.iter().enumerate() {
            let lead = if at == 0 { " " } else { indent.as_str() };
            let _ = write!(text, "{lead}{}:", scalar(key));
            value.write(text, depth + 2);
        }
    }
}

fn block(text: &mut String, value: &str, indent: &str) {
    text.push_str(if value.ends_with('\n') {
        " |\n"
    } else {
        " |-\n"
    });
    for line in value.trim_end_matches('\n').lines() {
        let _ = match line.is_empty() {
            true => writeln!(text),
            false => writeln!(text, "{indent}{line}"),
        };
    }
}

/// Plain where that cannot be read as anything else, quoted as JSON otherwise.
fn scalar(value: &str) -> String {
    let starts_plain =
        value.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '/' | '.' | '_'));
    let inside = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '/' | '.' | '_' | '-' | ' ' | '(' | ')' | '=' | '+')
    };
    let is_word = matches!(
        value.to_ascii_lowercase().as_str(),
        "true" | "false" | "yes" | "no" | "on" | "off" | "null" | "y" | "n" | ".inf" | ".nan" | "."
    );
    let numeric = value.starts_with('.') && value[1..].starts_with(|c: char| c.is_ascii_digit());
    match starts_plain && value.chars().all(inside) && !is_word && !numeric && !value.ends_with(' ')
    {
        true => value.to_owned(),
        false => serde_json::to_string(value).unwrap_or_else(|_| "\"\"".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_are_written_as_people_write_yaml() {
        let tree = table([
            ("name", "x".into()),
            ("port", "80:80".into()),
            ("on", "yes".into()),
            (
                "list",
                vec![
                    table([("a", 1.into()), ("b", vec!["c"].into())]),
                    "d".into(),
                ]
                .into(),
            ),
            ("text", "one\n\n  two\n".into()),
            ("none", Tree::Table(Vec::new())),
        ]);
        let expected = "name: x\nport: \"80:80\"\n\"on\": \"yes\"\nlist:\n  - a: 1\n    b:\n      - c\n  - d\ntext: |\n  one\n\n    two\nnone: {}\n";
        assert_eq!(tree.document(), expected);
    }
}
