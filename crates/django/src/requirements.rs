//! What a lock file pins, as lines that pip and uv understand; read without the tool that wrote it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use serde_json::Value as Json;
use toml::{Table, Value};

/// One pinned package.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    /// `django==5.2 ; python_version >= "3.10"`.
    spec: String,
    hashes: Vec<String>,
}

/// All that a lock file pins for production.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pins {
    pins: Vec<Pin>,
    /// Indexes that the lock file names besides the usual one.
    indexes: Vec<String>,
}

impl Pins {
    /// pip wants hashes for all or for none.
    pub(crate) fn text(&self) -> String {
        let with_hashes = self.pins.iter().all(|pin| !pin.hashes.is_empty());
        let mut text = String::new();
        for index in &self.indexes {
            let _ = writeln!(text, "--extra-index-url {index}");
        }
        for pin in &self.pins {
            text.push_str(&pin.spec);
            for hash in pin.hashes.iter().filter(|_| with_hashes) {
                let _ = write!(text, " \\\n    --hash={hash}");
            }
            text.push('\n');
        }
        text
    }
}

/// Pipfile.lock is JSON and says everything: `default` are the packages for production.
pub(crate) fn from_pipfile_lock(file: &Path) -> Option<Pins> {
    let lock: Json = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    let packages = lock.get("default")?.as_object()?;
    let dir = file.parent()?;
    let pins = packages
        .iter()
        .map(|(name, package)| pipfile_pin(dir, name, package));
    let sources = lock.pointer("/_meta/sources").and_then(Json::as_array);
    let others = sources
        .into_iter()
        .flatten()
        .filter(|source| source["name"] != "pypi");
    let indexes = others
        .filter_map(|source| Some(source["url"].as_str()?.to_owned()))
        .collect();
    Some(Pins {
        pins: pins.collect::<Option<_>>()?,
        indexes,
    })
}

fn pipfile_pin(dir: &Path, name: &str, package: &Json) -> Option<Pin> {
    let text = |key: &str| package.get(key).and_then(Json::as_str);
    let strings = |key: &str| -> Vec<String> {
        let list = package
            .get(key)
            .and_then(Json::as_array)
            .into_iter()
            .flatten();
        list.filter_map(|each| Some(each.as_str()?.to_owned()))
            .collect()
    };
    let extras = strings("extras");
    let extras = if extras.is_empty() {
        String::new()
    } else {
        format!("[{}]", extras.join(","))
    };
    let mut spec = if let Some(git) = text("git") {
        format!(
            "{name}{extras} @ git+{git}@{}",
            text("ref").unwrap_or("HEAD")
        )
    } else if let Some(path) = text("path") {
        format!("{name}{extras} @ file://{}", dir.join(path).display())
    } else if let Some(url) = text("file") {
        format!("{name}{extras} @ {url}")
    } else {
        format!("{name}{extras}{}", text("version")?)
    };
    if let Some(markers) = text("markers") {
        let _ = write!(spec, " ; {markers}");
    }
    Some(Pin {
        spec,
        hashes: strings("hashes"),
    })
}

/// poetry.lock since version 2.1 of its format says for each package its groups and markers. `None`
/// for an older one, or one with packages from elsewhere than an index: Poetry has to export it.
pub(crate) fn from_poetry_lock(file: &Path) -> Option<Pins> {
    let lock = toml_file(file)?;
    let version = lock.get("metadata")?.get("lock-version")?.as_str()?;
    let (major, minor) = version.split_once('.')?;
    if (major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?) < (2, 1) {
        return None;
    }
    let mut pins = Pins::default();
    for package in packages(&lock)? {
        let optional = package.get("optional").and_then(Value::as_bool) == Some(true);
        if optional || !strings(package.get("groups"))?.contains(&"main") {
            continue;
        }
        let marker = match package.get("markers") {
            Some(Value::String(marker)) => Some(marker.as_str()),
            Some(Value::Table(by_group)) => by_group.get("main").and_then(Value::as_str),
            _ => None,
        };
        pins.add(package, marker)?;
    }
    Some(pins)
}

