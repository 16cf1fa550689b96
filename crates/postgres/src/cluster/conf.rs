//! `hotclub.conf`: what differs from PostgreSQL's defaults, each line with its reason. Written at every
//! start, so that it follows the number of workers and a project that was moved.

use std::fmt::Write as _;
use std::os::unix::fs::chown;
use std::path::Path;

use super::Inner;
use super::machine::Machine;
use crate::error::Error;

const NAME: &str = "hotclub.conf";
const MAIN: &str = "postgresql.conf";
const INCLUDE: &str = "include_if_exists = 'hotclub.conf'";

/// Writes the file and sees to it that postgresql.conf reads it last.
pub(super) fn write(inner: &Inner, data: &Path) -> Result<(), Error> {
    replace(inner, &data.join(NAME), &text(inner))?;
    let main = data.join(MAIN);
    let written = std::fs::read_to_string(&main).map_err(Error::io("read", &main))?;
    if written.lines().any(|line| line.trim() == INCLUDE) {
        return Ok(());
    }
    replace(
        inner,
        &main,
        &format!("{written}\n# Hotclub's settings; your own go below this line.\n{INCLUDE}\n"),
    )
}

/// What stands below the include line is a person's, and goes below that of another data directory.
pub(super) fn take_own_lines(inner: &Inner, (from, to): (&Path, &Path)) -> Result<(), Error> {
    write(inner, to)?;
    let read = |path: &Path| std::fs::read_to_string(path).map_err(Error::io("read", path));
    let theirs = read(&from.join(MAIN))?;
    let own = theirs.split_once(INCLUDE).map_or("", |(_, own)| own.trim());
    if own.is_empty() {
        return Ok(());
    }
    let main = to.join(MAIN);
    let text = format!("{}{own}\n", read(&main)?);
    replace(inner, &main, &text)
}

fn megabytes(count: u64) -> String {
    quoted(&format!("{count}MB"))
}

fn replace(inner: &Inner, path: &Path, text: &str) -> Result<(), Error> {
    let aside = path.with_extension("new");
    std::fs::write(&aside, text).map_err(Error::io("write", &aside))?;
    if let Some(user) = &inner.options.user {
        chown(&aside, Some(user.uid), Some(user.gid)).map_err(Error::io("give away", &aside))?;
    }
    std::fs::rename(&aside, path).map_err(Error::io("write", path))
}

fn text(inner: &Inner) -> String {
    let sockets = inner.socket_dir.to_string_lossy();
    // Another user's app needs the socket; its password and the folder still stand before it.
    let socket_mode = if inner.options.user.is_some() {
        "0777"
    } else {
        "0700"
    };
    let connections = inner.options.max_connections();
    let machine = Machine::here();
    let settings = [
        (
            "A Unix socket only: nothing on the network can reach this database.",
            "listen_addresses",
            quoted(""),
        ),
        (
            "",
            "unix_socket_directories",
            quoted(&socket_list(&sockets)),
        ),
        ("", "unix_socket_permissions", socket_mode.to_owned()),
        (
            "Only a part of the socket's name.",
            "port",
            super::PORT.to_string(),
        ),
        (
            "Twice workers x threads (a reload has both generations), and a reserve.",
            "max_connections",
            connections.to_string(),
        ),
        (
            "A sixteenth of the memory that there is, at least PostgreSQL's own default, at most 1 GB.",
            "shared_buffers",
            megabytes(machine.shared_buffers()),
        ),
        (
            "Half of it: what the kernel caches counts, too.",
            "effective_cache_size",
            megabytes(machine.effective_cache_size()),
        ),
        (
            "For indexes and vacuum.",
            "maintenance_work_mem",
            megabytes(machine.maintenance_work_mem()),
        ),
        (
            "For a sort; together all connections get an eighth of the memory.",
            "work_mem",
            megabytes(machine.work_mem(connections)),
        ),
        (
            "Compiling a page's small queries costs more than running them.",
            "jit",
            "off".to_owned(),
        ),
        (
            "Disks of today seek for almost nothing, so indexes are worth more.",
            "random_page_cost",
            "1.1".to_owned(),
        ),
        (
            "Keeps the folder of a small site small; a bulk load only makes more checkpoints.",
            "max_wal_size",
            quoted("512MB"),
        ),
        (
            "Passwords are stored so that they cannot be read back.",
            "password_encryption",
            quoted("scram-sha-256"),
        ),
        (
            "To a file that Hotclub opens, keeps short and quotes from.",
            "logging_collector",
            "off".to_owned(),
        ),
        ("", "log_destination", quoted("stderr")),
        ("", "log_timezone", quoted("UTC")),
        ("", "log_line_prefix", quoted("%m [%p] %q%u@%d ")),
        (
            "Messages stay in the language that Hotclub can read.",
            "lc_messages",
            quoted("C"),
        ),
        (
            "What a process list shows.",
            "cluster_name",
            quoted(&format!("hotclub {}", inner.options.name)),
        ),
    ];
    let mut text = String::from(
        "# Written by Hotclub at every start: changes here are lost.\n# Your own settings belong into postgresql.conf, below its include line.\n\n",
    );
    for (reason, name, value) in settings {
        if !reason.is_empty() {
            let _ = writeln!(text, "# {reason}");
        }
        let _ = writeln!(text, "{name} = {value}");
    }
    text
}

/// A value of the configuration file: quotes are doubled, and so are backslashes.
fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

/// The setting is a list, in which a folder's comma or blank needs double quotes.
fn socket_list(folder: &str) -> String {
    format!("\"{}\"", folder.replace('"', "\"\""))
}
