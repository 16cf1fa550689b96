//! The report of an import, for people and as JSON.

use std::fmt::Write as _;
use std::io::Write;

use anstyle::{AnsiColor, Style};
use hotclub_import::{Fate, Item, Outcome};
use serde::Serialize;

use crate::cli::ImportArgs;
use crate::console::Failure;

const HEAD: Style = Style::new().bold();
const PLACE: Style = Style::new().dimmed();
const ADVICE: Style = AnsiColor::Cyan.on_default();

/// What needs an eye comes last, where a terminal shows it.
const CHAPTERS: [(Fate, &str); 4] = [
    (Fate::Taken, "taken over"),
    (Fate::Mended, "mended"),
    (Fate::Unsupported, "not supported"),
    (Fate::Open, "to be answered"),
];

#[derive(Serialize)]
struct Told<'o> {
    file: String,
    written: bool,
    #[serde(flatten)]
    outcome: &'o Outcome,
}

pub(super) fn report(args: &ImportArgs, outcome: &Outcome) -> Result<(), Failure> {
    if args.json {
        let told = Told {
            file: args.output.display().to_string(),
            written: !args.dry_run,
            outcome,
        };
        let mut stdout = std::io::stdout().lock();
        serde_json::to_writer(&mut stdout, &told).map_err(std::io::Error::from)?;
        writeln!(stdout)?;
        return Ok(());
    }
    let mut text = String::new();
    for (fate, title) in CHAPTERS {
        let items = outcome.items.iter().filter(|item| item.fate == fate);
        let lines: Vec<String> = items.map(line).collect();
        if !lines.is_empty() {
            let _ = write!(
                text,
                "{HEAD}{title} ({}){HEAD:#}\n{}\n",
                lines.len(),
                lines.concat()
            );
        }
    }
    match args.dry_run {
        true => {
            let _ = write!(
                text,
                "{HEAD}{}{HEAD:#}\n{}",
                args.output.display(),
                outcome.toml
            );
        }
        false => {
            let _ = writeln!(text, "{HEAD}written: {}{HEAD:#}", args.output.display());
            let _ = writeln!(text, "next:");
            for step in &outcome.steps {
                let _ = writeln!(text, "  {step}");
            }
        }
    }
    write!(anstream::stdout(), "{text}")?;
    Ok(())
}

fn line(item: &Item) -> String {
    let place = item
        .place
        .as_ref()
        .map(|place| format!("{PLACE}{}:{}{PLACE:#} ", place.file, place.line));
    let hint = item
        .hint
        .as_ref()
        .map(|hint| format!("\n    {ADVICE}hint:{ADVICE:#} {hint}"));
    let (place, hint) = (place.unwrap_or_default(), hint.unwrap_or_default());
    format!("  {place}{}: {}{hint}\n", item.what, item.said)
}
