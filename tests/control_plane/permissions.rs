//! Least privilege: what the operator is granted is what it uses.

use std::collections::BTreeSet;

use anyhow::ensure;
use serde_json::Value;
use tidegate_testkit::{
    Result,
    audit::{Access, Request},
    cluster,
    control_plane::Identity,
    world::World,
};

use crate::behaviour::behaviours;

behaviours![the_operator_is_never_refused_a_call, the_operator_uses_all_that_it_is_granted];

/// What is granted by the Helm values `jobs.logs`, which tells why a Job failed, and `track`: it is tried, and done without.
const TRIED: [&str; 3] = ["list pods", "list configmaps", "list secrets"];

async fn the_operator_is_never_refused_a_call(world: &World) -> Result<()> {
    let requests = world.audit.requests(Identity::Operator)?;
    let refused = requests.iter().filter(|request| !request.allowed).map(|request| text(&request.access));
    let refused: BTreeSet<_> = refused.filter(|access| !TRIED.contains(&access.as_str())).collect();
    ensure!(!requests.is_empty(), "the operator never called the API server");
    ensure!(refused.is_empty(), "deploy/rbac.yaml does not grant what the operator calls: {refused:?}");
    Ok(())
}

async fn the_operator_uses_all_that_it_is_granted(world: &World) -> Result<()> {
    let requests = world.audit.requests(Identity::Operator)?;
    let used: BTreeSet<_> = requests.iter().map(|Request { access, .. }| text(access)).collect();
    let idle: Vec<_> = granted()?.into_iter().filter(|grant| !used.contains(grant)).collect();
    ensure!(idle.is_empty(), "deploy/rbac.yaml grants what no behaviour needs: {idle:?}");
    Ok(())
}

/// Everything that the manifests grant, one verb and resource each.
fn granted() -> Result<BTreeSet<String>> {
    let list = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let mut grants = BTreeSet::new();
    for object in cluster::rbac()? {
        for rule in object["rules"].as_array().into_iter().flatten() {
            for resource in list(&rule["resources"]) {
                grants.extend(list(&rule["verbs"]).into_iter().map(|verb| format!("{verb} {resource}")));
            }
        }
    }
    Ok(grants)
}

fn text(access: &Access) -> String {
    let slash = if access.subresource.is_empty() { "" } else { "/" };
    format!("{} {}{slash}{}", access.verb, access.resource, access.subresource)
}
