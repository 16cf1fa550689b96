//! A body that is still being made while it is sent, whoever makes it. Writers of every version of
//! HTTP take it part by part and know no more of it.

use hotclub_app::{AnswerBody, Cut, Part};

use crate::cache::Filling;
use crate::compress::Coded;
use crate::proxy::UpstreamBody;

/// A body as it arrives. Dropping it before its end tells its maker to stop.
#[derive(Debug)]
pub enum Flow {
    /// What an app makes.
    App(AnswerBody),
    /// What a proxied server sends.
    Upstream(UpstreamBody),
    /// One of these, compressed.
    Coded(Box<Coded>),
    /// What the cache takes over while it is passed on.
    Filling(Filling),
    /// It was there before, in one part.
    Ready(Option<Part>),
    /// Nothing: what there was cannot be had any more.
    Broken,
}

impl Flow {
    /// The total length in bytes, when all of it is here and nothing was taken yet.
    #[must_use]
    pub fn known_len(&self) -> Option<u64> {
        match self {
            Self::App(body) => body.known_len(),
            Self::Upstream(body) => body.known_len(),
            Self::Ready(None) => Some(0),
            Self::Ready(Some(Part::Bytes(bytes))) => Some(bytes.len() as u64),
            Self::Ready(Some(Part::File { len, .. })) => Some(*len),
            Self::Coded(_) | Self::Filling(_) | Self::Broken => None,
        }
    }

    /// Waits for the next part; `None` after the last. Safe to drop.
    ///
    /// # Errors
    /// When the rest will not come: the client must be able to see that.
    pub async fn next(&mut self) -> Option<Result<Part, Cut>> {
        match self {
            Self::App(body) => body.next().await,
            Self::Upstream(body) => body.next().await,
            Self::Coded(body) => Box::pin(body.next()).await,
            Self::Filling(body) => body.next().await,
            Self::Ready(part) => part.take().map(Ok),
            Self::Broken => Some(Err(Cut)),
        }
    }

    /// The client has all that was announced. What an app does behind its last byte is still its to do,
    /// and not the client's to wait for.
    pub(crate) fn finish(mut self) {
        if self.known_len().is_none() {
            tokio::task::spawn_local(async move { while let Some(Ok(_)) = self.next().await {} });
        }
    }
}
