//! Gates that cannot be told apart, cannot be answered, or have no time to answer.

use std::collections::HashSet;

use serde_json::Value;
use tidegate_api::{Gate, RolloutSpec, manifest::field};
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
        findings.extend(no_containers(rollout, &place, gate));
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

/// A Job that the cluster will not take when the gate is asked.
fn no_containers(rollout: &LocatedDocument, place: &str, gate: &Gate) -> Option<Finding> {
    let template = gate.job.as_ref()?.template.as_ref()?;
    let containers = template.pointer("/spec/template/spec/containers").and_then(Value::as_array);
    let message = format!(
        "the Job of gate {} has no containers: write what a CronJob has under jobTemplate, with some under spec.template.spec",
        gate.name
    );
    let has_none = containers.is_none_or(Vec::is_empty);
    has_none.then(|| rollout.error(format!("{place}.job.template.spec.template.spec.containers"), message))
}

/// A reaction to what never comes, and a time that is over before anybody could answer.
fn no_time(rollout: &LocatedDocument, place: &str, gate: &Gate) -> Option<Finding> {
    let name = &gate.name;
    let Some(timeout) = gate.timeout else {
        let message = format!("gate {name} waits without end, since it has no timeout: give it one");
        return gate.on_timeout.is_some().then(|| rollout.warning(field(place, "onTimeout"), message));
    };
    let message = format!("gate {name} holds as soon as it is asked: lengthen timeout, or leave it out");
    timeout.duration().is_zero().then(|| rollout.warning(field(place, "timeout"), message))
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
