//! Gates that cannot be told apart, cannot be answered, or have no time to answer.

use std::collections::HashSet;

use tidegate_api::{Gate, OnTimeout, RolloutSpec, manifest::field};
use tidegate_endpoints::Endpoints;

use super::finding::{Finding, LocatedDocument};

/// What the gates of `spec` have wrong; `webhooks` are the endpoints that are configured, where that is known.
pub fn check(rollout: &LocatedDocument, spec: &RolloutSpec, webhooks: Option<&Endpoints>) -> Vec<Finding> {
    let mut known = HashSet::new();
    let mut findings = Vec::new();
    for (place, gate) in located(spec) {
        if !known.insert(&gate.name) {
            let message = format!("another gate is called {}, too: commands could not tell them apart", gate.name);
            findings.push(rollout.error(field(&place, "name"), message));
        }
        findings.extend(too_few_people(rollout, &place, gate));
        findings.extend(no_time(rollout, &place, gate));
        findings.extend(webhooks.and_then(|webhooks| not_configured(rollout, &place, gate, webhooks)));
    }
    findings
}

/// All gates with their fields, and what switches something off, which is asked as they are.
pub fn located(spec: &RolloutSpec) -> impl Iterator<Item = (String, &Gate)> {
    let staged = spec.stages.iter().flatten().enumerate().flat_map(|(place, stage)| {
        let of = move |list: &'static str| move |(index, gate)| (format!("spec.stages[{place}].{list}[{index}]"), gate);
        stage.before.iter().enumerate().map(of("before")).chain(stage.after.iter().enumerate().map(of("after")))
    });
    let whole = spec.gates.iter().flat_map(|gates| {
        let of = |list: &'static str| move |(index, gate)| (format!("spec.gates.{list}[{index}]"), gate);
        gates.start.iter().enumerate().map(of("start")).chain(gates.promote.iter().enumerate().map(of("promote")))
    });
    let switches =
        spec.stages.iter().flatten().enumerate().filter_map(|(place, stage)| {
            Some((format!("spec.stages[{place}].degrade.by"), &stage.degrade.as_ref()?.by))
        });
    let switches = switches.chain(spec.degrade.iter().map(|degrade| ("spec.degrade.by".to_owned(), &degrade.by)));
    staged.chain(whole).chain(switches)
}

fn too_few_people(rollout: &LocatedDocument, place: &str, gate: &Gate) -> Option<Finding> {
    let people = gate.approval.as_ref().filter(|approval| approval.groups.is_empty() && !approval.users.is_empty());
    let approval = people.filter(|approval| approval.users.len() < approval.count())?;
    let message =
        format!("gate {} takes {} people, and only {} may approve", gate.name, approval.count(), approval.users.len());
    Some(rollout.error(format!("{place}.approval.count"), message))
}

/// A reaction to what never comes, and a time that is over before anybody could answer.
fn no_time(rollout: &LocatedDocument, place: &str, gate: &Gate) -> Option<Finding> {
    let name = &gate.name;
    let Some(timeout) = gate.timeout else {
        let message = format!("gate {name} waits without end, since it has no timeout: give it one");
        return gate.on_timeout.is_some().then(|| rollout.warning(field(place, "onTimeout"), message));
    };
    if !timeout.duration().is_zero() {
        return None;
    }
    let place = field(place, "timeout");
    Some(if gate.on_timeout == Some(OnTimeout::Revert) {
        let message =
            format!("gate {name} is over as soon as it is asked, and every release with it: lengthen timeout");
        rollout.error(place, message)
    } else {
        let message = format!("gate {name} holds as soon as it is asked: lengthen timeout, or leave it out");
        rollout.warning(place, message)
    })
}

fn not_configured(rollout: &LocatedDocument, place: &str, gate: &Gate, webhooks: &Endpoints) -> Option<Finding> {
    let endpoint = &gate.webhook.as_ref()?.endpoint;
    if webhooks.get(Some(endpoint)).is_some() {
        return None;
    }
    let names: Vec<_> = webhooks.iter().map(|known| known.name.as_str()).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let message = format!("{} has no endpoint {endpoint:?}; there is {names}", webhooks.file());
    Some(rollout.error(format!("{place}.webhook.endpoint"), message))
}
