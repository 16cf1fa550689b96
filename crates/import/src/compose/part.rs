//! Which part a service plays in the site, by its image and by what its command runs.

use std::path::Path;

use super::service::{command_text, dockerfile_of};
use super::tree::Leaf;
use crate::launch::{self, Runs};
use crate::{Reading, dockerfile};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    App,
    /// Builds something that serves, while another is the app already.
    SecondApp,
    Database,
    /// A worker of the app's code.
    Process,
    /// Migrates and ends.
    Release,
    WebServer,
    Certificates,
    /// A program that Hotclub does not run.
    Stranger,
}

/// One part for each service, in their order.
pub(super) fn all(services: &[(String, Leaf)], dir: &Path, reading: &mut Reading<'_>) -> Vec<Part> {
    let mut parts: Vec<Part> = services
        .iter()
        .map(|(_, leaf)| alone(leaf, dir, reading))
        .collect();
    // What a service is called decides between two that could be the app.
    let is_named =
        |name: &str| ["web", "app", "django", "site", "backend", "server"].contains(&name);
    let candidates: Vec<usize> = (0..parts.len())
        .filter(|at| parts[*at] == Part::App)
        .collect();
    let chosen = candidates
        .iter()
        .copied()
        .find(|at| is_named(&services[*at].0))
        .or(candidates.first().copied());
    for at in candidates {
        if Some(at) != chosen {
            parts[at] = Part::SecondApp;
        }
    }
    parts
}

fn alone(leaf: &Leaf, dir: &Path, reading: &Reading<'_>) -> Part {
    let image = leaf.text_of("image").map(image_name).unwrap_or_default();
    match image.as_str() {
        "postgres" | "postgis" | "pgvector" | "postgresql" | "timescaledb" => {
            return Part::Database;
        }
        "nginx" | "nginx-unprivileged" | "caddy" | "traefik" | "httpd" | "haproxy"
        | "nginx-proxy" | "openresty" => {
            return Part::WebServer;
        }
        "certbot" | "acme-companion" | "docker-letsencrypt-nginx-proxy-companion" | "swag" => {
            return Part::Certificates;
        }
        _ => {}
    }
    let builds = leaf.get("build").is_some();
    let command = leaf.get("command").and_then(command_text);
    let Some(command) =
        command.or_else(|| builds.then(|| own_command(leaf, dir, reading)).flatten())
    else {
        return match builds {
            true => build_alone(leaf),
            false => Part::Stranger,
        };
    };
    let lines = launch::lines(&command);
    let runs = |wanted: fn(&Runs) -> bool| lines.iter().any(|line| wanted(&line.runs));
    if runs(Runs::is_server) {
        Part::App
    } else if runs(|runs| *runs == Runs::Process) {
        Part::Process
    } else if runs(|runs| matches!(runs, Runs::Migrate | Runs::Collect | Runs::Manage)) {
        Part::Release
    } else if builds {
        build_alone(leaf)
    } else {
        Part::Stranger
    }
}

/// The command that the image of a build starts with.
fn own_command(leaf: &Leaf, dir: &Path, reading: &Reading<'_>) -> Option<String> {
    let (_, path) = dockerfile_of(leaf, dir)?;
    let text = reading.options.shelf.read(&path)?;
    dockerfile::command(&text)
}

/// A built image whose command is not known: a folder called nginx is a web server's.
fn build_alone(leaf: &Leaf) -> Part {
    let build = leaf.get("build");
    let context = build
        .and_then(|build| build.text().or_else(|| build.text_of("context")))
        .unwrap_or_default();
    match context.contains("nginx") || context.contains("caddy") {
        true => Part::WebServer,
        false => Part::App,
    }
}

/// `postgres` of `docker.io/library/postgres:14-alpine@sha256:…`.
pub(super) fn image_name(image: &str) -> String {
    let image = image.split('@').next().unwrap_or(image);
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split(':').next().unwrap_or(last).to_ascii_lowercase()
}
