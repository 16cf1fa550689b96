//! A container that stays, under a name, on the site's network: PostgreSQL. It ends with Hotclub.

use std::net::IpAddr;
use std::time::Duration;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfigLogConfig, NetworkingConfig,
};
use bollard::query_parameters::{
    CreateContainerOptionsBuilder, LogsOptionsBuilder, StopContainerOptionsBuilder,
    WaitContainerOptionsBuilder,
};
use futures_util::StreamExt as _;

use crate::error::{is_conflict, is_missing};
use crate::{DockerError, Engine, RunSpec, labels};

/// The engine's own 64 MB are too few for PostgreSQL's parallel queries.
const SHARED_MEMORY: i64 = 256 << 20;

/// A container that runs beside us.
#[derive(Clone, Debug)]
pub struct Service {
    engine: Engine,
    id: String,
    network: Option<String>,
}

impl Service {
    /// Makes and starts it; one of this name that is left over from before is ended within `grace` first. `alias` is its
    /// name on the network; `env` is `NAME=value`.
    ///
    /// # Errors
    /// When a container of that name is somebody else's, or it cannot be started.
    pub async fn start(
        engine: &Engine,
        spec: &RunSpec,
        (name, alias): (&str, &str),
        env: Vec<String>,
        grace: Duration,
    ) -> Result<Self, DockerError> {
        let at = |id: String| Self {
            engine: engine.clone(),
            id,
            network: spec.network.clone(),
        };
        match engine.docker.inspect_container(name, None).await {
            Ok(found) => {
                let labels = found.config.and_then(|config| config.labels);
                if !spec.owner.owns(labels.as_ref()) {
                    return Err(DockerError::Foreign {
                        kind: "container",
                        name: name.to_owned(),
                    });
                }
                at(name.to_owned()).stop(grace).await?;
            }
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(error.into()),
        }
        let options = CreateContainerOptionsBuilder::new().name(name).build();
        let body = body(spec, alias, env);
        let created = engine.docker.create_container(Some(options), body).await;
        let service = match created {
            Ok(created) => at(created.id),
            Err(error) if is_missing(&error) => {
                return Err(DockerError::NoImage(spec.image.clone()));
            }
            Err(error) => return Err(error.into()),
        };
        if let Err(error) = service.again().await {
            service.remove().await?;
            return Err(error);
        }
        Ok(service)
    }

    /// Starts it once more after it has ended; nothing when it runs.
    ///
    /// # Errors
    /// When the engine does not answer, or it cannot be started.
    pub async fn again(&self) -> Result<(), DockerError> {
        match self.engine.docker.start_container(&self.id, None).await {
            Err(error) if !is_conflict(&error) => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Its address on the site's network; no port of it is published anywhere.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn address(&self) -> Result<Option<IpAddr>, DockerError> {
        let found = self.engine.docker.inspect_container(&self.id, None).await?;
        let networks = found.network_settings.and_then(|found| found.networks);
        let network = self.network.as_ref();
        let endpoint = network.and_then(|network| networks?.remove(network));
        let text = endpoint.and_then(|endpoint| endpoint.ip_address);
        Ok(text.and_then(|text| text.parse().ok()))
    }

    /// Its exit code, once it has ended by itself or was ended; `None`: the engine went away.
    pub async fn exited(&self) -> Option<i64> {
        let options = WaitContainerOptionsBuilder::new()
            .condition("not-running")
            .build();
        let mut waiting = self.engine.docker.wait_container(&self.id, Some(options));
        match waiting.next().await {
            Some(Ok(response)) => Some(response.status_code),
            Some(Err(bollard::errors::Error::DockerContainerWaitError { code, .. })) => Some(code),
            Some(Err(_)) | None => None,
        }
    }

    /// Whether the kernel killed it for want of memory.
    pub async fn was_out_of_memory(&self) -> bool {
        labels::was_out_of_memory(&self.engine, &self.id).await
    }

    /// The last lines that it wrote.
    pub async fn last_words(&self) -> String {
        let options = LogsOptionsBuilder::new()
            .stdout(true)
            .stderr(true)
            .tail("12")
            .build();
        let mut logs = self.engine.docker.logs(&self.id, Some(options));
        let mut text = String::new();
        while let Some(Ok(line)) = logs.next().await {
            text.push_str(&line.to_string());
        }
        text.trim_end().to_owned()
    }

    /// Asks it to end, kills it after `grace`, and removes it.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn stop(&self, grace: Duration) -> Result<(), DockerError> {
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptionsBuilder::new().t(seconds).build();
        match self
            .engine
            .docker
            .stop_container(&self.id, Some(options))
            .await
        {
            Err(error) if !is_missing(&error) && !is_conflict(&error) => return Err(error.into()),
            _ => {}
        }
        self.remove().await
    }

    /// Kills and removes it.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn remove(&self) -> Result<(), DockerError> {
        labels::remove(&self.engine, &self.id).await
    }
}

fn body(spec: &RunSpec, alias: &str, env: Vec<String>) -> ContainerCreateBody {
    let mut body = spec.body(None, env);
    if let Some(host) = &mut body.host_config {
        // Kept small by the engine: these are the last words that a failure is explained by.
        host.log_config = Some(HostConfigLogConfig {
            typ: Some("json-file".into()),
            config: Some([("max-size".to_owned(), "5m".to_owned())].into()),
        });
        host.shm_size = Some(SHARED_MEMORY);
    }
    if let Some(network) = &spec.network {
        let endpoint = EndpointSettings {
            aliases: Some(vec![alias.to_owned()]),
            ..EndpointSettings::default()
        };
        body.networking_config = Some(NetworkingConfig {
            endpoints_config: Some([(network.clone(), endpoint)].into()),
        });
    }
    body
}
