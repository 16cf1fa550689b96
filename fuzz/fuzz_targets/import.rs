//! Owner → program: files of other stacks. What comes of any of them is a `hotclub.toml` that can be read.
#![no_main]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hotclub_import::{Input, Options, import};
use libfuzzer_sys::fuzz_target;

const NAMES: [&str; 5] = ["compose.yml", "site.conf", "Procfile", "Dockerfile", "gunicorn.conf.py"];

fuzz_target!(|data: &[u8]| {
    let Some((kind, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    let name = NAMES[usize::from(*kind) % NAMES.len()];
    let input = Input {
        path: Path::new("/srv/site").join(name),
        shown: name.to_owned(),
        text: text.to_owned(),
    };
    let shelf: BTreeMap<PathBuf, String> = BTreeMap::new();
    let options = Options {
        dir: Path::new("/srv/site"),
        shelf: &shelf,
        vars: BTreeMap::new(),
        hosts: Vec::new(),
        command: None,
        names_a_database: |name| name.starts_with("DB_"),
    };
    if let Ok(outcome) = import(&[input], &options) {
        let read = hotclub_config::parse(&outcome.toml, Path::new("/srv/site/hotclub.toml"));
        assert!(read.is_ok(), "{}", outcome.toml);
    }
});
