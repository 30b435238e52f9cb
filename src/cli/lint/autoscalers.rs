//! Autoscalers that are aimed at what has no pods, or that work against a count in Git.

use super::finding::{Finding, LocatedDocument};

/// What in Kubernetes makes pods more, fewer or larger, and where it says whose.
const KNOWN: [Autoscaler; 3] = [
    Autoscaler { group: "autoscaling", kind: "HorizontalPodAutoscaler", target: "scaleTargetRef", counts: true },
    Autoscaler { group: "keda.sh", kind: "ScaledObject", target: "scaleTargetRef", counts: true },
    Autoscaler { group: "autoscaling.k8s.io", kind: "VerticalPodAutoscaler", target: "targetRef", counts: false },
];

/// A kind of autoscaler.
struct Autoscaler {
    group: &'static str,
    kind: &'static str,
    /// The field of its spec that names what it scales.
    target: &'static str,
    /// Whether it changes how many pods there are.
    counts: bool,
}

/// What is wrong with `scaler`, if it is an autoscaler of what `rollout` releases.
pub fn check(rollout: &LocatedDocument, scaler: &LocatedDocument) -> Option<Finding> {
    let known = KNOWN.iter().find(|known| (known.group, known.kind) == (scaler.group(), scaler.kind()))?;
    if scaler.namespace() != rollout.namespace() {
        return None;
    }
    let target = |name: &str| scaler.document.text(&["spec", known.target, name]);
    // What KEDA takes it for, where nothing is said.
    let kind = target("kind").unwrap_or("Deployment");
    let workload = rollout.document.text(&["spec", "workload", "name"])?;
    if (kind, target("name")) == ("Deployment", Some(workload)) {
        return Some(misses(rollout, scaler, known, workload));
    }
    let is_its_own = (kind, target("name")) == ("Rollout", Some(rollout.name()));
    if is_its_own && known.counts { quarrels(rollout, scaler, known) } else { None }
}

/// An autoscaler of a Deployment without pods.
fn misses(rollout: &LocatedDocument, scaler: &LocatedDocument, known: &Autoscaler, workload: &str) -> Finding {
    let does = match known.kind {
        "ScaledObject" => "brings up pods beside the Rollout's",
        "VerticalPodAutoscaler" => "changes no pod",
        _ => "falls silent",
    };
    let message = format!(
        "{} {} {does}, since Deployment {workload} has no pods while Rollout {} has them: target the Rollout (apiVersion: tidegate.dev/v1alpha1, kind: Rollout)",
        known.kind,
        scaler.name(),
        rollout.name()
    );
    scaler.error(format!("spec.{}", known.target), message)
}

/// Two that set the same count: an autoscaler, and whoever applies the Rollout.
fn quarrels(rollout: &LocatedDocument, scaler: &LocatedDocument, known: &Autoscaler) -> Option<Finding> {
    let replicas = rollout.document.value().pointer("/spec/replicas")?.as_i64()?;
    let message = format!(
        "{} {} counts the pods of Rollout {}, and whatever applies this file sets them to {replicas} again each time: leave spec.replicas out",
        known.kind,
        scaler.name(),
        rollout.name()
    );
    Some(rollout.warning("spec.replicas", message))
}
