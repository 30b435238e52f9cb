//! What a kubelet reports of a pod.

use serde_json::{Value, json};

use super::{
    Ending,
    life::{Life, Stage},
};
use crate::controllers::reconcile_context::stamp;

/// The status of a pod with this `spec`.
pub(super) fn status(life: &Life, spec: &Value) -> Value {
    let ready = life.stage == (Stage::Running { ready: true });
    let phase = match life.stage {
        Stage::Evicted => return evicted(life),
        Stage::Completed(Ending::Success) => "Succeeded",
        Stage::Completed(Ending::Failure) => "Failed",
        _ if life.has_run() => "Running",
        _ => "Pending",
    };
    let holds = |kind: &str, holds: bool, since| json!({"type": kind, "status": if holds { "True" } else { "False" }, "lastTransitionTime": stamp(since)});
    let containers = spec["containers"].as_array().into_iter().flatten();
    let mut status = json!({
        "phase": phase,
        "startTime": stamp(life.accepted),
        "conditions": [
            holds("PodScheduled", true, life.accepted),
            holds("Initialized", true, life.accepted),
            holds("ContainersReady", ready, life.turned),
            holds("Ready", ready, life.turned),
        ],
        "containerStatuses": containers.map(|container| self::container(life, container)).collect::<Vec<_>>(),
    });
    if let Some(status) = status.as_object_mut().filter(|_| life.has_run()) {
        status.insert("podIP".to_owned(), life.ip.clone().into());
        status.insert("podIPs".to_owned(), json!([{"ip": life.ip}]));
    }
    status
}

fn container(life: &Life, container: &Value) -> Value {
    let running = life.is_running();
    let waiting = |reason: &str, message: &str| json!({"waiting": {"reason": reason, "message": message}});
    let state = match life.stage {
        Stage::Running { .. } => json!({"running": {"startedAt": stamp(life.started)}}),
        Stage::Crashed => waiting("CrashLoopBackOff", "the container crashed and will be started again"),
        Stage::Completed(ending) => json!({"terminated": {
            "exitCode": i32::from(ending != Ending::Success),
            "reason": if ending == Ending::Success { "Completed" } else { "Error" },
            "message": if ending == Ending::Success { "" } else { "what it looked at was not well" },
            "startedAt": stamp(life.started), "finishedAt": stamp(life.turned),
        }}),
        Stage::Pulling => waiting("ImagePullBackOff", "the image cannot be pulled"),
        Stage::Starting | Stage::Evicted => waiting("ContainerCreating", ""),
    };
    let mut status = json!({
        "name": container["name"], "image": container["image"], "imageID": "", "restartCount": life.restarts,
        "ready": life.stage == (Stage::Running { ready: true }), "started": running, "state": state,
    });
    if life.restarts > 0
        && let Some(status) = status.as_object_mut()
    {
        status.insert("lastState".to_owned(), json!({"terminated": {"exitCode": 1, "reason": "Error"}}));
    }
    status
}

/// <https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/>
fn evicted(life: &Life) -> Value {
    json!({
        "phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory.",
        "startTime": stamp(life.accepted), "podIP": null, "podIPs": null,
        "conditions": [{
            "type": "Ready", "status": "False", "reason": "PodFailed", "lastTransitionTime": stamp(life.turned),
        }],
        "containerStatuses": null,
    })
}
