//! Which pods the Service selects: all of those that serve, and those that will.
//!
//! A selector with a label that changes from version to version moves all traffic at once, past every stage. The pods
//! that serve then are behind it no more, and the new ones would be all that answers.

use std::collections::BTreeMap;

use serde_json::Value;
use tidegate_api::{Rollout, RouteMode, condition::reason};

use crate::{
    plan::{Observed, Planner, Refusal},
    workload::{self, ReplicaSet},
};

type Labels = BTreeMap<String, String>;

/// What is wrong with the selector of the Service, if anything.
pub(super) fn refusal(rollout: &Rollout, observed: &Observed) -> Option<Refusal> {
    let name = &rollout.spec.service;
    let selector = selector(observed);
    if selector.is_empty() {
        let message =
            format!("Service {name} has no selector, so no revision can be told apart behind it; give it one");
        return Some(Refusal::new(reason::SERVICE_UNUSABLE, message));
    }
    let workload = observed.living_workload()?;
    let stable = stable(rollout, observed);
    if let Some(set) = stable.filter(|set| !workload::selects(&selector, &set.spec.template)) {
        let (labels, keys) = unmatched(&selector, &set.spec.template);
        let message = format!(
            "Service {name} selects {labels}, which the pods that serve (ReplicaSet {}) do not have: no version starts until it selects them again; leave {keys} out of its selector: a label that changes from version to version would move all traffic at once",
            set.name()
        );
        return Some(Refusal::new(reason::SERVICE_UNUSABLE, message));
    }
    if workload::selects(&selector, &workload.spec.template) {
        return None;
    }
    let workload_name = &rollout.spec.workload.name;
    let (labels, keys) = unmatched(&selector, &workload.spec.template);
    let message = if stable.is_some() {
        format!(
            "Service {name} selects {labels}, which the new pods of Deployment {workload_name} would not have; leave {keys} out of its selector: a label that changes from version to version does not belong there"
        )
    } else {
        format!(
            "Service {name} does not select the pods of Deployment {workload_name}; make its selector match their labels"
        )
    };
    Some(Refusal::new(reason::SERVICE_UNUSABLE, message))
}

impl Planner<'_> {
    /// While the Service does not select the pods that serve, the route gives them their traffic by way of their own
    /// Service. Whether it is so.
    pub(super) fn keep_unselected(&mut self) -> bool {
        let selector = selector(self.observed);
        let serves = stable(self.rollout, self.observed)
            .is_some_and(|set| set.status.ready_replicas > 0 && !workload::selects(&selector, &set.spec.template));
        if !serves || !self.is_routed() || self.observed.service.is_none() {
            return false;
        }
        if self.status.route == RouteMode::Service {
            self.status.lead_routes(RouteMode::Split);
        }
        true
    }
}

/// What selects the pods of all revisions: the selector of the Service, or, where that does not select those that serve,
/// the Deployment's, which nobody can change.
pub(super) fn of_all_revisions(rollout: &Rollout, observed: &Observed) -> Labels {
    let selector = selector(observed);
    let revisions = rollout.status.iter().flat_map(|status| [&status.stable, &status.canary]).flatten();
    let mut sets = revisions.filter_map(|revision| observed.replica_set(&revision.replica_set));
    let Some(workload) = observed.living_workload() else { return selector };
    if sets.all(|set| workload::selects(&selector, &set.spec.template)) {
        return selector;
    }
    workload.spec.selector.match_labels.clone().unwrap_or_default()
}

fn selector(observed: &Observed) -> Labels {
    let service = observed.service.as_ref().and_then(|service| service.spec.as_ref());
    service.and_then(|spec| spec.selector.clone()).unwrap_or_default()
}

fn stable<'a>(rollout: &Rollout, observed: &'a Observed) -> Option<&'a ReplicaSet> {
    let stable = rollout.status.as_ref()?.stable.as_ref()?;
    observed.replica_set(&stable.replica_set).map(AsRef::as_ref)
}

/// The labels of a selector that the pods of `template` do not have: `version=v2`; and their keys.
fn unmatched(selector: &Labels, template: &Value) -> (String, String) {
    let labels = &template["metadata"]["labels"];
    let unmatched: Vec<_> =
        selector.iter().filter(|(key, value)| labels[key.as_str()].as_str() != Some(value.as_str())).collect();
    let pairs: Vec<_> = unmatched.iter().map(|(key, value)| format!("{key}={value}")).collect();
    let keys: Vec<_> = unmatched.iter().map(|(key, _)| key.as_str()).collect();
    (pairs.join(", "), keys.join(", "))
}
