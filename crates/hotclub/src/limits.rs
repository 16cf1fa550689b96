//! `[limits]` of `hotclub.toml`, and `--limit` of `serve`, on their way to front and app.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hotclub_app::{BufferBounds, Buffers};
use hotclub_config::Limits;

use crate::console::Failure;

/// The account of bodies for one program; `folder` should be on a disk.
pub(crate) fn buffers(limits: &Limits, folder: PathBuf) -> Arc<Buffers> {
    let bounds = BufferBounds {
        per_connection: limits.max_buffered_per_connection,
        memory: limits.max_buffered,
        spooled: limits.max_spooled,
    };
    Buffers::new(folder, bounds)
}

/// What `serve` allows: the defaults but for connections of one address, since behind a proxy, where
/// `serve` usually stands, all are of one. `pairs` are `KEY=VALUE` as in `[limits]`, without quotes.
pub(crate) fn of_serve(pairs: &[String]) -> Result<Limits, Failure> {
    let mut text = String::from("[limits]\n");
    let mut sets_address = false;
    for pair in pairs {
        let (key, value) = pair
            .split_once('=')
            .filter(|(key, _)| is_key(key))
            .ok_or_else(|| {
                Failure::new(format!("--limit {pair}: write KEY=VALUE"))
                    .hint("for example --limit idle_timeout=30s; docs/configuration.md has the keys of [limits]")
            })?;
        sets_address |= key == "max_connections_per_address";
        let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        let quote = if is_number { "" } else { "\"" };
        if value.contains(['"', '\\', '\n']) {
            return Err(Failure::new(format!("--limit {pair}: this is no value")));
        }
        text.push_str(&format!("{key} = {quote}{value}{quote}\n"));
    }
    let site = hotclub_config::parse(&text, Path::new("--limit")).map_err(|faults| {
        Failure::new("--limit is not as it should be").detail(faults.to_string())
    })?;
    let mut limits = site.limits;
    if !sets_address {
        limits.max_connections_per_address = 0;
    }
    Ok(limits)
}

fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[&str]) -> Result<Limits, Failure> {
        let pairs: Vec<_> = pairs.iter().map(|&pair| pair.to_owned()).collect();
        of_serve(&pairs)
    }

    #[test]
    fn a_limit_reads_as_in_the_file() {
        let limits = read(&["idle_timeout=5s", "max_connections=7", "max_body=1MiB"]).unwrap();
        assert_eq!(limits.idle_timeout.as_secs(), 5);
        assert_eq!((limits.max_connections, limits.max_body), (7, 1 << 20));
        assert_eq!(limits.max_connections_per_address, 0);
        let limits = read(&["max_connections_per_address=3"]).unwrap();
        assert_eq!(limits.max_connections_per_address, 3);
    }

    #[test]
    fn what_is_no_limit_is_refused() {
        for pair in [
            "idle_timeout",
            "=5",
            "idle_timout=5s",
            "idle_timeout=soon",
            "a\n[app]\nb=1",
            "max_body=\"",
        ] {
            assert!(read(&[pair]).is_err(), "{pair}");
        }
    }
}
