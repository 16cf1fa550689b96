//! `hotclub db`: a project's data out and in, while `up` runs or not.

use std::path::Path;

use hotclub_django::inspection::Pending;
use hotclub_postgres::backup::{self, Kept, Proof, Reason, Report, Store, shown};
use hotclub_postgres::restore::Settled;
use hotclub_postgres::{Error, restore};

use crate::cli::{BackupArgs, DbCommand, ImportDumpArgs, OldArgs, RestoreArgs};
use crate::console::{Console, Failure};
use crate::project::{Project, State};
use crate::signals::Signals;
use crate::up::database::Database;
use crate::up::release::Outcome;

pub(crate) mod daily;
mod holdings;
mod listing;
mod notice;
pub(crate) mod shell;
mod upgrade;

use holdings::Data;

pub(crate) async fn run(command: &DbCommand, console: &Console) -> Result<(), Failure> {
    match command {
        DbCommand::Backup(args) => back_up(args, console).await,
        DbCommand::Backups(args) => listing::run(args, console),
        DbCommand::Restore(args) => go_back(args, console).await,
        DbCommand::Import(args) => take_in(args, console).await,
        DbCommand::Upgrade(args) => upgrade::run(args, console).await,
        DbCommand::Undo(args) => undo(args, console).await,
        DbCommand::DropOld(args) => drop_old(args, console).await,
        DbCommand::Shell(args) => shell::run(args, console).await,
    }
}

/// Makes a backup, and fails when it is not proven.
async fn back_up(args: &BackupArgs, console: &Console) -> Result<(), Failure> {
    let reason = match args.daily {
        true => Reason::Daily,
        false => Reason::Manual,
    };
    let made = with_data(&args.dir, console, "backup", async |data, report| {
        make(data, reason, report).await
    });
    let kept = match made.await {
        Ok(kept) => kept,
        Err(failure) => {
            notice::send(&args.dir, &failure).await;
            return Err(failure);
        }
    };
    if args.json {
        listing::print_json(&kept.manifest)?;
    }
    if let Some(failure) = unproven(&kept) {
        notice::send(&args.dir, &failure).await;
        return Err(failure);
    }
    console.done(&described(&kept));
    Ok(())
}

async fn make(data: &Data, reason: Reason, report: Report<'_>) -> Result<Kept, Error> {
    let kept = backup::make(&data.store, &data.holdings, reason, report).await?;
    data.store.prune(data.rules.keep as usize)?;
    Ok(kept)
}

fn described(kept: &Kept) -> String {
    let manifest = &kept.manifest;
    let seconds = match manifest.proof {
        Proof::Proven { seconds } => seconds,
        Proof::Failed { .. } => 0.0,
    };
    format!(
        "{}: {}, {} rows in {} tables, {}proven in {seconds:.1} s",
        manifest.name,
        shown(manifest.size()),
        manifest.rows(),
        manifest.database.tables.len(),
        media_of(kept),
    )
}

fn unproven(kept: &Kept) -> Option<Failure> {
    let manifest = &kept.manifest;
    let Proof::Failed { why } = &manifest.proof else {
        return None;
    };
    let message = format!("the backup {} could not be proven: {why}", manifest.name);
    let hint = "it is kept, but do not rely on it: remove the cause and make another one";
    Some(Failure::new(message).hint(hint))
}

/// Whether a backup is to be made each day.
pub(crate) fn is_daily(project: &Project, database: &Database) -> bool {
    is_ours(project, database) && project.site.database.backup.daily
}

/// Whether the data are Hotclub's to keep.
fn is_ours(project: &Project, database: &Database) -> bool {
    let default = project.inspection.default_database();
    let is_sqlite = default.is_some_and(|default| default.is_sqlite());
    match database {
        Database::Managed(_) | Database::Boxed(_) => true,
        Database::None => is_sqlite && project.contained.is_none(),
        Database::Foreign(_) => false,
    }
}

/// Before migrations that are pending: a backup, unless there is nothing to lose yet.
pub(crate) async fn before_migrations(
    project: &Project,
    state: &State,
    database: &Database,
    console: &Console,
) -> Result<Outcome, Failure> {
    let rules = &project.site.database.backup;
    let is_wanted = rules.before_migrations && is_ours(project, database);
    // Going back asks what a release migrated.
    if !is_wanted && state.release.is_none() {
        return Ok(Outcome::default());
    }
    let pending = pending(project).await?;
    let mut outcome = Outcome {
        migrations: pending.clone().unwrap_or_default(),
        backup: None,
    };
    // What cannot be told counts as pending.
    if !is_wanted || pending.is_some_and(|names| names.is_empty()) {
        return Ok(outcome);
    }
    match saved(project, state, database, console).await {
        Ok(backup) => {
            outcome.backup = backup;
            Ok(outcome)
        }
        Err(failure) => {
            notice::run(rules, &project.site.name, &failure).await;
            Err(failure.hint(
                "no migration has run; make the cause go away, or write before_migrations = false \
                 under [database.backup]",
            ))
        }
    }
}

