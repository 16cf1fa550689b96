//! An archive from the control socket becomes a release's code.

use std::io::{self, Read};
use std::path::Path;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::sync::mpsc;

use crate::console::Failure;

/// Pieces that may wait for the disk.
const WAITING: usize = 16;
const PIECE: usize = 256 << 10;

/// Unpacks `bytes` bytes of tar into `folder`. An archive that ends early is none.
pub(super) async fn unpack(
    mut archive: impl AsyncRead + Unpin,
    bytes: u64,
    folder: &Path,
) -> Result<(), Failure> {
    let (send, receive) = mpsc::channel(WAITING);
    let into = folder.to_owned();
    let unpacking = tokio::task::spawn_blocking(move || write(Pieces::new(receive), &into));
    let mut left = bytes;
    while left > 0 {
        let mut piece = vec![0; PIECE];
        let read = archive.read(&mut piece).await?;
        if read == 0 {
            break;
        }
        left = left.saturating_sub(read as u64);
        piece.truncate(read);
        if send.send(piece).await.is_err() {
            // It has ended, and says why.
            break;
        }
    }
    drop(send);
    unpacking.await??;
    match left {
        0 => Ok(()),
        _ => Err(Failure::new("the archive ended before its end").hint("deploy again")),
    }
}

/// Every file is put below the folder: tar's `..` and links that lead out are left out by who unpacks.
fn write(mut pieces: Pieces, folder: &Path) -> io::Result<()> {
    let mut archive = tar::Archive::new(&mut pieces);
    archive.set_preserve_mtime(true);
    archive.set_preserve_permissions(true);
    archive.set_preserve_ownerships(false);
    archive.unpack(folder)?;
    // What comes behind the end of a tar is padding.
    io::copy(&mut pieces, &mut io::sink()).map(drop)
}

/// What came so far, for who reads without waiting.
struct Pieces {
    coming: mpsc::Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

impl Pieces {
    fn new(coming: mpsc::Receiver<Vec<u8>>) -> Self {
        Self {
            coming,
            piece: Vec::new(),
            at: 0,
        }
    }
}

impl Read for Pieces {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            let Some(next) = self.coming.blocking_recv() else {
                return Ok(0);
            };
            (self.piece, self.at) = (next, 0);
        }
        let read = Read::read(&mut &self.piece[self.at..], into)?;
        self.at += read;
        Ok(read)
    }
}
