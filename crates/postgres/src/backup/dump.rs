//! Runs pg_dump and pg_restore. Their data goes through pipes of ours, so that neither outlives us: a killed
//! Hotclub ends pg_dump's output and pg_restore's input.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::Stdio;

use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

use super::manifest::Part;
use crate::access::Access;
use crate::command::{command, last_lines};
use crate::connection::Connection;
use crate::error::Error;

const CHUNK: usize = 256 * 1024;

/// How long a table may be locked by somebody else before a dump gives up.
const LOCK_WAIT: &str = "--lock-wait-timeout=60s";

/// Dumps the site's database as the snapshot shows it, and says how large it is and its digest.
pub(crate) async fn dump(access: &Access, snapshot: &str, to: &Path) -> Result<Part, Error> {
    let mut pg_dump = client_of(access, "pg_dump", &access.admin(access.database()));
    pg_dump.args(["--format=custom", "--no-password", LOCK_WAIT]);
    pg_dump.arg(format!("--snapshot={snapshot}"));
    pg_dump.stdout(Stdio::piped());
    let mut child = spawn(&mut pg_dump)?;
    let (Some(mut out), Some(err)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Error::io("read from", "pg_dump")(
            std::io::ErrorKind::BrokenPipe.into(),
        ));
    };
    let (part, said) = tokio::join!(keep(&mut out, to), words(err));
    drop(out);
    finish(child, "pg_dump", said).await?;
    part
}

/// A program that logs in as somebody; the password is in its environment, where only its own user looks.
pub(crate) fn client_of(access: &Access, program: &str, login: &Connection) -> Command {
    let mut client = command(&access.programs().path(program), None);
    for (name, value) in login.env() {
        client.env(name, value.expose());
    }
    client
}

fn spawn(client: &mut Command) -> Result<Child, Error> {
    let program = client.as_std().get_program().to_owned();
    // A group of its own: Ctrl-C must not stop it half-way, its caller decides.
    let spawned = client.stderr(Stdio::piped()).process_group(0).spawn();
    spawned.map_err(|source| Error::Spawn {
        program: program.into(),
        source,
    })
}

/// Writes all that comes into a new private file, to the disk itself.
async fn keep(from: &mut (impl AsyncRead + Unpin), to: &Path) -> Result<Part, Error> {
    let fail = || Error::io("write", to);
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(fail())?;
    let (mut digest, mut size) = (Sha256::new(), 0);
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = from
            .read(&mut chunk)
            .await
            .map_err(Error::io("read for", to))?;
        if read == 0 {
            break;
        }
        digest.update(&chunk[..read]);
        file.write_all(&chunk[..read]).map_err(fail())?;
        size += read as u64;
    }
    file.sync_all().map_err(fail())?;
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    Ok(Part {
        name: name.into_owned(),
        size,
        sha256: hex(digest),
    })
}

/// Restores an archive into a database that exists and is empty. `options` are pg_restore's.
pub(crate) async fn restore(
    access: &Access,
    archive: &Path,
    login: &Connection,
    options: &[&str],
) -> Result<(), Error> {
    let mut pg_restore = client_of(access, "pg_restore", login);
    pg_restore.args(["--exit-on-error", "--no-password", "--dbname"]);
    pg_restore.arg(&login.database).args(options);
    feed(pg_restore, "pg_restore", archive).await
}

/// Runs a program that reads a file from its standard input.
pub(crate) async fn feed(
    mut program: Command,
    name: &'static str,
    file: &Path,
) -> Result<(), Error> {
    // What is written is thrown away when the machine dies half-way; only the swap has to last.
    program.env("PGOPTIONS", "-c synchronous_commit=off");
    let mut from = File::open(file).map_err(Error::io("open", file))?;
    let mut child = spawn(program.stdin(Stdio::piped()).stdout(Stdio::null()))?;
    let (Some(mut input), Some(err)) = (child.stdin.take(), child.stderr.take()) else {
        return Err(Error::io("write to", name)(
            std::io::ErrorKind::BrokenPipe.into(),
        ));
    };
    let pour = async move {
        let mut chunk = vec![0; CHUNK];
        loop {
            let read = from.read(&mut chunk).map_err(Error::io("read", file))?;
            // A program that does not read to the end says why by its status.
            if read == 0 || input.write_all(&chunk[..read]).await.is_err() {
                return Ok(());
            }
        }
    };
    let (poured, said) = tokio::join!(pour, words(err));
    finish(child, name, said).await?;
    poured
}

async fn words(mut err: impl AsyncRead + Unpin) -> String {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = err.read(&mut chunk).await {
        // The first words tell of the first fault; the rest is what followed from it.
        if bytes.len() < 64 * 1024 {
            bytes.extend_from_slice(&chunk[..read]);
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

async fn finish(mut child: Child, program: &'static str, said: String) -> Result<(), Error> {
    let status = child.wait().await.map_err(Error::io("wait for", program))?;
    match status.success() {
        true => Ok(()),
        false => Err(Error::Failed {
            program,
            status,
            output: last_lines(&said, 12),
        }),
    }
}

/// Whether a file still is what was written down of it.
pub(crate) fn check(folder: &Path, part: &Part) -> Result<(), Error> {
    let path = folder.join(&part.name);
    let damaged = |why: String| Error::Damaged {
        path: path.clone(),
        why,
    };
    let size = std::fs::metadata(&path)
        .map_err(|error| damaged(error.to_string()))?
        .len();
    if size != part.size {
        return Err(damaged(format!(
            "it has {size} bytes instead of {}",
            part.size
        )));
    }
    let found = digest_of(&path).map_err(|error| damaged(error.to_string()))?;
    match found == part.sha256 {
        true => Ok(()),
        false => Err(damaged(
            "its bytes are not those that were written (SHA-256 differs)".into(),
        )),
    }
}

/// The SHA-256 of a file.
pub(crate) fn digest_of(path: &Path) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(hex(digest)),
            read => digest.update(&chunk[..read]),
        }
    }
}

pub(crate) fn hex(digest: Sha256) -> String {
    let bytes = digest.finalize();
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
