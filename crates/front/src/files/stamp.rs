//! What tells one state of a file from another, and the validators that clients see of it.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::coding::Coding;

/// The last second that an HTTP date can say: the end of the year 9999.
const LAST_SECOND: u64 = 253_402_300_799;

/// A file's state. Two equal stamps: the same file, not written to in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    device: u64,
    inode: u64,
    pub(super) size: u64,
    /// Seconds and nanoseconds since 1970.
    pub(super) modified: (i64, i64),
    /// Also moves when a file is put back with an older modification time.
    changed: (i64, i64),
}

impl Stamp {
    pub(super) fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Whether the last write is so long ago that the next one is sure to move the clock: a file
    /// written twice within a tick of the file system's clock has one stamp for two contents.
    pub(super) fn is_settled(&self, now: SystemTime) -> bool {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        i64::try_from(now.as_secs()).is_ok_and(|now| self.modified.0 < now - 1)
    }
}

/// ETag and Last-Modified of one representation.
#[derive(Clone, Debug)]
pub(super) struct Validators {
    /// With its quotes. Strong.
    pub(super) etag: Box<[u8]>,
    pub(super) modified: Option<Modified>,
}

/// A modification time that HTTP can say.
#[derive(Clone, Debug)]
pub(super) struct Modified {
    /// Since 1970.
    pub(super) second: u64,
    pub(super) text: Box<[u8]>,
}

impl Validators {
    /// The ETag is made of size and modification time, not of the inode: a file that is copied
    /// with its times into the next release's folder keeps it. Codings of one file differ in it.
    pub(super) fn new(stamp: &Stamp, coding: Coding, now: SystemTime) -> Self {
        let (second, nanosecond) = stamp.modified;
        let dash = if coding == Coding::Identity { "" } else { "-" };
        let etag = format!(
            "\"{second:x}.{nanosecond:x}-{:x}{dash}{}\"",
            stamp.size,
            coding.token()
        );
        Self {
            etag: etag.into_bytes().into_boxed_slice(),
            modified: Modified::new(second, now),
        }
    }
}

impl Modified {
    /// `None` for times before 1970 and in the future: a server must not send those as
    /// Last-Modified (RFC 9110, 8.8.2.1), and the ETag does the work alone.
    fn new(second: i64, now: SystemTime) -> Option<Self> {
        let second = u64::try_from(second)
            .ok()
            .filter(|second| *second <= LAST_SECOND)?;
        let time = UNIX_EPOCH + Duration::from_secs(second);
        (time <= now).then(|| Self {
            second,
            text: httpdate::fmt_http_date(time)
                .into_bytes()
                .into_boxed_slice(),
        })
    }
}
