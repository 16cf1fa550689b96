//! Which image a site's containers are made of: one that the configuration names, or one that is built. A release keeps
//! its own by number and name, so that going back builds nothing.

use std::fs;
use std::path::{Path, PathBuf};

use hotclub_config::Site;
use hotclub_django::find;
use hotclub_docker::{Build, DockerError, Engine, Image, Owner};
use serde::{Deserialize, Serialize};

use super::{FOLDER, State, memory};
use crate::console::{Console, Failure};
use crate::dockerfile::{CERTIFICATES, IGNORED, Recipe};
use crate::releases::Release;

/// Hotclub's own Dockerfile: in the state folder, and in the context.
pub(super) const OURS: &str = "Dockerfile.hotclub";

type At<'e> = (&'e Engine, &'e Owner);

/// What a release remembers.
#[derive(Serialize, Deserialize)]
struct Pinned {
    id: String,
}

/// The image of this state of the site.
pub(super) async fn of(
    site: &Site,
    state: &State,
    (engine, owner): At<'_>,
    console: &Console,
) -> Result<Image, Failure> {
    let Some(release) = &state.release else {
        return fresh(site, &state.dir, (engine, owner), console).await;
    };
    let file = release.dir.join("image.json");
    if let Some(image) = pinned(&file, engine).await? {
        return Ok(image);
    }
    let name = format!("{}:{}", repository(owner), release.number);
    let image = make(site, &state.dir, (engine, owner), (&name, console)).await?;
    let tagged = engine.tag(&image.id, &name).await;
    tagged.map_err(|error| Failure::of_engine(&error))?;
    let pin = Pinned {
        id: image.id.clone(),
    };
    let fresh = tempfile::NamedTempFile::new_in(&release.dir)?;
    serde_json::to_writer(&fresh, &pin).map_err(std::io::Error::from)?;
    fresh.persist(file).map_err(|error| error.error)?;
    clear(release, (engine, owner)).await;
    Ok(image)
}

/// One of the code as it is now.
pub(super) async fn fresh(
    site: &Site,
    state: &Path,
    at: At<'_>,
    console: &Console,
) -> Result<Image, Failure> {
    let name = format!("{}:latest", repository(at.1));
    make(site, state, at, (&name, console)).await
}

/// The one that the release served with, unless somebody has removed it.
async fn pinned(file: &Path, engine: &Engine) -> Result<Option<Image>, Failure> {
    let Some(pin) = fs::read(file)
        .ok()
        .and_then(|text| serde_json::from_slice::<Pinned>(&text).ok())
    else {
        return Ok(None);
    };
    let found = engine.image(&pin.id).await;
    found.map_err(|error| Failure::of_engine(&error))
}

/// Images of releases that are no longer kept lose their names; what is in use stays until a later deploy.
async fn clear(release: &Release, (engine, owner): At<'_>) {
    let kept = release.home().map_or_else(Vec::new, |home| home.releases());
    let tags: Vec<String> = kept
        .iter()
        .map(|release| release.number.to_string())
        .collect();
    if let Err(error) = engine.keep_tags(&repository(owner), &tags).await {
        tracing::warn!(%error, "images of releases that are gone are still there");
    }
}

/// Two sites may have the same name, but no state folder in common.
fn repository(owner: &Owner) -> String {
    let state = memory::digest([owner.state.as_bytes()]);
    format!("hotclub/{}-{:08x}", owner.site, state >> 32)
}

async fn make(
    site: &Site,
    state: &Path,
    (engine, owner): At<'_>,
    (name, console): (&str, &Console),
) -> Result<Image, Failure> {
    if let Some(name) = &site.runtime.image {
        let mut say = |line: &str| console.progress(line);
        let found = engine.image_or_pull(name, &mut say).await;
        return found.map_err(|error| Failure::of_engine(&error));
    }
    let log = state.join("log/build.log");
    let mut lines = String::new();
    let mut say = |line: &str| {
        lines.push_str(line);
        lines.push('\n');
        console.progress(line);
    };
    let built = build(site, state, owner, name)?.run(engine, &mut say).await;
    fs::create_dir_all(state.join("log"))?;
    fs::write(&log, &lines)?;
    let id = built.map_err(|error| match error {
        DockerError::Build { tail, .. } => Failure::of_engine(&DockerError::Build {
            tail,
            log: Some(log.clone()),
        }),
        other => Failure::of_engine(&other),
    })?;
    if let Err(error) = engine.sweep_images(owner).await {
        tracing::warn!(%error, "images of earlier builds are still there");
    }
    let image = engine.image(&id).await;
    let image = image.map_err(|error| Failure::of_engine(&error))?;
    image.ok_or_else(|| Failure::of_engine(&DockerError::NoImage(id)))
}

/// Whether the image is built by the Dockerfile that Hotclub writes.
pub(super) fn is_ours(site: &Site) -> bool {
    let runtime = &site.runtime;
    let of_a_users =
        runtime.context.is_some() || runtime.dockerfile.is_some() || runtime.target.is_some();
    let there = || site.dir.join("Dockerfile").exists();
    runtime.image.is_none() && (runtime.base.is_some() || !(of_a_users || there()))
}

fn build(site: &Site, state: &Path, owner: &Owner, name: &str) -> Result<Build, Failure> {
    let runtime = &site.runtime;
    let dockerfile = runtime.dockerfile.clone();
    let mut build = Build {
        tag: name.to_owned(),
        owner: owner.clone(),
        dockerfile: dockerfile.unwrap_or_else(|| PathBuf::from("Dockerfile")),
        context: runtime.context.clone().unwrap_or_else(|| site.dir.clone()),
        target: runtime.target.clone(),
        args: runtime.args.clone(),
        network: runtime.build_network.clone(),
        extra: certificates(site)?.into_iter().collect(),
        // It holds environments by the gigabyte, and secrets.
        ignored: format!("{FOLDER}\n"),
    };
    if is_ours(site) {
        let text = ours(site)?;
        fs::write(state.join(OURS), &text)?;
        build.dockerfile = OURS.into();
        build.extra.push((OURS.to_owned(), text.into_bytes()));
        build.ignored.push_str(IGNORED);
    }
    Ok(build)
}

fn ours(site: &Site) -> Result<String, Failure> {
    let found = find::find(&site.dir, site.app.dir.as_deref())
        .map_err(|error| Failure::new(error.to_string()).hint(error.hint()))?;
    let recipe = Recipe::of(site, &found)?;
    Ok(match site.runtime.ca_bundle {
        Some(_) => recipe.with_certificates().text(),
        None => recipe.text(),
    })
}

/// The host's certificates, for whatever the Dockerfile does with them.
fn certificates(site: &Site) -> Result<Option<(String, Vec<u8>)>, Failure> {
    let Some(file) = &site.runtime.ca_bundle else {
        return Ok(None);
    };
    let text = fs::read(file).map_err(|error| {
        Failure::new(format!("{} cannot be read: {error}", file.display()))
            .hint("`ca_bundle` under [runtime] names a file of certificates in PEM form")
    })?;
    Ok(Some((CERTIFICATES.to_owned(), text)))
}
