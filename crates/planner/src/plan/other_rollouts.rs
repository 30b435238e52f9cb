//! Gates that wait for other Rollouts.

use tidegate_api::{OtherRevision, OtherRollout, RevisionStatus};

use crate::plan::{Planner, Reply};

/// Another Rollout, as far as a gate depends on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OtherRolloutState {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Why it is not where it serves what its Deployment asks for; nothing where it is.
    pub unready: Option<String>,
    /// The images of its stable version.
    pub images: Vec<String>,
    /// The way from it back to this Rollout by their gates, if there is one: nobody would ever start.
    pub circle: Option<String>,
}

impl Planner<'_> {
    /// Whether all of them are where they have to be.
    pub(super) fn where_others_are(&self, others: &[OtherRollout], version: &RevisionStatus) -> Reply {
        let own = self.rollout.metadata.namespace.as_deref().unwrap_or_default();
        let missing = others.iter().find_map(|other| {
            let namespace = other.namespace.as_deref().unwrap_or(own);
            let told = if namespace == own { other.name.clone() } else { format!("{namespace}/{}", other.name) };
            let known = |state: &&OtherRolloutState| state.namespace == namespace && state.name == other.name;
            let Some(state) = self.observed.other_rollouts.iter().find(known) else {
                return Some(format!("Rollout {told} is not known here"));
            };
            if let Some(circle) = &state.circle {
                return Some(format!("these gates wait for one another: {circle}; take one of them out"));
            }
            if let Some(why) = &state.unready {
                return Some(format!("Rollout {told} is not where it should be: {why}"));
            }
            let wants_tag = other.revision == Some(OtherRevision::SameImageTag);
            (wants_tag && !shares_a_tag(&state.images, &version.images)).then(|| {
                let tags =
                    |images: &[String]| images.iter().filter_map(|image| tag(image)).collect::<Vec<_>>().join(", ");
                format!("Rollout {told} serves {} and not {}", tags(&state.images), tags(&version.images))
            })
        });
        match missing {
            Some(missing) => Reply::Wait(missing),
            None => Reply::Go("all of them serve what is asked of them".to_owned()),
        }
    }
}

fn shares_a_tag(ours: &[String], others: &[String]) -> bool {
    let tags = |images: &[String]| images.iter().filter_map(|image| tag(image).map(str::to_owned)).collect::<Vec<_>>();
    let others = tags(others);
    tags(ours).iter().any(|tag| others.contains(tag))
}

/// What stands behind the colon of an image, which is not that of a registry's port. One with neither a tag nor a digest is
/// the latest.
///
/// <https://kubernetes.io/docs/concepts/containers/images/#image-names>
fn tag(image: &str) -> Option<&str> {
    let (name, has_digest) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
    let (_, last) = name.rsplit_once('/').unwrap_or(("", name));
    last.split_once(':').map(|(_, tag)| tag).or((!has_digest).then_some("latest"))
}

#[cfg(test)]
mod tests {
    use super::tag;

    #[test]
    fn a_tag_is_no_port_and_no_digest() {
        assert_eq!(tag("registry.example.com:5000/shop/checkout:v2"), Some("v2"));
        assert_eq!(tag("checkout:v2@sha256:0123"), Some("v2"));
        assert_eq!(tag("registry.example.com:5000/checkout"), Some("latest"));
        assert_eq!(tag("checkout@sha256:0123"), None);
    }
}