async fn saved(
    project: &Project,
    state: &State,
    database: &Database,
    console: &Console,
) -> Result<Option<String>, Failure> {
    let said = |error: Error| failure(&error);
    let Some(data) = Data::under(project, state, database).map_err(said)? else {
        return Ok(None);
    };
    if backup::is_empty(&data.holdings).await.map_err(said)? {
        return Ok(None);
    }
    console.begin("backup");
    let report = |message: &str| console.progress(message);
    backup::sweep(&data.store, &data.holdings)
        .await
        .map_err(said)?;
    let kept = make(&data, Reason::Migration, &report)
        .await
        .map_err(said)?;
    if let Some(failure) = unproven(&kept) {
        return Err(failure);
    }
    console.done(&described(&kept));
    Ok(Some(kept.manifest.name))
}

/// The names of the migrations that are pending, if that can be told.
async fn pending(project: &Project) -> Result<Option<Vec<String>>, Failure> {
    let asked = hotclub_django::inspect::inspect(project.app()?, true).await;
    let pending = asked.ok().and_then(|inspection| inspection.pending);
    Ok(match pending {
        Some(Pending::Migrations(names)) => Some(names),
        Some(Pending::Unknown { .. }) | None => None,
    })
}

fn media_of(kept: &Kept) -> String {
    let media = kept.manifest.media.as_ref();
    media.map_or(String::new(), |media| {
        format!("{} media files, ", media.files)
    })
}

async fn go_back(args: &RestoreArgs, console: &Console) -> Result<(), Failure> {
    let chosen = args.backup.as_deref();
    let old = with_data(&args.dir, console, "restore", async |data, report| {
        let kept = choose(&data.store, chosen)?;
        let old = restore::restore(&data.store, &data.holdings, &kept, report).await?;
        data.forget_release();
        let stay = data.holdings.media_stays && kept.manifest.media.is_some();
        Ok((old, stay.then_some(kept.folder)))
    })
    .await?;
    let (old, uploads) = old;
    swapped(&old, &args.dir, console);
    if let Some(folder) = uploads {
        let folder = folder.join("media");
        console.note(&format!(
            "uploads are as they were, for containers have their folder: the backup's are in {}",
            folder.display()
        ));
    }
    Ok(())
}

async fn take_in(args: &ImportDumpArgs, console: &Console) -> Result<(), Failure> {
    // The work may take place in another folder.
    let dump = std::path::absolute(&args.dump)?;
    if !dump.is_file() {
        return Err(Failure::new(format!("there is no file {}", dump.display()))
            .hint("hotclub db import FILE [DIR]: the dump first, then the project's folder"));
    }
    let old = with_data(&args.dir, console, "import", async |data, report| {
        let old = restore::take_in(&data.store, &data.holdings, &dump, report).await?;
        data.forget_release();
        Ok(old)
    })
    .await?;
    swapped(&old, &args.dir, console);
    Ok(())
}

/// The backup that is meant: by its name, by its folder, or the newest that was proven.
fn choose(store: &Store, wanted: Option<&Path>) -> Result<Kept, Error> {
    let all = backup::list(store.dir());
    let Some(wanted) = wanted else {
        let newest = all.into_iter().find(|kept| kept.manifest.proof.is_good());
        return newest.ok_or_else(|| Error::Damaged {
            path: store.dir().to_path_buf(),
            why: "it holds no proven backup".to_owned(),
        });
    };
    if let Some(kept) = all
        .into_iter()
        .find(|kept| Path::new(&kept.manifest.name) == wanted)
    {
        return Ok(kept);
    }
    let inside = store.dir().join(wanted);
    let folder = if inside.is_dir() {
        inside
    } else {
        wanted.to_path_buf()
    };
    let manifest = backup::Manifest::read(&folder)?;
    Ok(Kept { folder, manifest })
}

async fn undo(args: &OldArgs, console: &Console) -> Result<(), Failure> {
    let when = args.when.as_deref();
    if is_an_upgrade(args)? {
        return upgrade::undo(args, console).await;
    }
    let old = with_data(&args.dir, console, "undo", async |data, report| {
        let old = restore::undo(&data.store, &data.holdings, when, report).await?;
        data.forget_release();
        Ok(old)
    })
    .await?;
    swapped(&old, &args.dir, console);
    Ok(())
}

