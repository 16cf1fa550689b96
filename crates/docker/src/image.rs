//! Images: whether they are here, what they say of themselves, and pulling those that are not.

use std::collections::HashMap;

use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListImagesOptionsBuilder, RemoveImageOptionsBuilder,
    TagImageOptionsBuilder,
};
use futures_util::StreamExt as _;

use crate::error::{is_conflict, is_missing};
use crate::{DockerError, Engine, Owner};

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

    /// Gives an image one more name, `REPOSITORY:TAG`.
    ///
    /// # Errors
    /// When the engine does not answer, or the image is gone.
    pub async fn tag(&self, id: &str, name: &str) -> Result<(), DockerError> {
        let (repository, tag) = name.rsplit_once(':').unwrap_or((name, "latest"));
        let options = TagImageOptionsBuilder::new().repo(repository).tag(tag);
        Ok(self.docker.tag_image(id, Some(options.build())).await?)
    }

    /// Takes every name of a repository of ours away but these; what is in use stays.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn keep_tags(&self, repository: &str, tags: &[String]) -> Result<(), DockerError> {
        let filter = ("reference".to_owned(), vec![repository.to_owned()]);
        for image in self.list([filter].into()).await? {
            for name in &image.repo_tags {
                let tag = name
                    .strip_prefix(repository)
                    .and_then(|rest| rest.strip_prefix(':'));
                if tag.is_some_and(|tag| !tags.iter().any(|kept| kept == tag)) {
                    self.unname(name).await?;
                }
            }
        }
        Ok(())
    }

    /// Removes what earlier builds of the site left without a name; what is in use stays.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn sweep_images(&self, owner: &Owner) -> Result<(), DockerError> {
        let label = owner.image_label();
        let filters = HashMap::from([
            ("dangling".to_owned(), vec!["true".to_owned()]),
            (
                "label".to_owned(),
                label
                    .iter()
                    .map(|(name, value)| format!("{name}={value}"))
                    .collect(),
            ),
        ]);
        for image in self.list(filters).await? {
            self.unname(&image.id).await?;
        }
        Ok(())
    }

    async fn list(
        &self,
        filters: HashMap<String, Vec<String>>,
    ) -> Result<Vec<bollard::models::ImageSummary>, DockerError> {
        let options = ListImagesOptionsBuilder::new().filters(&filters).build();
        Ok(self.docker.list_images(Some(options)).await?)
    }

    async fn unname(&self, name: &str) -> Result<(), DockerError> {
        let options = RemoveImageOptionsBuilder::new().build();
        match self.docker.remove_image(name, Some(options), None).await {
            Err(error) if !is_missing(&error) && !is_conflict(&error) => Err(error.into()),
            _ => Ok(()),
        }
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
