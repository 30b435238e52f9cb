//! Release plans that cannot be followed: hours of a zone that does not exist, a step back from where there is none.

use std::collections::HashSet;

use tidegate_api::{Gate, OnFailure, RolloutSpec};
use tidegate_planner::calendar::Calendar;

use super::finding::{Finding, LocatedDocument};

/// What the plan of `spec` has wrong.
pub fn check(rollout: &LocatedDocument, spec: &RolloutSpec) -> Vec<Finding> {
    let unknown = spec.schedule.as_ref().and_then(|schedule| Calendar::new(schedule).err());
    let unknown = unknown.map(|unknown| rollout.error("spec.schedule.timeZone", unknown.to_string()));
    unknown.into_iter().chain(nothing_before(rollout, spec)).chain(gates(rollout, spec)).collect()
}

/// Gates that cannot be told apart, and a reaction to what never comes.
fn gates(rollout: &LocatedDocument, spec: &RolloutSpec) -> Vec<Finding> {
    let mut known = HashSet::new();
    let mut findings = Vec::new();
    for (field, gate) in located(spec) {
        if !known.insert(&gate.name) {
            let message = format!("another gate is called {}, too: commands could not tell them apart", gate.name);
            findings.push(rollout.error(format!("{field}.name"), message));
        }
        let people = gate.approval.as_ref().filter(|approval| approval.groups.is_empty() && !approval.users.is_empty());
        if let Some(approval) = people.filter(|approval| approval.users.len() < approval.count()) {
            let message = format!(
                "gate {} takes {} people, and only {} may approve",
                gate.name,
                approval.count(),
                approval.users.len()
            );
            findings.push(rollout.error(format!("{field}.approval.count"), message));
        }
        if gate.on_timeout.is_some() && gate.timeout.is_none() {
            let message = format!("gate {} waits without end, since it has no timeout: give it one", gate.name);
            findings.push(rollout.warning(format!("{field}.onTimeout"), message));
        }
    }
    findings
}

/// All gates with their fields.
fn located(spec: &RolloutSpec) -> impl Iterator<Item = (String, &Gate)> {
    let staged = spec.stages.iter().flatten().enumerate().flat_map(|(place, stage)| {
        let of = move |list: &'static str| move |(index, gate)| (format!("spec.stages[{place}].{list}[{index}]"), gate);
        stage.before.iter().enumerate().map(of("before")).chain(stage.after.iter().enumerate().map(of("after")))
    });
    let whole = spec.gates.iter().flat_map(|gates| {
        let of = |list: &'static str| move |(index, gate)| (format!("spec.gates.{list}[{index}]"), gate);
        gates.start.iter().enumerate().map(of("start")).chain(gates.promote.iter().enumerate().map(of("promote")))
    });
    staged.chain(whole)
}

/// A step back that is a revert.
fn nothing_before(rollout: &LocatedDocument, spec: &RolloutSpec) -> Option<Finding> {
    let stages = spec.stages();
    let first = stages.first()?;
    let field = match (first.on_failure, spec.on_failure) {
        (Some(OnFailure::StepBack), _) => "spec.stages[0].onFailure",
        (None, Some(OnFailure::StepBack)) if stages.len() == 1 => "spec.onFailure",
        _ => return None,
    };
    let message =
        format!("stage {} has no stage before it, so StepBack is Revert there: write Revert or Hold", first.name);
    Some(rollout.warning(field, message))
}
