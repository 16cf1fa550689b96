//! `hotclub.toml` in the making: tables and keys in the order of the documentation, written as a person would.
//! Which keys there are is for hotclub-config to say; the tests read every draft back with it.

use std::fmt::Write;

/// A value as TOML has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Toml {
    Text(String),
    Number(u64),
    Flag(bool),
    List(Vec<String>),
    Fields(Vec<(String, String)>),
}

impl From<&str> for Toml {
    fn from(text: &str) -> Toml {
        Toml::Text(text.to_owned())
    }
}

impl From<String> for Toml {
    fn from(text: String) -> Toml {
        Toml::Text(text)
    }
}

impl From<u64> for Toml {
    fn from(number: u64) -> Toml {
        Toml::Number(number)
    }
}

impl From<bool> for Toml {
    fn from(flag: bool) -> Toml {
        Toml::Flag(flag)
    }
}

impl From<Vec<String>> for Toml {
    fn from(list: Vec<String>) -> Toml {
        Toml::List(list)
    }
}

/// The keys of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Keys(Vec<(&'static str, Toml)>);

impl Keys {
    /// The last one wins.
    pub(crate) fn set(&mut self, key: &'static str, value: impl Into<Toml>) -> &mut Keys {
        self.0.retain(|(other, _)| *other != key);
        self.0.push((key, value.into()));
        self
    }

