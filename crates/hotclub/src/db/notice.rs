//! Tells somebody that a backup failed: by the command and the URL that the site names.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use hotclub_config::Backup;
use http::Request;
use http::header::CONTENT_TYPE;
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;

use crate::console::{Console, Failure};

/// A command or a server that hangs must not hold the site's start.
const PATIENCE: Duration = Duration::from_secs(60);

/// For a project's folder.
pub(super) async fn send(dir: &Path, failure: &Failure) {
    // A configuration that cannot be read names nobody; its faults have been said.
    if let Ok(site) = crate::site_file::load(dir, &Console::quiet()) {
        run(&site.database.backup, &site.name, failure).await;
    }
}

/// Both at once; what cannot be told is logged.
pub(super) async fn run(rules: &Backup, site: &str, failure: &Failure) {
    let command = async {
        if let Some(command) = &rules.command
            && !say(command, site, failure).await
        {
            tracing::warn!(command, "nobody could be told that a backup failed");
        }
    };
    let url = async {
        if let Some(url) = &rules.url
            && let Err(error) = post(url.expose(), site, failure).await
        {
            // The URL itself holds a key.
            tracing::warn!(
                error = %error.message,
                "[database.backup] url could not be told that a backup failed"
            );
        }
    };
    tokio::join!(command, url);
}

/// Runs the command with the message in its environment and on its standard input's place nothing.
async fn say(command: &str, site: &str, failure: &Failure) -> bool {
    let mut shell = tokio::process::Command::new("sh");
    shell
        .arg("-c")
        .arg(command)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    shell
        .env("HOTCLUB_SITE", site)
        .env("HOTCLUB_MESSAGE", &failure.message);
    let ended = tokio::time::timeout(PATIENCE, shell.status()).await;
    matches!(ended, Ok(Ok(status)) if status.success())
}

/// `text` is what chats show.
async fn post(url: &str, site: &str, failure: &Failure) -> Result<(), Failure> {
    let failed = |error: &dyn std::error::Error| Failure::new(error.to_string());
    let text = format!("{site}: {}", failure.message);
    let told = json!({ "site": site, "message": failure.message, "text": text });
    let request = Request::post(url)
        .header(CONTENT_TYPE, "application/json")
        .body(told.to_string())
        .map_err(|error| failed(&error))?;
    let connector = HttpsConnectorBuilder::new().try_with_platform_verifier();
    let connector = connector.map_err(|error| failed(&error))?;
    let connector = connector.https_or_http().enable_http1().build();
    let client: Client<_, String> = Client::builder(TokioExecutor::new()).build(connector);
    let answer = tokio::time::timeout(PATIENCE, client.request(request)).await;
    let status = match answer {
        Ok(Ok(answer)) => answer.status(),
        Ok(Err(error)) => return Err(failed(&error)),
        Err(error) => return Err(failed(&error)),
    };
    match status.is_success() {
        true => Ok(()),
        false => Err(Failure::new(format!("it answered {status}"))),
    }
}
