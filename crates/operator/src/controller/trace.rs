//! Where the bad requests of a check come from that fails a version: which pods there are, and on which nodes, is read
//! when that is asked. It is a rare question, and to keep the answer for every pod of the cluster would be memory.

use std::{collections::BTreeMap, time::Duration};

use tidegate_analysis::AnalysisResult;
use tidegate_api::Rollout;
use tidegate_judge::Spread;
use tidegate_planner::{plan::Traced, traffic::Names};
use tokio::time::timeout;

use super::{Context, apply::name, endpoint_pods::endpoint_pods, error::CallError};

/// A version that fails waits no longer for the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// A pod behind a Service.
#[derive(Debug, Default)]
struct Placed {
    uid: Option<String>,
    node: Option<String>,
}

/// Where the bad requests of each check come from that `looked` found failing; its message says so, too.
pub async fn trace(context: &Context, rollout: &Rollout, analyzed: &mut AnalysisResult) -> Vec<Traced> {
    if analyzed.spreads.is_empty() {
        return Vec::new();
    }
    let placed = match timeout(PATIENCE, placed(context, rollout)).await {
        Ok(Ok(placed)) => placed,
        Ok(Err(error)) => nobody(rollout, &CallError::from(error).to_string()),
        Err(_) => nobody(rollout, &format!("no answer within {PATIENCE:?}")),
    };
    let nodes = placed.iter().filter_map(|(pod, placed)| Some((pod.clone(), placed.node.clone()?))).collect();
    let traced: Vec<_> = analyzed.spreads.iter().map(|spread| traced(spread, &nodes, &placed)).collect();
    for Traced { check, origin, .. } in &traced {
        if let Some((check, origin)) =
            analyzed.checks.iter_mut().find(|known| known.name == *check).zip(origin.as_ref())
        {
            check.message = format!("{}; {origin}", check.message);
        }
    }
    traced
}

/// Without an answer the version fails as ever, with fewer words, and no pod is replaced.
fn nobody(rollout: &Rollout, why: &str) -> BTreeMap<String, Placed> {
    tracing::warn!(
        rollout = %name(rollout),
        "the EndpointSlices of its Services could not be listed, so that no node is named and no pod replaced: {why}",
    );
    BTreeMap::new()
}

fn traced(spread: &Spread, nodes: &BTreeMap<String, String>, placed: &BTreeMap<String, Placed>) -> Traced {
    let origin = spread.origin(nodes);
    let pod = origin.as_ref().and_then(|origin| placed.get(origin.pod.as_ref()?));
    Traced {
        check: spread.check.clone(),
        uid: pod.and_then(|pod| pod.uid.clone()),
        spares_others: origin.as_ref().is_some_and(|origin| spread.spares_others(origin)),
        names_pods: spread.pods.names_pods(),
        origin,
    }
}

/// The pods behind the Services of a Rollout, by name.
async fn placed(context: &Context, rollout: &Rollout) -> kube::Result<BTreeMap<String, Placed>> {
    let Names { service, stable, canary } = Names::of(&rollout.spec.service);
    let pods = endpoint_pods(context, rollout, &[&service, &stable, &canary]).await?;
    Ok(pods.into_iter().map(|pod| (pod.name, Placed { uid: pod.uid, node: pod.node })).collect())
}