/// Whether what is to be live again was put aside by an upgrade: the one that is named, or the newest of all.
fn is_an_upgrade(args: &OldArgs) -> Result<bool, Failure> {
    let (_, state) = holdings::find(&args.dir, &Console::quiet())?;
    let upgrades = upgrade::aside(&state);
    let restores = restore::list(&holdings::folder(&state));
    Ok(match (&args.when, upgrades.first(), restores.first()) {
        (Some(when), ..) => upgrades.iter().any(|before| before.stamp == *when),
        (None, Some(before), Some(old)) => before.stamp > old.stamp,
        (None, before, _) => before.is_some(),
    })
}

fn swapped(old: &restore::Old, dir: &Path, console: &Console) {
    console.done(&format!("{} is live", old.from));
    let dir = dir.display();
    console.note(&format!(
        "what was live before is kept: `hotclub db undo {dir}` goes back, `hotclub db drop-old {dir}` drops it"
    ));
    console.note("migrations that are newer than the data run at the next start");
}

async fn drop_old(args: &OldArgs, console: &Console) -> Result<(), Failure> {
    let when = args.when.as_deref();
    let (_, state) = holdings::find(&args.dir, &Console::quiet())?;
    let upgrades = upgrade::drop_aside(&state, when)?;
    let restores = match upgrades > 0 && when.is_some() {
        // It was the one that is named.
        true => Vec::new(),
        false => {
            with_data(&args.dir, console, "drop-old", async |data, _| {
                restore::drop_old(&data.store, &data.holdings, when).await
            })
            .await?
        }
    };
    console.begin("drop-old");
    console.done(&format!("{} dropped", upgrades + restores.len()));
    Ok(())
}

/// At the start of an `up`, once the database answers and before the app does: ends what a kill interrupted.
pub(crate) async fn tidy(
    project: &Project,
    state: &State,
    database: &Database,
    console: &Console,
) -> Result<(), Failure> {
    if !restore::is_interrupted(&holdings::folder(state)) {
        return Ok(());
    }
    let data = match Data::under(project, state, database) {
        Ok(Some(data)) => data,
        // It is not interrupted: it runs, in another process.
        Ok(None) | Err(Error::BackupRuns { .. }) => return Ok(()),
        Err(error) => return Err(failure(&error)),
    };
    let settled = restore::settle(&data.store, &data.holdings).await;
    if let Some(settled) = settled.map_err(|error| failure(&error))? {
        data.forget_release();
        console.note(&told(&settled));
    }
    Ok(())
}

/// Opens a project's data, settles what a kill left, does the work, and closes. Ctrl-C ends the work and clears
/// away what it had begun.
async fn with_data<T>(
    dir: &Path,
    console: &Console,
    step: &str,
    work: impl AsyncFnOnce(&Data, Report<'_>) -> Result<T, Error>,
) -> Result<T, Failure> {
    console.begin(step);
    let mut signals = Signals::listen()?;
    let data = Data::open(dir, console).await?;
    let outcome = tokio::select! {
        outcome = settled(&data, console, work) => outcome.map_err(|error| failure(&error)),
        _ = signals.stop() => Err(interrupted(&data).await),
    };
    data.close().await;
    outcome
}

async fn settled<T>(
    data: &Data,
    console: &Console,
    work: impl AsyncFnOnce(&Data, Report<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    if let Some(settled) = restore::settle(&data.store, &data.holdings).await? {
        data.forget_release();
        console.note(&told(&settled));
    }
    backup::sweep(&data.store, &data.holdings).await?;
    work(data, &|message| console.progress(message)).await
}

/// What became of a restore that a kill interrupted.
pub(crate) fn told(settled: &Settled) -> String {
    match settled {
        Settled::Finished(old) => {
            format!("an interrupted restore was finished: {} is live", old.from)
        }
        Settled::Undone => "an interrupted restore was undone: nothing had changed".to_owned(),
    }
}

async fn interrupted(data: &Data) -> Failure {
    let failure = Failure::new("interrupted");
    let settled = restore::settle(&data.store, &data.holdings).await;
    let swept = backup::sweep(&data.store, &data.holdings).await;
    match (settled, swept) {
        (Ok(Some(settled)), Ok(())) => failure.hint(told(&settled)),
        (Ok(None), Ok(())) => failure.hint("nothing was changed, and nothing is left over"),
        _ => failure.hint("the next `hotclub db` clears away what is left over"),
    }
}

fn failure(error: &Error) -> Failure {
    Failure::of_step(error, error.hint())
}
