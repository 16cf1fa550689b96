//! The three encoders, behind one way to use them. They write into memory, which does not fail.

use std::io::Write as _;

use brotli::CompressorWriter;
use bytes::Bytes;
use flate2::write::GzEncoder;

use crate::files::Coding;

/// About half of what 9 costs, for 2 % more bytes.
const GZIP_LEVEL: u32 = 5;
/// Where brotli is still about as fast as gzip, and better.
const BROTLI_QUALITY: u32 = 4;
/// Of a stream; pages are smaller, and each stream has its own.
const BROTLI_WINDOW: u32 = 18;
const BROTLI_BUFFER: usize = 4096;
/// The library's own default: the ratio of gzip 6 at several times the speed.
const ZSTD_LEVEL: i32 = 3;
/// 2^18 bytes: RFC 9659 lets a decoder refuse more than 8 MiB, and every stream here pays for its own.
const ZSTD_WINDOW: u32 = 18;

/// One body's.
pub(super) enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    /// It could not be made, for want of memory: what was to be encoded is lost.
    Broken,
}

impl Encoder {
    pub(super) fn new(coding: Coding) -> Self {
        match coding {
            Coding::Brotli => Self::Brotli(Box::new(CompressorWriter::new(
                Vec::new(),
                BROTLI_BUFFER,
                BROTLI_QUALITY,
                BROTLI_WINDOW,
            ))),
            Coding::Zstd => zstd_encoder().map_or(Self::Broken, Self::Zstd),
            Coding::Gzip | Coding::Identity => {
                let level = flate2::Compression::new(GZIP_LEVEL);
                Self::Gzip(GzEncoder::new(Vec::new(), level))
            }
        }
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        let outcome = match self {
            Self::Gzip(encoder) => encoder.write_all(bytes),
            Self::Brotli(encoder) => encoder.write_all(bytes),
            Self::Zstd(encoder) => encoder.write_all(bytes),
            Self::Broken => Ok(()),
        };
        self.mind(&outcome);
    }

    /// Everything written so far can be decoded from what can be taken.
    pub(super) fn flush(&mut self) {
        let outcome = match self {
            Self::Gzip(encoder) => encoder.flush(),
            Self::Brotli(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
            Self::Broken => Ok(()),
        };
        self.mind(&outcome);
    }

    fn mind(&mut self, outcome: &std::io::Result<()>) {
        if outcome.is_err() {
            *self = Self::Broken;
        }
    }

    pub(super) fn is_broken(&self) -> bool {
        matches!(self, Self::Broken)
    }

    /// What has come out so far.
    pub(super) fn take(&mut self) -> Bytes {
        let out = match self {
            Self::Gzip(encoder) => std::mem::take(encoder.get_mut()),
            Self::Brotli(encoder) => std::mem::take(encoder.get_mut()),
            Self::Zstd(encoder) => std::mem::take(encoder.get_mut()),
            Self::Broken => Vec::new(),
        };
        Bytes::from(out)
    }

    /// How much could be taken.
    pub(super) fn held(&self) -> usize {
        match self {
            Self::Gzip(encoder) => encoder.get_ref().len(),
            Self::Brotli(encoder) => encoder.get_ref().len(),
            Self::Zstd(encoder) => encoder.get_ref().len(),
            Self::Broken => 0,
        }
    }

    /// The rest, with the end. Empty: it is broken.
    pub(super) fn finish(self) -> Bytes {
        let out = match self {
            Self::Gzip(encoder) => encoder.finish().unwrap_or_default(),
            Self::Brotli(encoder) => encoder.into_inner(),
            Self::Zstd(encoder) => encoder.finish().unwrap_or_default(),
            Self::Broken => Vec::new(),
        };
        Bytes::from(out)
    }
}

fn zstd_encoder() -> Option<zstd::stream::write::Encoder<'static, Vec<u8>>> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL).ok()?;
    encoder.window_log(ZSTD_WINDOW).ok()?;
    Some(encoder)
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Gzip(_) => "Gzip",
            Self::Brotli(_) => "Brotli",
            Self::Zstd(_) => "Zstd",
            Self::Broken => "Broken",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    /// As far as it goes.
    fn decode(coding: Coding, bytes: &[u8]) -> Vec<u8> {
        let mut out = vec![0; 1 << 20];
        let mut len = 0;
        let mut reader: Box<dyn std::io::Read + '_> = match coding {
            Coding::Brotli => Box::new(brotli::Decompressor::new(bytes, 4096)),
            Coding::Zstd => Box::new(zstd::stream::read::Decoder::new(bytes).unwrap()),
            Coding::Gzip | Coding::Identity => Box::new(flate2::read::GzDecoder::new(bytes)),
        };
        while let Ok(count @ 1..) = reader.read(&mut out[len..]) {
            len += count;
        }
        out.truncate(len);
        out
    }

    #[test]
    fn what_was_written_can_be_read_after_every_flush() {
        let text = "<p>It don't mean a thing</p>\n".repeat(200);
        for coding in Coding::ENCODED {
            let mut encoder = Encoder::new(coding);
            let mut out = Vec::new();
            for pieces in 1..4 {
                encoder.write(text.as_bytes());
                encoder.flush();
                out.extend_from_slice(&encoder.take());
                assert!(
                    decode(coding, &out) == text.repeat(pieces).as_bytes(),
                    "{coding:?}"
                );
            }
            out.extend_from_slice(&encoder.finish());
            assert!(
                decode(coding, &out) == text.repeat(3).as_bytes(),
                "{coding:?}"
            );
            assert!(out.len() < text.len() / 5, "{coding:?}: {}", out.len());
        }
    }
}