/// pdm.lock whose packages inherit their groups and markers (PDM's default since 2.11).
pub(crate) fn from_pdm_lock(file: &Path) -> Option<Pins> {
    let lock = toml_file(file)?;
    if !strings(lock.get("metadata")?.get("strategy"))?.contains(&"inherit_metadata") {
        return None;
    }
    let mut pins = Pins::default();
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for package in packages(&lock)? {
        if !strings(package.get("groups"))?.contains(&"default") {
            continue;
        }
        let key = (
            package.get("name")?.as_str()?,
            package.get("version")?.as_str()?,
        );
        // A package is listed again for each set of its extras, whose packages are listed as well.
        if seen.contains(&key) {
            continue;
        }
        seen.push(key);
        if ["git", "url", "path"]
            .iter()
            .any(|key| package.contains_key(*key))
        {
            return None;
        }
        pins.add(package, package.get("marker").and_then(Value::as_str))?;
    }
    Some(pins)
}

impl Pins {
    fn add(&mut self, package: &Table, marker: Option<&str>) -> Option<()> {
        if let Some(source) = package.get("source") {
            if source.get("type").and_then(Value::as_str) != Some("legacy") {
                return None;
            }
            let url = source.get("url")?.as_str()?.to_owned();
            if !self.indexes.contains(&url) {
                self.indexes.push(url);
            }
        }
        let name = package.get("name")?.as_str()?;
        let mut spec = format!("{name}=={}", package.get("version")?.as_str()?);
        if let Some(marker) = marker {
            let _ = write!(spec, " ; {marker}");
        }
        let files = package
            .get("files")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let hashes = files.filter_map(|file| Some(file.get("hash")?.as_str()?.to_owned()));
        self.pins.push(Pin {
            spec,
            hashes: hashes.collect(),
        });
        Some(())
    }
}

/// `[project] dependencies` of a pyproject.toml, one a line.
pub(crate) fn from_pyproject(file: &Path) -> Option<String> {
    let content = toml_file(file)?;
    let lines = strings(content.get("project")?.get("dependencies"))?;
    Some(
        lines
            .iter()
            .fold(String::new(), |text, line| text + line + "\n"),
    )
}

fn toml_file(file: &Path) -> Option<Table> {
    fs::read_to_string(file).ok()?.parse().ok()
}

fn packages(lock: &Table) -> Option<Vec<&Table>> {
    lock.get("package")?
        .as_array()?
        .iter()
        .map(Value::as_table)
        .collect()
}

fn strings(value: Option<&Value>) -> Option<Vec<&str>> {
    value?.as_array()?.iter().map(Value::as_str).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(content: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn pipfile_lock_gives_pins_with_hashes_markers_and_extras() {
        let lock = file(
            r#"{"_meta": {"sources": [{"name": "pypi", "url": "a"}]}, "default": {
            "django": {"version": "==5.2", "hashes": ["sha256:aa", "sha256:bb"],
                       "markers": "python_version >= '3.10'"},
            "psycopg": {"version": "==3.2", "extras": ["binary"], "hashes": ["sha256:cc"]}},
            "develop": {"pytest": {"version": "==8.0"}}}"#,
        );
        let text = from_pipfile_lock(lock.path()).unwrap().text();
        assert_eq!(
            text,
            "django==5.2 ; python_version >= '3.10' \\\n    --hash=sha256:aa \\\n    \
             --hash=sha256:bb\npsycopg[binary]==3.2 \\\n    --hash=sha256:cc\n"
        );
    }

    #[test]
    fn a_package_without_a_hash_takes_the_hashes_of_all() {
        let lock = file(
            r#"{"default": {"a": {"version": "==1", "hashes": ["sha256:aa"]},
            "b": {"git": "https://example.com/b", "ref": "abc"}}}"#,
        );
        let text = from_pipfile_lock(lock.path()).unwrap().text();
        assert_eq!(text, "a==1\nb @ git+https://example.com/b@abc\n");
    }

    #[test]
    fn poetry_lock_leaves_out_development_and_optional_packages() {
        let lock = file(
            r#"
[[package]]
name = "django"
version = "5.2"
optional = false
groups = ["main", "dev"]
markers = {main = "python_version >= \"3.10\""}
files = [{file = "d.whl", hash = "sha256:aa"}]
[[package]]
name = "pytest"
version = "8"
optional = false
groups = ["dev"]
files = []
[[package]]
name = "argon2"
version = "1"
optional = true
groups = ["main"]
files = []
[metadata]
lock-version = "2.1"
"#,
        );
        let text = from_poetry_lock(lock.path()).unwrap().text();
        let expected = "django==5.2 ; python_version >= \"3.10\" \\\n    --hash=sha256:aa\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn older_poetry_locks_are_left_to_poetry() {
        let lock = file("package = []\n[metadata]\nlock-version = \"2.0\"\n");
        assert!(from_poetry_lock(lock.path()).is_none());
    }
}
