//! Rollouts whose gates wait for one another: as the operator would say it, of those among the files.

use std::collections::BTreeSet;

use tidegate_api::{Rollout, RolloutSpec};

use super::{
    finding::{Finding, LocatedDocument},
    gates::located,
    is_rollout,
};

/// A Rollout, by namespace and name.
type Path = (String, String);

/// The gates of `rollout` by which it waits for itself.
pub fn check(written: &LocatedDocument, spec: &RolloutSpec, all: &[LocatedDocument]) -> Vec<Finding> {
    let own = path(written);
    let mut findings = Vec::new();
    for (field, (gate, awaited)) in waits(&own.0, spec) {
        let Some(way) = way_back(all, &own, &awaited) else { continue };
        let message = if awaited == own {
            format!("gate {gate} waits for its own Rollout, which is on its way as long as it waits: take it out")
        } else {
            let way = [std::slice::from_ref(&own), &way].concat();
            let way: Vec<_> = way.iter().map(|path| told(path, &own.0)).collect();
            format!("these gates wait for one another: {}; take one of them out", way.join(" → "))
        };
        findings.push(written.error(field, message));
    }
    findings
}

/// The way from `from` back to `own` by what gates wait for, if there is one.
fn way_back(all: &[LocatedDocument], own: &Path, from: &Path) -> Option<Vec<Path>> {
    let mut seen = BTreeSet::from([from.clone()]);
    let mut ways = vec![vec![from.clone()]];
    while let Some(way) = ways.pop() {
        let last = way.last()?;
        if last == own {
            return Some(way);
        }
        let found = all.iter().find(|written| is_rollout(written) && path(written) == *last);
        let Some(Ok(found)) = found.map(|it| serde_json::from_value::<Rollout>(it.document.value().clone())) else {
            continue;
        };
        for (_, (_, next)) in waits(&last.0, &found.spec) {
            if seen.insert(next.clone()) {
                ways.push([way.clone(), vec![next]].concat());
            }
        }
    }
    None
}

/// What gates of a Rollout in `namespace` wait for: where it stands, the gate, and the other Rollout.
fn waits<'a>(namespace: &'a str, spec: &'a RolloutSpec) -> impl Iterator<Item = (String, (&'a str, Path))> {
    located(spec).flat_map(move |(place, gate)| {
        let others = gate.rollouts.iter().flatten().enumerate();
        others.map(move |(index, other)| {
            let namespace = other.namespace.clone().unwrap_or_else(|| namespace.to_owned());
            (format!("{place}.rollouts[{index}]"), (gate.name.as_str(), (namespace, other.name.clone())))
        })
    })
}

fn path(written: &LocatedDocument) -> Path {
    (written.namespace().to_owned(), written.name().to_owned())
}

fn told((namespace, name): &Path, own: &str) -> String {
    if namespace == own { name.clone() } else { format!("{namespace}/{name}") }
}
