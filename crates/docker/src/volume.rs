//! Named volumes: ours are made and labelled; others are used when the configuration names them. None is ever removed.

use bollard::models::VolumeCreateRequest;

use crate::error::is_missing;
use crate::{DockerError, Engine, Owner};

impl Engine {
    /// Whether there is a volume of this name.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn has_volume(&self, name: &str) -> Result<bool, DockerError> {
        Ok(self.volume_since(name).await?.is_some())
    }

    /// When the volume of this name was made, if there is one: another one of the same name is of another time.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn volume_since(&self, name: &str) -> Result<Option<String>, DockerError> {
        match self.docker.inspect_volume(name).await {
            Ok(found) => Ok(Some(found.created_at.unwrap_or_default())),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The site's own volume, made when it is not there.
    ///
    /// # Errors
    /// When one of that name is somebody else's.
    pub async fn own_volume(&self, owner: &Owner, name: &str) -> Result<(), DockerError> {
        match self.docker.inspect_volume(name).await {
            Ok(found) if owner.owns(Some(&found.labels)) => return Ok(()),
            Ok(_) => {
                return Err(DockerError::Foreign {
                    kind: "volume",
                    name: name.to_owned(),
                });
            }
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(error.into()),
        }
        let request = VolumeCreateRequest {
            name: Some(name.to_owned()),
            labels: Some(owner.labels("volume")),
            ..VolumeCreateRequest::default()
        };
        self.docker.create_volume(request).await?;
        Ok(())
    }
}
