//! One path's file with its encoded siblings, opened, and with every field it will be sent with.
//!
//! Made on the first request and shared by the later ones, so what costs time or memory is done
//! here once: types, dates, tags, lists of fields.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::beneath::{Folder, OpenError, Root};
use super::coding::{Accepted, Coding};
use super::media_type::{self, MediaType};
use super::options::{MountKind, MountOptions};
use super::stamp::{Stamp, Validators};
use super::{disposition, path};
use crate::message::Fields;

/// For uploads that a browser would run, should it open one in spite of `attachment`.
const SANDBOX: &[u8] = b"default-src 'none'; img-src data:; style-src 'unsafe-inline'; sandbox";

/// All that a path can be answered with.
#[derive(Debug)]
pub(super) struct Resource {
    pub(super) plain: Representation,
    /// In order of preference, each smaller than the plain file and not older.
    pub(super) encoded: Vec<Representation>,
}

/// One way to send a resource.
#[derive(Debug)]
pub(super) struct Representation {
    pub(super) coding: Coding,
    pub(super) stamp: Stamp,
    pub(super) validators: Validators,
    pub(super) media_type: &'static MediaType,
    pub(super) content: Content,
    /// Of a 200, without Content-Length.
    pub(super) whole: Fields,
    /// Of a 304 (RFC 9110, 15.4.5).
    pub(super) unchanged: Fields,
}

/// Where the bytes are.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Memory(Bytes),
    Open(Arc<File>),
}

impl Resource {
    /// Opens what is at `path` now.
    pub(super) fn open(
        root: &Root,
        folder: &Folder,
        path: &[u8],
        options: &MountOptions,
    ) -> Result<Self, OpenError> {
        let plain = root.file(folder, path)?;
        let media_type = media_type::of(path::extension(path));
        let mut found = vec![(Coding::Identity, plain.0, plain.1)];
        if options.kind == MountKind::Static && !media_type.packed {
            siblings(root, folder, path, &mut found)?;
        }
        let maker = Maker {
            path,
            options,
            media_type,
            varies: found.len() > 1,
            now: SystemTime::now(),
        };
        let mut made = found
            .into_iter()
            .map(|(coding, file, stamp)| maker.representation(coding, file, stamp));
        let plain = made.next().ok_or(OpenError::Missing)?;
        Ok(Self {
            plain,
            encoded: made.collect(),
        })
    }

    /// What a client with this Accept-Encoding gets: the heaviest weight, and the fewest bytes
    /// among equals.
    pub(super) fn choose(&self, accept_encoding: Option<&[u8]>) -> &Representation {
        let Some(value) = accept_encoding.filter(|_| !self.encoded.is_empty()) else {
            return &self.plain;
        };
        let accepted = Accepted::read(value);
        let rank = |one: &Representation| (accepted.weight(one.coding), u64::MAX - one.stamp.size);
        let best = self.encoded.iter().rev().max_by_key(|one| rank(one));
        best.filter(|best| rank(best) > rank(&self.plain) && accepted.weight(best.coding) > 0)
            .unwrap_or(&self.plain)
    }

    /// Whether the disk still holds exactly this.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let stamps = |resource: &Self| -> Vec<_> {
            resource.all().map(|one| (one.coding, one.stamp)).collect()
        };
        stamps(self) == stamps(other)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Representation> {
        std::iter::once(&self.plain).chain(&self.encoded)
    }

    /// The same with every content in memory, if each is at most `max_bytes` long, has been left
    /// alone for a while, and stays so while it is read.
    pub(super) fn in_memory(&self, max_bytes: u64) -> Option<Self> {
        let now = SystemTime::now();
        if !self
            .all()
            .all(|one| one.stamp.size <= max_bytes && one.stamp.is_settled(now))
        {
            return None;
        }
        let encoded: Option<_> = self.encoded.iter().map(Representation::in_memory).collect();
        Some(Self {
            plain: self.plain.in_memory()?,
            encoded: encoded?,
        })
    }
}

impl Representation {
    fn in_memory(&self) -> Option<Self> {
        let content = match &self.content {
            Content::Memory(bytes) => bytes.clone(),
            Content::Open(file) => read(file, &self.stamp)?,
        };
        Some(Self {
            coding: self.coding,
            stamp: self.stamp,
            validators: self.validators.clone(),
            media_type: self.media_type,
            content: Content::Memory(content),
            whole: self.whole.clone(),
            unchanged: self.unchanged.clone(),
        })
    }
}

/// The whole content, unless the file changes meanwhile or the disk fails: then it is sent from
/// the descriptor, and the fault shows there.
fn read(file: &File, stamp: &Stamp) -> Option<Bytes> {
    let mut content = vec![0; usize::try_from(stamp.size).ok()?];
    file.read_exact_at(&mut content, 0).ok()?;
    let after = Stamp::of(&file.metadata().ok()?);
    (after == *stamp).then(|| content.into())
}

/// Adds the encoded siblings that are worth sending.
fn siblings(
    root: &Root,
    folder: &Folder,
    path: &[u8],
    found: &mut Vec<(Coding, File, Stamp)>,
) -> Result<(), OpenError> {
    let plain = found[0].2;
    for coding in Coding::ENCODED {
        match root.file(folder, &[path, coding.suffix()].concat()) {
            Ok((file, stamp)) if stamp.modified >= plain.modified && stamp.size < plain.size => {
                found.push((coding, file, stamp));
            }
            Err(OpenError::Exhausted) => return Err(OpenError::Exhausted),
            _ => {}
        }
    }
    Ok(())
}

/// What all representations of a resource have in common.
struct Maker<'a> {
    path: &'a [u8],
    options: &'a MountOptions,
    media_type: &'static MediaType,
    varies: bool,
    now: SystemTime,
}

impl Maker<'_> {
    fn representation(&self, coding: Coding, file: File, stamp: Stamp) -> Representation {
        let validators = Validators::new(&stamp, coding, self.now);
        let unchanged = self.unchanged(&validators);
        Representation {
            coding,
            stamp,
            media_type: self.media_type,
            content: Content::Open(Arc::new(file)),
            whole: self.whole(coding, unchanged.clone()),
            unchanged,
            validators,
        }
    }

    fn unchanged(&self, validators: &Validators) -> Fields {
        let mut fields = Fields::with_capacity(10, 512);
        fields.push(b"ETag", &validators.etag);
        if let Some(modified) = &validators.modified {
            fields.push(b"Last-Modified", &modified.text);
        }
        fields.push(
            b"Cache-Control",
            self.options.cache_control(self.path).as_bytes(),
        );
        if self.varies {
            fields.push(b"Vary", b"Accept-Encoding");
        }
        fields
    }

    fn whole(&self, coding: Coding, mut fields: Fields) -> Fields {
        fields.push(b"Content-Type", self.media_type.name.as_bytes());
        if coding != Coding::Identity {
            fields.push(b"Content-Encoding", coding.token().as_bytes());
        }
        fields.push(b"Accept-Ranges", b"bytes");
        fields.push(b"X-Content-Type-Options", b"nosniff");
        if self.options.kind == MountKind::Media && !self.media_type.inert {
            fields.push(b"Content-Disposition", &disposition::attachment(self.path));
            fields.push(b"Content-Security-Policy", SANDBOX);
        }
        fields
    }
}
