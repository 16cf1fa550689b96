//! `hotclub db backups`: what there is to go back to.

use std::io::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use hotclub_postgres::backup::{self, Manifest, Proof, shown};
use hotclub_postgres::restore::{self, Old};
use hotclub_postgres::upgrade::Before;
use serde::Serialize;

use super::holdings::{find, folder};
use crate::cli::BackupsArgs;
use crate::console::{Console, Failure};

/// With `--json`: backups without their lists of tables, and what restores have put aside.
#[derive(Serialize)]
struct Listing<'l> {
    backups: Vec<Row<'l>>,
    old: &'l [Old],
    /// What upgrades have put aside: stamp and major version.
    upgraded: Vec<Upgraded<'l>>,
    /// A restore was killed half-way; the next start, or the next `hotclub db`, settles it.
    interrupted: bool,
}

#[derive(Serialize)]
struct Upgraded<'l> {
    stamp: &'l str,
    postgres: u32,
    folder: &'l std::path::Path,
}

#[derive(Serialize)]
struct Row<'l> {
    name: &'l str,
    made_at: u64,
    age_seconds: u64,
    size: u64,
    reason: backup::Reason,
    engine: &'l backup::Engine,
    tables: usize,
    rows: u64,
    media_files: Option<u64>,
    proof: &'l Proof,
    folder: &'l std::path::Path,
}

pub(super) fn run(args: &BackupsArgs, console: &Console) -> Result<(), Failure> {
    let (_, state) = find(&args.dir, console)?;
    let dir = folder(&state);
    let (kept, old) = (backup::list(&dir), restore::list(&dir));
    let upgraded = super::upgrade::aside(&state);
    let interrupted = restore::is_interrupted(&dir);
    if args.json {
        let backups = kept.iter().map(|kept| row(&kept.manifest, &kept.folder));
        return print_json(&Listing {
            backups: backups.collect(),
            old: &old,
            upgraded: upgraded.iter().map(shown_before).collect(),
            interrupted,
        });
    }
    let manifests: Vec<&Manifest> = kept.iter().map(|kept| &kept.manifest).collect();
    writeln!(std::io::stdout(), "{}", table(&manifests, &old))?;
    for Before { stamp, major, .. } in &upgraded {
        writeln!(
            std::io::stdout(),
            "{stamp:<18}         put aside for an upgrade: PostgreSQL {major}"
        )?;
    }
    if interrupted {
        let hint = "the next start, or the next `hotclub db` command, finishes or undoes it";
        console.warning("a restore was interrupted", Some(hint));
    }
    Ok(())
}

pub(super) fn print_json(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value)?;
    Ok(writeln!(std::io::stdout(), "{text}")?)
}

fn shown_before(before: &Before) -> Upgraded<'_> {
    Upgraded {
        stamp: &before.stamp,
        postgres: before.major,
        folder: &before.folder,
    }
}

fn row<'l>(manifest: &'l Manifest, folder: &'l std::path::Path) -> Row<'l> {
    Row {
        name: &manifest.name,
        made_at: manifest.made_at,
        age_seconds: age(manifest.made_at),
        size: manifest.size(),
        reason: manifest.reason,
        engine: &manifest.engine,
        tables: manifest.database.tables.len(),
        rows: manifest.rows(),
        media_files: manifest.media.as_ref().map(|media| media.files),
        proof: &manifest.proof,
        folder,
    }
}

fn table(backups: &[&Manifest], old: &[Old]) -> String {
    let mut lines = vec![format!(
        "{:<18} {:>6} {:>8} {:>9}  {:<9}  {}",
        "backup", "age", "size", "rows", "reason", "proof"
    )];
    lines.extend(backups.iter().map(|manifest| {
        let proof = match &manifest.proof {
            Proof::Proven { .. } => "proven",
            Proof::Failed { .. } => "NOT PROVEN",
        };
        format!(
            "{:<18} {:>6} {:>8} {:>9}  {:<9}  {proof}",
            manifest.name,
            brief(age(manifest.made_at)),
            shown(manifest.size()),
            manifest.rows(),
            manifest.reason
        )
    }));
    if backups.is_empty() {
        lines = vec!["no backups yet".to_owned()];
    }
    lines.extend(old.iter().map(|old| {
        format!(
            "{:<18} {:>6}  put aside for {}",
            old.stamp,
            brief(age(old.made_at)),
            old.from
        )
    }));
    lines.join("\n")
}

fn age(made_at: u64) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| now.as_secs().saturating_sub(made_at))
}

/// `45s`, `12m`, `7h`, `3d`.
fn brief(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_brief() {
        for (seconds, expected) in [(0, "0s"), (90, "1m"), (86_400, "24h"), (200_000, "2d")] {
            assert_eq!(brief(seconds), expected);
        }
    }
}
