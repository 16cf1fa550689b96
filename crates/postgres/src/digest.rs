//! Tells whether what a database says has changed.

use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::backup::hex;
use crate::ready::Target;

const LIMIT: Duration = Duration::from_secs(5);

/// A digest of the rows of `query`, which has one column of text, in hexadecimal digits. `None` when it fails, is not
/// answered within 5 s, or has no rows.
pub async fn digest(target: &Target, query: &str) -> Option<String> {
    tokio::time::timeout(LIMIT, rows(target, query))
        .await
        .ok()?
}

async fn rows(target: &Target, query: &str) -> Option<String> {
    let (client, session) = target.log_in().await.ok()?;
    let rows = client.query(query, &[]).await;
    drop(client);
    let _ = session.await;
    let rows = rows.ok().filter(|rows| !rows.is_empty())?;
    let mut digest = Sha256::new();
    for row in &rows {
        digest.update(row.try_get::<_, &str>(0).ok()?);
        digest.update("\n");
    }
    Some(hex(digest))
}
