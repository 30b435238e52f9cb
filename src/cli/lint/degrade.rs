//! `degrade.checks` that name what is no check.

use tidegate_api::{Degrade, RolloutSpec, nearest::did_you_mean};

use super::finding::{Finding, LocatedDocument};

/// The names of checks that nothing could help, since the plan has no such checks.
pub fn check(written: &LocatedDocument, spec: &RolloutSpec) -> Vec<Finding> {
    let of_all = spec.degrade.iter().map(|degrade| ("spec.degrade".to_owned(), degrade));
    let of_stages = spec
        .stages
        .iter()
        .flatten()
        .enumerate()
        .filter_map(|(index, stage)| Some((format!("spec.stages[{index}].degrade"), stage.degrade.as_ref()?)));
    of_all.chain(of_stages).flat_map(|(path, degrade)| unknown(written, spec, &path, degrade)).collect()
}

fn unknown(written: &LocatedDocument, spec: &RolloutSpec, path: &str, degrade: &Degrade) -> Vec<Finding> {
    let stages = spec.stages();
    let known: Vec<_> =
        stages.iter().flat_map(|stage| spec.checks_in(stage)).map(|check| check.name.as_str()).collect();
    let named = degrade.checks.iter().flatten().enumerate();
    let unknown = named.filter(|(_, name)| !known.contains(&name.as_str())).map(|(place, name)| {
        let meant = did_you_mean(name, known.iter().copied());
        let message = format!("the plan has no check {name}, so that nothing is switched off for it{meant}");
        written.error(format!("{path}.checks[{place}]"), message)
    });
    unknown.collect()
}
