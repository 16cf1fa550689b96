//! Builds an image from a Dockerfile, the user's or ours, and tells what the engine says meanwhile.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

use bollard::body_full;
use bollard::query_parameters::BuildImageOptionsBuilder;
use futures_util::StreamExt as _;

use crate::context::{Ignore, pack};
use crate::{DockerError, Engine, Owner};

/// Lines of a failed build that a message shows.
const TAIL: usize = 15;

/// What to build.
#[derive(Clone, Debug)]
pub struct Build {
    /// The image's name with its tag.
    pub tag: String,
    /// Whose it is, in its labels.
    pub owner: Owner,
    pub context: PathBuf,
    /// Relative to the context.
    pub dockerfile: PathBuf,
    pub target: Option<String>,
    pub args: BTreeMap<String, String>,
    /// The network of its commands; `None`: the engine's usual one.
    pub network: Option<String>,
    /// Files that the context is given besides its own, by their names in it.
    pub extra: Vec<(String, Vec<u8>)>,
    /// Rules of a `.dockerignore`, after those of the context.
    pub ignored: String,
}

/// One line of a build's output.
pub type BuildLine<'a> = &'a str;

impl Build {
    /// Builds the image; its id. `say` is told every line.
    ///
    /// # Errors
    /// When the context cannot be read or a step fails; the last lines are in the error.
    pub async fn run(
        &self,
        engine: &Engine,
        say: &mut (dyn FnMut(BuildLine<'_>) + Send),
    ) -> Result<String, DockerError> {
        let (archive, dockerfile) = self.archive()?;
        let args: HashMap<String, String> = self.args.clone().into_iter().collect();
        let labels = self.owner.image_label();
        let mut options = BuildImageOptionsBuilder::new()
            .labels(&labels)
            .dockerfile(&dockerfile)
            .t(&self.tag)
            .rm(true)
            .forcerm(true)
            .buildargs(&args);
        if let Some(target) = &self.target {
            options = options.target(target);
        }
        if let Some(network) = &self.network {
            options = options.networkmode(network);
        }
        let body = body_full(archive.into());
        let mut building = engine.docker.build_image(options.build(), None, Some(body));
        let mut lines: Vec<String> = Vec::new();
        while let Some(step) = building.next().await {
            let failed = |message: String, lines: &[String]| {
                let tail = &lines[lines.len().saturating_sub(TAIL)..];
                match DockerError::of_message(message) {
                    DockerError::Api(message) => DockerError::Build {
                        tail: format!("{}\n{message}", tail.join("\n")),
                        log: None,
                    },
                    other => other,
                }
            };
            let step = step.map_err(|error| match DockerError::from(error) {
                DockerError::Api(message) => failed(message, &lines),
                other => other,
            })?;
            if let Some(message) = step.error_detail.and_then(|detail| detail.message) {
                return Err(failed(message, &lines));
            }
            for line in step.stream.as_deref().unwrap_or_default().lines() {
                let line = plain(line);
                if !line.is_empty() {
                    say(&line);
                    lines.push(line);
                }
            }
        }
        drop(building);
        let built = engine.image(&self.tag).await?;
        built
            .map(|image| image.id)
            .ok_or_else(|| DockerError::NoImage(self.tag.clone()))
    }

    fn archive(&self) -> Result<(Vec<u8>, String), DockerError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |error| DockerError::File { path, error }
        };
        let file = self.context.join(&self.dockerfile);
        let name = self.dockerfile.display().to_string();
        let mut extra = self.extra.clone();
        let is_given = extra.iter().any(|(other, _)| *other == name);
        if !is_given && !file.is_file() {
            return Err(DockerError::NoDockerfile(self.dockerfile.clone()));
        }
        let ignore = self.ignore();
        if !is_given && ignore.leaves_out(&self.dockerfile) {
            // The engine needs it all the same.
            let content = std::fs::read(&file).map_err(at(&file))?;
            extra.push((name.clone(), content));
        }
        let archive = pack(&self.context, &ignore, &extra).map_err(at(&self.context))?;
        Ok((archive, name))
    }

    /// The file beside the Dockerfile goes before the context's own.
    fn ignore(&self) -> Ignore {
        let mut beside = self.context.join(&self.dockerfile).into_os_string();
        beside.push(".dockerignore");
        let places = [PathBuf::from(beside), self.context.join(".dockerignore")];
        let text = places
            .iter()
            .find_map(|place| std::fs::read_to_string(place).ok());
        Ignore::parse(&format!("{}\n{}", text.unwrap_or_default(), self.ignored))
    }
}

/// Without the colours that programs write when they believe to be on a terminal.
fn plain(line: &str) -> String {
    let mut text = String::with_capacity(line.len());
    let mut rest = line.trim_end();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        text.push_str(before);
        let end = after.find(|c: char| c.is_ascii_alphabetic());
        rest = end.map_or("", |end| &after[end + 1..]);
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_no_part_of_a_line() {
        assert_eq!(plain("\u{1b}[91mERROR\u{1b}[0m: x "), "ERROR: x");
        assert_eq!(plain("\u{1b}["), "");
    }
}
