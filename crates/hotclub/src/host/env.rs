//! `hotclub env`: variables that an operator lays over what a site's own files say. A change is tried by a reload, and
//! taken back when the site does not come up with it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use hotclub_config::{Origin, Site, env_file};
use serde_json::{Value, json};

use super::desk::Desk;
use super::read;
use crate::console::{Console, Failure};
use crate::control::Outcome;
use crate::project::learnt::{self, Learnt};
use crate::project::{Project, State};
use crate::releases::Home;

/// What is shown of a value.
const HIDDEN: &str = "•••";

impl Desk {
    pub(super) async fn change_env(
        &self,
        name: &str,
        set: BTreeMap<String, String>,
        unset: &[String],
    ) -> Outcome {
        let (site, home) = self.site(name)?;
        let file = home.env_file();
        let before = match fs::read_to_string(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            text => text?,
        };
        let mut all = parsed(&before, &file)?;
        for name in unset {
            if all.remove(name).is_none() {
                return Err(not_ours(&site, name));
            }
        }
        all.extend(set);
        fs::create_dir_all(home.dir())?;
        keep(&file, &written(&all)?)?;
        let reloaded = self.asker.reload(Some(name.to_owned())).await;
        if let Err(mut failure) = reloaded {
            keep(&file, &before)?;
            failure.message = format!("not changed: {}", failure.message);
            return Err(failure);
        }
        Ok(json!({ "site": name, "set": all.keys().collect::<Vec<_>>() }))
    }

    pub(super) fn list_env(&self, name: &str, show: bool) -> Outcome {
        let (site, home) = self.site(name)?;
        let learnt = learnt(&site).unwrap_or_default();
        let vars = site.env.vars.iter();
        let mut all: Vec<Value> = vars
            .map(|(name, var)| {
                shown(
                    name,
                    (var.value.expose(), &whence(&var.origin, &home)),
                    show,
                )
            })
            .collect();
        let injected = learnt.injected.iter();
        let injected = injected.filter(|(name, _)| !site.env.vars.contains_key(*name));
        all.extend(injected.map(|(name, value)| shown(name, (value, BY_HOTCLUB), show)));
        Ok(json!({ "site": name, "variables": all }))
    }

    pub(super) fn explain_env(&self, site: &str, name: &str, show: bool) -> Outcome {
        let (site, home) = self.site(site)?;
        let learnt = learnt(&site).unwrap_or_default();
        let read = learnt.inspection.env.iter().find(|read| read.name == name);
        let inherited = std::env::var(name).ok();
        let found = match (
            site.env.vars.get(name),
            learnt.injected.get(name),
            &inherited,
        ) {
            (Some(var), _, _) => Some((var.value.expose(), whence(&var.origin, &home))),
            (None, Some(value), _) => Some((value.as_str(), BY_HOTCLUB.to_owned())),
            (None, None, Some(value)) => {
                Some((value.as_str(), "the host's own environment".to_owned()))
            }
            (None, None, None) => None,
        };
        let told = found
            .as_ref()
            .map(|(value, from)| shown(name, (value, from), show));
        Ok(json!({
            "site": site.name,
            "name": name,
            "set": told,
            "read_at": read.map(|read| &read.at),
            "has_default": read.map(|read| read.has_default),
        }))
    }

    /// A site of this host, as its files say now.
    fn site(&self, name: &str) -> Result<(Arc<Site>, Home), Failure> {
        let home = self.home(name)?;
        let quiet = Console::quiet();
        let wanted = read(self.config(), Some(&self.state), None, &quiet)?;
        let mut sites = wanted.sites.into_iter();
        match sites.find(|site| site.name == name) {
            Some(site) => Ok((site, home)),
            None => Err(Failure::new(format!("no site is called `{name}`"))
                .hint("`hotclub status` shows the sites of this host")),
        }
    }
}

const BY_HOTCLUB: &str = "Hotclub made it";

fn learnt(site: &Site) -> Option<Learnt> {
    let project = Project::find(site.clone(), None).ok()?;
    learnt::last(&State::open_shared(&project).ok()?)
}

fn whence(origin: &Origin, home: &Home) -> String {
    match origin {
        Origin::Set => "[env] set in hotclub.toml".to_owned(),
        Origin::File { path, .. } if *path == home.env_file() => "hotclub env".to_owned(),
        Origin::File { path, line } => format!("{}:{line}", path.display()),
    }
}

fn shown(name: &str, (value, from): (&str, &str), show: bool) -> Value {
    let value = if show { value } else { HIDDEN };
    json!({ "name": name, "value": value, "from": from })
}

fn not_ours(site: &Site, name: &str) -> Failure {
    let failure = Failure::new(format!("`hotclub env` did not set {name}"));
    match site.env.vars.get(name).map(|var| &var.origin) {
        Some(Origin::File { path, line }) => {
            failure.hint(format!("it is at {}:{line}", path.display()))
        }
        Some(Origin::Set) => failure.hint("it is under [env] in hotclub.toml"),
        None => failure,
    }
}

fn parsed(text: &str, file: &Path) -> Result<BTreeMap<String, String>, Failure> {
    let read = env_file::parse(text, file).map_err(|faults| Failure::new(faults.to_string()))?;
    let entries = read.entries.into_iter();
    Ok(entries
        .map(|entry| (entry.name, entry.value.expose().to_owned()))
        .collect())
}

/// By the grammar of env files, which reads back what is written here.
fn written(all: &BTreeMap<String, String>) -> Result<String, Failure> {
    let lines = all
        .iter()
        .map(|(name, value)| format!("{name}={}\n", quoted(value)));
    let text: String = lines.collect();
    match parsed(&text, Path::new("env"))? == *all {
        true => Ok(text),
        false => Err(Failure::new("a value cannot be written into an env file")
            .hint("it may hold no NUL character")),
    }
}

fn quoted(value: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+,".contains(c);
    if value.chars().all(is_plain) {
        return value.to_owned();
    }
    if !value.contains(['\'', '\r']) {
        return format!("'{value}'");
    }
    let mut text = String::from("\"");
    for c in value.chars() {
        match c {
            '"' | '\\' | '$' => text.extend(['\\', c]),
            '\r' => text.push_str("\\r"),
            c => text.push(c),
        }
    }
    text.push('"');
    text
}

/// Readable by its owner only; whole or not at all.
fn keep(file: &Path, text: &str) -> std::io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut fresh = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(folder)?;
    fresh.write_all(text.as_bytes())?;
    fresh.as_file().sync_all()?;
    fresh.persist(file)?;
    fs::File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_reads_back_as_it_was() {
        let values = [
            "plain",
            "",
            " spaces ",
            "a#b",
            "$HOME",
            "it's",
            "\"both\" it's \\ $x",
            "two\nlines",
            "cr\r\nlf",
            "*",
            "ü",
        ];
        let all: BTreeMap<String, String> = values
            .iter()
            .enumerate()
            .map(|(at, value)| (format!("V{at}"), (*value).to_owned()))
            .collect();
        let text = written(&all).unwrap();
        assert_eq!(parsed(&text, Path::new("env")).unwrap(), all);
    }

    #[test]
    fn what_no_process_can_be_given_is_refused() {
        let all = BTreeMap::from([("A".to_owned(), "a\0b".to_owned())]);
        assert!(written(&all).is_err());
    }
}