    pub(crate) fn with(mut self, key: &'static str, value: impl Into<Toml>) -> Keys {
        self.set(key, value);
        self
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Toml> {
        self.0
            .iter()
            .find(|(other, _)| *other == key)
            .map(|(_, value)| value)
    }

    pub(crate) fn text(&self, key: &str) -> Option<&str> {
        match self.get(key) {
            Some(Toml::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Adds to a list, once.
    pub(crate) fn add(&mut self, key: &'static str, entry: impl Into<String>) {
        let entry = entry.into();
        let mut list = match self.get(key) {
            Some(Toml::List(list)) => list.clone(),
            _ => Vec::new(),
        };
        if !list.contains(&entry) {
            list.push(entry);
        }
        self.set(key, list);
    }

    /// Adds to a table of texts; the last one wins.
    pub(crate) fn field(&mut self, key: &'static str, name: &str, value: &str) {
        let mut fields = match self.get(key) {
            Some(Toml::Fields(fields)) => fields.clone(),
            _ => Vec::new(),
        };
        fields.retain(|(other, _)| other != name);
        fields.push((name.to_owned(), value.to_owned()));
        self.set(key, Toml::Fields(fields));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `[name]`, in this order.
const TABLES: [&str; 11] = [
    "app", "env", "database", "static", "headers", "release", "runtime", "limits", "log", "server",
    "https",
];
/// `[[name]]`, behind the tables that describe the site and before those of the server.
const LISTS: [&str; 6] = ["files", "proxy", "redirect", "access", "rate", "process"];

/// The whole file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    pub(crate) top: Keys,
    tables: Vec<(&'static str, Keys)>,
    lists: Vec<(&'static str, Keys)>,
}

impl Draft {
    pub(crate) fn table(&mut self, name: &'static str) -> &mut Keys {
        debug_assert!(TABLES.contains(&name));
        let at = match self.tables.iter().position(|(other, _)| *other == name) {
            Some(at) => at,
            None => {
                self.tables.push((name, Keys::default()));
                self.tables.len() - 1
            }
        };
        &mut self.tables[at].1
    }

    /// Adds an entry of a list; one with the same `url`, `from` or `name` stays as it is, and this says so.
    pub(crate) fn push(&mut self, name: &'static str, keys: Keys) -> bool {
        debug_assert!(LISTS.contains(&name));
        let identity = |keys: &Keys| {
            ["url", "from", "name"]
                .iter()
                .find_map(|key| keys.text(key).map(str::to_owned))
        };
        // One URL belongs to one of these.
        let mounts = ["files", "proxy"];
        let same_kind =
            |other: &str| other == name || (mounts.contains(&name) && mounts.contains(&other));
        let taken = self
            .lists
            .iter()
            .any(|(other, there)| same_kind(other) && identity(there) == identity(&keys));
        if !taken {
            self.lists.push((name, keys));
        }
        !taken
    }

    pub(crate) fn entries(&self, name: &str) -> impl Iterator<Item = &Keys> {
        let of_name = self.lists.iter().filter(move |(other, _)| *other == name);
        of_name.map(|(_, keys)| keys)
    }

    /// The entry of `[[access]]` for a URL, made when there is none.
    pub(crate) fn access(&mut self, url: &str) -> &mut Keys {
        let is_it =
            |(name, keys): &(&str, Keys)| *name == "access" && keys.text("url") == Some(url);
        let at = match self.lists.iter().position(is_it) {
            Some(at) => at,
            None => {
                self.lists
                    .push(("access", Keys::default().with("url", url)));
                self.lists.len() - 1
            }
        };
        &mut self.lists[at].1
    }

    /// The draft without one key, or without one entry of a list, for each of them; with its name.
    pub(crate) fn lessened(&self) -> Vec<(String, Draft)> {
        let mut all = Vec::new();
        for (key, _) in &self.top.0 {
            let mut less = self.clone();
            less.top.0.retain(|(other, _)| other != key);
            all.push(((*key).to_owned(), less));
        }
        for (at, (name, keys)) in self.tables.iter().enumerate() {
            for (key, _) in &keys.0 {
                let mut less = self.clone();
                less.tables[at].1.0.retain(|(other, _)| other != key);
                all.push((format!("[{name}] {key}"), less));
            }
        }
        for (at, (name, _)) in self.lists.iter().enumerate() {
            let mut less = self.clone();
            less.lists.remove(at);
            all.push((format!("[[{name}]]"), less));
        }
        all
    }

    /// The file's text.
    pub(crate) fn written(&self) -> String {
        let mut text = String::new();
        write_keys(&mut text, &self.top);
        for name in TABLES.iter().take(4) {
            self.write_table(&mut text, name);
        }
        for name in LISTS {
            for (_, keys) in self.lists.iter().filter(|(other, _)| *other == name) {
                let _ = write!(text, "\n[[{name}]]\n");
                write_keys(&mut text, keys);
            }
        }
        for name in TABLES.iter().skip(4) {
            self.write_table(&mut text, name);
        }
        text.trim_start_matches('\n').to_owned()
    }

    fn write_table(&self, text: &mut String, name: &str) {
        let found = self.tables.iter().find(|(other, _)| *other == name);
        if let Some((_, keys)) = found.filter(|(_, keys)| !keys.is_empty()) {
            let _ = write!(text, "\n[{name}]\n");
            write_keys(text, keys);
        }
    }
}

fn write_keys(text: &mut String, keys: &Keys) {
    let width = keys.0.iter().map(|(key, _)| key.len()).max().unwrap_or(0);
    for (key, value) in &keys.0 {
        let _ = writeln!(text, "{key:width$} = {}", written(value));
    }
}

fn written(value: &Toml) -> String {
    match value {
        Toml::Text(text) => quoted(text),
        Toml::Number(number) => number.to_string(),
        Toml::Flag(flag) => flag.to_string(),
        Toml::List(list) => {
            let entries: Vec<_> = list.iter().map(|entry| quoted(entry)).collect();
            format!("[{}]", entries.join(", "))
        }
        Toml::Fields(fields) => {
            let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
            let key = |name: &str| match !name.is_empty() && name.chars().all(bare) {
                true => name.to_owned(),
                false => quoted(name),
            };
            let fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| format!("{} = {}", key(name), quoted(value)))
                .collect();
            format!("{{ {} }}", fields.join(", "))
        }
    }
}

fn quoted(text: &str) -> String {
    let mut written = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => written.push_str("\\\""),
            '\\' => written.push_str("\\\\"),
            '\n' => written.push_str("\\n"),
            '\t' => written.push_str("\\t"),
            other if other.is_control() => {
                let _ = write!(written, "\\u{:04X}", other as u32);
            }
            other => written.push(other),
        }
    }
    written + "\""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draft_reads_as_a_person_would_have_written_it() {
        let mut draft = Draft::default();
        draft.top.set("name", "x");
        draft
            .table("server")
            .set("listen", vec!["[::]:80".to_owned()]);
        draft.table("env").field("set", "A", "say \"b\"\n");
        draft.table("app").set("dir", "src").set("workers", 2u64);
        assert!(draft.push(
            "files",
            Keys::default().with("url", "/m/").with("path", "m")
        ));
        assert!(!draft.push("proxy", Keys::default().with("url", "/m/")));
        let expected = "name = \"x\"\n\n[app]\ndir     = \"src\"\nworkers = 2\n\n[env]\nset = { A = \"say \\\"b\\\"\\n\" }\n\n\
                        [[files]]\nurl  = \"/m/\"\npath = \"m\"\n\n[server]\nlisten = [\"[::]:80\"]\n";
        assert_eq!(draft.written(), expected);
    }
}
