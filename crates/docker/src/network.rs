//! A site's private network: its containers find each other by name there, and nobody else is on it.

use bollard::models::NetworkCreateRequest;

use crate::error::is_missing;
use crate::{DockerError, Engine, Owner};

impl Engine {
    /// The site's network, made when it is not there; its name.
    ///
    /// # Errors
    /// When one of that name is somebody else's.
    pub async fn network(&self, owner: &Owner) -> Result<String, DockerError> {
        let name = format!("hotclub-{}", owner.site);
        match self.docker.inspect_network(&name, None).await {
            Ok(found) if owner.owns(found.labels.as_ref()) => return Ok(name),
            Ok(_) => {
                return Err(DockerError::Foreign {
                    kind: "network",
                    name,
                });
            }
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(error.into()),
        }
        let request = NetworkCreateRequest {
            name: name.clone(),
            driver: Some("bridge".into()),
            labels: Some(owner.labels("network")),
            ..NetworkCreateRequest::default()
        };
        self.docker.create_network(request).await?;
        Ok(name)
    }
}
