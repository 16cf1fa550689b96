//! Images: whether they are here, what they say of themselves, and pulling those that are not.

use bollard::query_parameters::CreateImageOptionsBuilder;
use futures_util::StreamExt as _;

use crate::error::is_missing;
use crate::{DockerError, Engine};

/// What an image says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// `sha256:…`; the same id is the same content.
    pub id: String,
    /// The folder that its containers start in; `/` where it names none.
    pub workdir: String,
    pub user: String,
    /// `NAME=value`
    env: Vec<String>,
}

impl Image {
    /// The value of one of its own variables.
    #[must_use]
    pub fn variable(&self, name: &str) -> Option<String> {
        let values = self.env.iter().filter_map(|pair| pair.split_once('='));
        let mut found = values.filter(|(other, _)| *other == name);
        found.next().map(|(_, value)| value.to_owned())
    }
}

impl Engine {
    /// The image, if it is here.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn image(&self, name: &str) -> Result<Option<Image>, DockerError> {
        let found = match self.docker.inspect_image(name).await {
            Ok(found) => found,
            Err(error) if is_missing(&error) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let config = found.config.unwrap_or_default();
        Ok(Some(Image {
            id: found.id.unwrap_or_default(),
            workdir: config
                .working_dir
                .filter(|dir| !dir.is_empty())
                .unwrap_or_else(|| "/".to_owned()),
            user: config.user.unwrap_or_default(),
            env: config.env.unwrap_or_default(),
        }))
    }

    /// The image; it is pulled when it is not here.
    ///
    /// # Errors
    /// When it cannot be had.
    pub async fn image_or_pull(
        &self,
        name: &str,
        say: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Image, DockerError> {
        if let Some(image) = self.image(name).await? {
            return Ok(image);
        }
        self.pull(name, say).await?;
        let pulled = self.image(name).await?;
        pulled.ok_or_else(|| DockerError::NoImage(name.to_owned()))
    }

    async fn pull(
        &self,
        name: &str,
        say: &mut (dyn FnMut(&str) + Send),
    ) -> Result<(), DockerError> {
        // Without a tag the engine would pull all of them.
        let tagged = match name.rsplit_once('/').map_or(name, |(_, last)| last) {
            last if last.contains([':', '@']) => name.to_owned(),
            _ => format!("{name}:latest"),
        };
        let options = CreateImageOptionsBuilder::new().from_image(&tagged).build();
        let mut pulling = self.docker.create_image(Some(options), None, None);
        while let Some(step) = pulling.next().await {
            let failed = |message: String| DockerError::Pull {
                image: name.to_owned(),
                message,
            };
            let step = step.map_err(|error| match DockerError::from(error) {
                DockerError::Api(message) => failed(message),
                other => other,
            })?;
            if let Some(message) = step.error_detail.and_then(|detail| detail.message) {
                return Err(failed(message));
            }
            if let Some(status) = step.status {
                say(&format!("{name}: {status}"));
            }
        }
        Ok(())
    }
}
