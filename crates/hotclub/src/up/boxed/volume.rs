//! Where the data of a PostgreSQL in a container are, and what its container is made of.

use std::path::Path;

use hotclub_docker::{Bind, Image, RunSpec};

use super::of_engine;
use crate::console::Failure;
use crate::project::{Contained, DATABASE, Project};

/// A volume that is there.
#[derive(Debug)]
pub(super) struct Volume {
    pub(super) name: String,
    /// When it was made.
    pub(super) since: String,
}

impl Volume {
    /// The one that the configuration names, which has to be there, or the site's own.
    pub(super) async fn of(project: &Project, contained: &Contained) -> Result<Self, Failure> {
        let engine = &contained.engine;
        let named = project.site.database.volume.clone();
        let name = match &named {
            Some(name) => name.clone(),
            None => {
                let name = format!("hotclub-{}-postgres", project.site.name);
                let made = engine.own_volume(&contained.owner, &name).await;
                made.map_err(|error| of_engine(&error))?;
                name
            }
        };
        let since = engine
            .volume_since(&name)
            .await
            .map_err(|error| of_engine(&error))?;
        let since = since.ok_or_else(|| {
            Failure::new(format!("there is no volume {name}")).hint(
                "`docker volume ls` shows those that are there; without `volume` under [database] a new one is made",
            )
        })?;
        Ok(Self { name, since })
    }

    pub(super) fn spec(&self, project: &Project, contained: &Contained, image: &Image) -> RunSpec {
        let mut binds = vec![Bind {
            from: self.name.clone().into(),
            to: data_folder(image.variable("PGDATA").as_deref()).into(),
            read_only: false,
            volume: true,
        }];
        if let Some(folder) = &project.site.database.init {
            binds.push(Bind {
                from: folder.clone(),
                to: "/docker-entrypoint-initdb.d".into(),
                read_only: true,
                volume: false,
            });
        }
        RunSpec {
            binds,
            ..contained.bare(DATABASE, image)
        }
    }
}

/// Up to version 17 the volume is the data folder, from 18 on the folder above those of each version.
fn data_folder(data: Option<&str>) -> &'static str {
    const UNTIL_17: &str = "/var/lib/postgresql/data";
    match data {
        Some(data) if !Path::new(data).starts_with(UNTIL_17) => "/var/lib/postgresql",
        _ => UNTIL_17,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_volume_lies_where_the_images_version_has_its_data() {
        let at = |data| data_folder(data);
        assert_eq!(
            at(Some("/var/lib/postgresql/data")),
            "/var/lib/postgresql/data"
        );
        assert_eq!(at(None), "/var/lib/postgresql/data");
        assert_eq!(
            at(Some("/var/lib/postgresql/18/docker")),
            "/var/lib/postgresql"
        );
    }
}
