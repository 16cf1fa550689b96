//! Whether there is room on the disks, asked before anything is written.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::error::Error;

/// Left for everybody else: a disk that is full to the last byte takes the site down.
const RESERVE: u64 = 64 << 20;

/// Refuses when the folders' disks lack room for what will go there; folders on one disk are added up.
pub(crate) fn require(wanted: &[(&Path, u64)]) -> Result<(), Error> {
    let mut disks: BTreeMap<u64, (PathBuf, u64)> = BTreeMap::new();
    for (path, bytes) in wanted {
        let metadata = std::fs::metadata(path).map_err(Error::io("look at", *path))?;
        let disk = disks
            .entry(metadata.dev())
            .or_insert_with(|| (path.to_path_buf(), RESERVE));
        disk.1 = disk.1.saturating_add(*bytes);
    }
    for (path, needed) in disks.into_values() {
        let free = free(&path)?;
        if free < needed {
            return Err(Error::NoRoom { path, needed, free });
        }
    }
    Ok(())
}

fn free(path: &Path) -> Result<u64, Error> {
    let disk = rustix::fs::statvfs(path)
        .map_err(|error| Error::io("ask for the free space of", path)(error.into()))?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// `1.5 GB`.
pub fn shown(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "kB", "MB", "GB", "TB"];
    let (mut number, mut unit) = (bytes as f64, 0);
    while number >= 999.5 && unit + 1 < UNITS.len() {
        number /= 1000.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ if number < 9.95 => format!("{number:.1} {}", UNITS[unit]),
        _ => format!("{number:.0} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_room_says_how_much_is_missing() {
        let here = std::env::temp_dir();
        assert!(require(&[(&here, 1)]).is_ok());
        let error = require(&[(&here, u64::MAX / 2), (&here, 1)]).unwrap_err();
        assert!(error.to_string().contains("is too full"), "{error}");
        assert!(error.hint().is_some());
        assert_eq!(shown(999), "999 B");
        assert_eq!(shown(1_500), "1.5 kB");
        assert_eq!(shown(64_000_000), "64 MB");
    }
}
