//! The end: what all inputs together lack is added, the draft becomes a text, and the way onward is named.

use serde::Serialize;

use crate::Reading;
use crate::compose::dump;
use crate::draft::{Draft, Toml};
use crate::ledger::{Fate, Item};

/// What an import came to.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    /// The text of `hotclub.toml`.
    pub toml: String,
    /// What became of each key and directive, in the order of the inputs.
    pub items: Vec<Item>,
    /// What to do next, in this order.
    pub steps: Vec<String>,
    /// The text holds a value that is secret by its name.
    pub secret: bool,
}

impl Outcome {
    /// How many items have this fate.
    #[must_use]
    pub fn count(&self, fate: Fate) -> usize {
        self.items.iter().filter(|item| item.fate == fate).count()
    }
}

pub(crate) fn conclude(mut reading: Reading<'_>) -> Outcome {
    if let Some(name) = reading.stack.name.clone() {
        reading.draft.top.set("name", site_name(&name));
    }
    hosts(&mut reading);
    listen(&mut reading);
    origins(&mut reading);
    sound(&mut reading);
    let steps = steps(&mut reading);
    let secret = reading.stack.wrote_secret;
    Outcome {
        toml: reading.draft.written(),
        items: reading.ledger.close(),
        steps,
        secret,
    }
}

/// Hosts from the command line go before placeholders, never before what an input says.
fn hosts(reading: &mut Reading<'_>) {
    if reading.draft.top.get("hosts").is_none() && !reading.options.hosts.is_empty() {
        reading
            .draft
            .top
            .set("hosts", reading.options.hosts.clone());
    }
}

/// No web server among the inputs: Hotclub is reached where the app was, from this machine.
fn listen(reading: &mut Reading<'_>) {
    if reading.stack.from_nginx || reading.draft.table("server").get("listen").is_some() {
        return;
    }
    if let Some(address) = reading.stack.published.first().cloned() {
        let said = format!(
            "[server] listen = [\"{address}\"]: where the app was reached, from this machine alone"
        );
        let hint = "for visitors write [server] listen = [\"0.0.0.0:80\", \"[::]:80\"], or name the NGINX configuration, too";
        reading.draft.table("server").set("listen", vec![address]);
        reading
            .ledger
            .note(Fate::Mended, "listen", said, Some(hint.to_owned()));
    }
}

/// Django refuses `*` (4_0.E001).
fn origins(reading: &mut Reading<'_>) {
    let Some((name, id)) = reading.stack.csrf_star.take() else {
        return;
    };
    let hosts = match reading.draft.top.get("hosts") {
        Some(Toml::List(hosts)) => hosts.clone(),
        _ => Vec::new(),
    };
    match hosts.as_slice() {
        [host] => {
            let origin = format!("https://{host}");
            reading.draft.table("env").field("set", &name, &origin);
            reading.ledger.mended(id, format!("{name}=* stops Django (4_0.E001): [env] set has {origin}"));
        }
        _ => reading.ledger.open(
            id,
            format!("{name}=* stops Django (4_0.E001)"),
            format!("write the site's origins with their scheme, as the settings split them: {name}=https://example.com"),
        ),
    }
}

/// Inputs may contradict each other. What hotclub.toml would not take is left out, and said, so that what is written
/// can always be read.
fn sound(reading: &mut Reading<'_>) {
    let file = reading.options.dir.join(hotclub_config::FILE_NAME);
    let faults = |draft: &Draft| hotclub_config::parse(&draft.written(), &file).err();
    while let Some(found) = faults(&reading.draft) {
        let less = reading.draft.lessened().into_iter();
        let better = less
            .map(|(what, draft)| (faults(&draft).map_or(0, |faults| faults.len()), what, draft));
        let Some((left, what, draft)) = better.min_by_key(|(left, ..)| *left) else {
            return;
        };
        let why = found.iter().next().map(|fault| fault.message.clone());
        let why = why.unwrap_or_default();
        let said = format!("left out, for the inputs contradict each other here: {why}");
        let hint = Some("write it into hotclub.toml as it is meant".to_owned());
        reading.ledger.note(Fate::Open, &what, said, hint);
        reading.draft = draft;
        if left == 0 {
            return;
        }
    }
}

fn steps(reading: &mut Reading<'_>) -> Vec<String> {
    let mut steps = vec!["hotclub check".to_owned()];
    if let Some(old) = &reading.stack.database {
        steps.push(dump(old));
    }
    let brings_data = reading.stack.database.is_some();
    if reading.stack.from_compose {
        steps.push("docker compose stop".to_owned());
    }
    if reading.stack.from_nginx {
        steps.push(
            "systemctl stop nginx (or take the site's file out of sites-enabled and reload)"
                .to_owned(),
        );
    }
    steps.push("hotclub up".to_owned());
    if brings_data {
        steps.push("hotclub db import old.dump      (while it is up, or not)".to_owned());
    }
    steps
}

/// A name as `name` and `[[process]] name` take it.
pub(crate) fn site_name(text: &str) -> String {
    let kept = |c: char| match c.to_ascii_lowercase() {
        c if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') => c,
        _ => '-',
    };
    let name: String = text.chars().map(kept).take(63).collect();
    let name = name.trim_matches(['-', '_']).to_owned();
    match name.is_empty() {
        true => "site".to_owned(),
        false => name,
    }
}
