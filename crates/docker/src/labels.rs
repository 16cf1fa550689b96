//! Whose a container, network or volume is. What lacks these labels is never touched.

use std::collections::HashMap;

use bollard::query_parameters::{ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};

use crate::error::{is_conflict, is_missing};
use crate::{DockerError, Engine};

const SITE: &str = "hotclub.site";
const STATE: &str = "hotclub.state";
const ROLE: &str = "hotclub.role";

/// A site as its objects are labelled: two sites may have the same name, but no state folder in common.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Owner {
    pub site: String,
    /// The site's state folder.
    pub state: String,
}

impl Owner {
    pub(crate) fn labels(&self, role: &str) -> HashMap<String, String> {
        let own = [(SITE, &*self.site), (STATE, &*self.state), (ROLE, role)];
        own.map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into()
    }

    /// An image's label. Each is a step of the build, so it has one: a state folder is one site's.
    pub(crate) fn image_label(&self) -> HashMap<String, String> {
        HashMap::from([(STATE.to_owned(), self.state.clone())])
    }

    /// What the engine is asked for those that are ours.
    pub(crate) fn filter(&self) -> Vec<String> {
        vec![
            format!("{SITE}={}", self.site),
            format!("{STATE}={}", self.state),
        ]
    }

    pub(crate) fn owns(&self, labels: Option<&HashMap<String, String>>) -> bool {
        let value = |name| labels.and_then(|labels| labels.get(name));
        value(SITE) == Some(&self.site) && value(STATE) == Some(&self.state)
    }

    /// Removes containers of this site that were left over, of any role but `but`; their number.
    ///
    /// # Errors
    /// When the engine does not answer.
    pub async fn tidy(&self, engine: &Engine, but: &str) -> Result<usize, DockerError> {
        let filters = HashMap::from([("label".to_owned(), self.filter())]);
        let options = ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters)
            .build();
        let mut removed = 0;
        for container in engine.docker.list_containers(Some(options)).await? {
            let labels = container.labels.as_ref();
            let role = labels.and_then(|labels| labels.get(ROLE));
            let (true, Some(id)) = (self.owns(labels), container.id) else {
                continue;
            };
            if role.is_some_and(|role| role == but) {
                continue;
            }
            remove(engine, &id).await?;
            removed += 1;
        }
        Ok(removed)
    }
}

/// Removes what of a site's containers of this role has ended while nobody looked: with its engine, say.
pub(crate) async fn sweep(engine: &Engine, owner: &Owner, role: &str) -> Result<(), DockerError> {
    let label = [owner.filter(), vec![format!("{ROLE}={role}")]].concat();
    let filters = HashMap::from([
        ("label".to_owned(), label),
        ("status".to_owned(), vec!["exited".into(), "dead".into()]),
    ]);
    let options = ListContainersOptionsBuilder::new()
        .all(true)
        .filters(&filters)
        .build();
    for container in engine.docker.list_containers(Some(options)).await? {
        if let Some(id) = container.id {
            remove(engine, &id).await?;
        }
    }
    Ok(())
}

/// Ends and removes a container, which may be about to remove itself.
pub(crate) async fn remove(engine: &Engine, id: &str) -> Result<(), DockerError> {
    let options = RemoveContainerOptionsBuilder::new().force(true).build();
    match engine.docker.remove_container(id, Some(options)).await {
        Err(error) if !is_missing(&error) && !is_conflict(&error) => Err(error.into()),
        _ => Ok(()),
    }
}

/// Whether the kernel killed it for want of memory.
pub(crate) async fn was_out_of_memory(engine: &Engine, id: &str) -> bool {
    let inspected = engine.docker.inspect_container(id, None).await;
    let state = inspected.ok().and_then(|found| found.state);
    state.is_some_and(|state| state.oom_killed == Some(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_sites_and_nobodys_objects_are_not_ours() {
        let owner = Owner {
            site: "a".into(),
            state: "/s".into(),
        };
        assert!(owner.owns(Some(&owner.labels("app"))));
        assert!(!owner.owns(None));
        let mut other = owner.labels("app");
        other.insert(STATE.into(), "/t".into());
        assert!(!owner.owns(Some(&other)));
    }
}
