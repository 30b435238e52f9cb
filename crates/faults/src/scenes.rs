//! What may happen to a rollout: the stories that every fault is put into.

mod degrade;
mod drill;
mod gates;
mod jobs;
mod looks;
mod plans;
mod stable_pods;
mod track;
mod watch;

use serde_json::{Value, json};
use tidegate_api::{Phase, Rollout};
use tidegate_sim::{
    board,
    controllers::{Delay, GatewayMode, PodBehaviour},
    scenario::JobsEnd,
};

use crate::numbers::Manner;

/// One story.
#[derive(Debug, Clone)]
pub struct Scene {
    /// In a few words, as it is called on the command line.
    pub name: &'static str,
    /// Whether there is a route.
    pub routed: bool,
    /// What is different in the Rollout's spec.
    pub spec: Value,
    /// Who does what, so many seconds after the Rollout was created.
    pub actions: Vec<(u64, Action)>,
    /// How many seconds are played. For the last two minutes of them nothing may be written.
    pub length: u64,
    /// How it ends.
    pub ending: Ending,
}

/// What somebody does.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// `kubectl set image`.
    Push(&'static str),
    /// `kubectl scale`, to so many pods.
    ScaleDeployment(i32),
    /// Merged into the Rollout's spec.
    Edit(Value),
    /// The route's backends: the Service alone, or weights for stable and canary.
    WriteRoute(Vec<u32>),
    /// What is in the ConfigMap that the pods read, where the Rollout tracks it.
    Configure(&'static str),
    /// `kubectl delete KIND checkout`.
    Delete(&'static str),
    /// Of that image.
    DeleteReplicaSet(&'static str),
    /// All of them.
    DeleteJobs,
    /// From now on this part of the requests fails, in all versions but the stable one.
    Fail(f64),
    /// From now on Prometheus answers in this manner.
    Numbers(Manner),
    /// It begins anew, without what it knew.
    NumbersRestart,
    /// From now on the number that gates ask for is this; 1 is well.
    Dependency(f64),
    /// From now on the webhook answers in this manner.
    Board(board::Manner),
    /// From now on Jobs that start end so.
    Jobs(JobsEnd),
    /// That person approves the gate of that name for the version on its way, or the one that waits to be.
    Approve(&'static str, &'static str),
    /// `kubectl tidegate`, with that verb, for the version on its way.
    Ask(&'static str),
    /// From now on the gateway behaves so.
    Gateway(GatewayMode),
    /// From now on pods of that image behave so.
    Pods(&'static str, PodBehaviour),
    /// So many pods are allowed in the namespace, or any number.
    Quota(Option<u32>),
    /// A node is gone, with the pods on it.
    LoseNode,
    /// It is back.
    RegainNode,
    /// The operator dies and is started anew.
    Crash,
    /// Another operator starts, and takes itself for the leader, too.
    SecondLeader,
    /// It has learned that it is not.
    OneLeader,
    /// The API server forgets its event log.
    Compact,
    /// Nothing, until the Rollout is there; what follows is so much later. Who disturbs a stage has to meet it, however
    /// long a fault kept it from coming.
    Await(Moment),
}

/// Where a Rollout stands.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Moment {
    /// It is in this phase.
    In(Phase),
    /// This stage's weight is in force.
    At(&'static str),
}

impl Moment {
    /// Whether `rollout` is there.
    pub fn is_now(self, rollout: &Rollout) -> bool {
        let Some(status) = &rollout.status else { return false };
        match self {
            Self::In(phase) => status.phase == phase,
            Self::At(name) => status.stage.as_ref().is_some_and(|stage| stage.name == name && stage.since.is_some()),
        }
    }
}

/// How a story ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    /// In this phase, with this image as the stable version.
    In(Phase, &'static str),
    /// The Rollout is gone, and the Deployment serves this image with its own pods.
    HandedBack(&'static str),
    /// The Rollout is gone, and so is the Deployment.
    Gone,
    /// Wherever everybody's doings lead, without anything left to do.
    AtRest,
}

impl Scene {
    /// Whether two operators decide for a while, each by what it knows: what they decide then depends on who is faster.
    pub fn is_contested(&self) -> bool {
        self.actions.iter().any(|(_, action)| matches!(action, Action::SecondLeader))
    }

    /// Whether somebody deletes what the operator makes: how often it is made anew then depends on what was there at that
    /// moment.
    pub fn is_tidied_by_hand(&self) -> bool {
        self.actions.iter().any(|(_, action)| matches!(action, Action::DeleteJobs))
    }
}

/// When the new version is pushed: the Deployment has been taken over long since.
const PUSH: u64 = 60;

fn scene(name: &'static str, ending: Ending, actions: Vec<(u64, Action)>) -> Scene {
    Scene { name, routed: true, spec: json!({}), actions, length: 520, ending }
}

const V1: &str = "checkout:v1";
const V2: &str = "checkout:v2";
const V3: &str = "checkout:v3";

fn pushed(name: &'static str, ending: Ending, actions: &[(u64, Action)]) -> Scene {
    let mut all = vec![(PUSH, Action::Push(V2))];
    all.extend_from_slice(actions);
    scene(name, ending, all)
}

/// All of them.
pub fn all() -> Vec<Scene> {
    [
        releases(),
        disturbances(),
        capacities(),
        audiences(),
        controls(),
        plans::scenes(),
        gates::scenes(),
        jobs::scenes(),
        watch::scenes(),
        gates::numbers(),
        looks::scenes(),
        stable_pods::scenes(),
        degrade::scenes(),
        drill::scenes(),
        track::scenes(),
        gates::one_behind_another(),
        watch::beside_one_that_waits(),
        gates::frozen(),
    ]
    .concat()
}

/// Stages for those who ask, with copies of what others send, and users who stay.
pub fn choosy() -> Value {
    json!({
        "traffic": {"gatewayAPI": {"routes": [{"name": "checkout"}]}, "sessionPersistence": "Cookie"},
        "stages": [
            {
                "name": "canary", "weight": "25%", "bake": "30s",
                "match": [{"headers": [{"name": "X-Beta", "value": "yes"}]}],
            },
            {"name": "half", "weight": "50%", "mirror": "10%", "bake": "30s"},
            {"name": "full", "weight": "100%", "bake": "30s"},
        ],
    })
}

/// Rules, copies and cookies that come and go with the stages.
fn audiences() -> Vec<Scene> {
    let choosy = |scene: Scene| Scene { spec: choosy(), ..scene };
    vec![
        choosy(pushed("a promotion past those who ask", Ending::In(Phase::Stable, V2), &[])),
        choosy(pushed(
            "errors among users who stay",
            Ending::In(Phase::Reverted, V1),
            &[(61, Action::Await(Moment::At("half"))), (71, Action::Fail(0.5))],
        )),
    ]
}

/// Stable's pods follow its share of the traffic.
pub fn progressive() -> Value {
    json!({"traffic": {"gatewayAPI": {"routes": [{"name": "checkout"}]}, "capacity": "Progressive"}})
}

/// Stable keeps a part of the traffic to the end.
fn controls() -> Vec<Scene> {
    let analysis = json!({
        "interval": "5s",
        "controlShare": "1%",
        "checks": [{"name": "errors", "errorRate": {"preset": "pod-http", "max": "5%"}}],
    });
    let controlled = |mut scene: Scene| {
        scene.spec["analysis"] = analysis.clone();
        scene
    };
    let following = |scene: Scene| Scene { spec: progressive(), ..scene };
    vec![
        controlled(pushed("a promotion beside a control", Ending::In(Phase::Stable, V2), &[])),
        controlled(following(pushed("a promotion beside a control of few pods", Ending::In(Phase::Stable, V2), &[]))),
        controlled(pushed(
            "errors beside a control",
            Ending::In(Phase::Reverted, V1),
            &[(61, Action::Await(Moment::At("full"))), (71, Action::Fail(0.5))],
        )),
    ]
}

/// Pods that follow the traffic, and more of them than are asked for.
fn capacities() -> Vec<Scene> {
    let stable = |image| Ending::In(Phase::Stable, image);
    let reverted = || Ending::In(Phase::Reverted, V1);
    let following = |scene: Scene| Scene { spec: progressive(), ..scene };
    let surging = |scene: Scene, surge: Value| Scene { routed: false, spec: json!({"maxSurge": surge}), ..scene };
    vec![
        following(pushed("capacity follows a promotion", stable(V2), &[])),
        following(pushed(
            "capacity follows errors at a quarter",
            reverted(),
            &[(61, Action::Await(Moment::At("canary"))), (71, Action::Fail(0.5))],
        )),
        following(pushed(
            "capacity follows errors in the last stage",
            reverted(),
            &[(61, Action::Await(Moment::At("full"))), (71, Action::Fail(0.5))],
        )),
        following(pushed(
            "capacity follows an autoscaler",
            stable(V2),
            &[
                (61, Action::Await(Moment::At("canary"))),
                (71, Action::Edit(json!({"replicas": 7}))),
                (81, Action::Edit(json!({"replicas": 3}))),
                (111, Action::Edit(json!({"replicas": 9}))),
            ],
        )),
        following(pushed(
            "capacity follows a revert while an autoscaler moves",
            reverted(),
            &[
                (61, Action::Await(Moment::At("full"))),
                (71, Action::Fail(0.5)),
                (72, Action::Await(Moment::In(Phase::Reverting))),
                (73, Action::Edit(json!({"replicas": 8}))),
            ],
        )),
        following(pushed(
            "capacity follows a deletion in mid-flight",
            Ending::HandedBack(V1),
            &[(61, Action::Await(Moment::At("half"))), (71, Action::Delete("rollouts"))],
        )),
        surging(pushed("promotion by pods with one more", stable(V2), &[]), json!(1)),
        surging(pushed("errors by pods with twice as many", reverted(), &[(120, Action::Fail(0.5))]), json!("100%")),
    ]
}

/// What people do with their own Rollout, and how its versions turn out.
fn releases() -> Vec<Scene> {
    let stable = |image| Ending::In(Phase::Stable, image);
    let reverted = || Ending::In(Phase::Reverted, V1);
    vec![
        scene("adoption", stable(V1), vec![]),
        pushed("promotion", stable(V2), &[]),
        Scene { routed: false, ..pushed("promotion by pods", stable(V2), &[]) },
        pushed("errors in the first stage", reverted(), &[(80, Action::Fail(0.5))]),
        pushed("errors in the last stage", reverted(), &[(152, Action::Fail(0.5))]),
        Scene { routed: false, ..pushed("errors by pods", reverted(), &[(120, Action::Fail(0.5))]) },
        pushed("pods that are never ready", reverted(), &[(50, Action::Pods(V2, PodBehaviour::never_ready()))]),
        pushed(
            "pods that crash",
            reverted(),
            &[
                // Before they are ready: whether a short readiness is seen would be left to chance.
                (50, Action::Pods(V2, PodBehaviour::crashing_after(Delay::millis(200, 400)))),
                (51, Action::Edit(json!({"progressDeadline": "1m"}))),
            ],
        ),
        pushed("another version in mid-flight", stable(V3), &[(110, Action::Push(V3))]),
        pushed("back to the stable version", stable(V1), &[(110, Action::Push(V1))]),
        pushed(
            "a pause",
            stable(V2),
            &[(90, Action::Edit(json!({"paused": true}))), (180, Action::Edit(json!({"paused": false})))],
        ),
        pushed(
            "another count in mid-flight",
            stable(V2),
            &[(100, Action::Edit(json!({"replicas": 7}))), (140, Action::Edit(json!({"replicas": 3})))],
        ),
        pushed("deleted in mid-flight", Ending::HandedBack(V1), &[(110, Action::Delete("rollouts"))]),
        scene("deleted at rest", Ending::HandedBack(V1), vec![(60, Action::Delete("rollouts"))]),
        Scene {
            routed: false,
            ..pushed("deleted by pods", Ending::HandedBack(V1), &[(110, Action::Delete("rollouts"))])
        },
        pushed(
            "the Deployment is deleted, then the Rollout",
            Ending::Gone,
            &[(110, Action::Delete("deployments")), (150, Action::Delete("rollouts"))],
        ),
    ]
}

/// What others do to it, and what fails around it.
fn disturbances() -> Vec<Scene> {
    let stable = |image| Ending::In(Phase::Stable, image);
    vec![
        pushed(
            "foreign weights",
            stable(V2),
            &[(61, Action::Await(Moment::At("half"))), (71, Action::WriteRoute(vec![10, 90]))],
        ),
        pushed("somebody scales the Deployment", stable(V2), &[(100, Action::ScaleDeployment(2))]),
        scene(
            "two leaders",
            stable(V2),
            vec![
                (0, Action::Await(Moment::In(Phase::Stable))),
                (10, Action::SecondLeader),
                (50, Action::Push(V2)),
                (130, Action::OneLeader),
            ],
        ),
        pushed(
            "Prometheus is down for a while",
            stable(V2),
            &[(85, Action::Numbers(Manner::Down)), (180, Action::Numbers(Manner::Honest))],
        ),
        pushed(
            "the gateway is silent for a while",
            stable(V2),
            &[(85, Action::Gateway(GatewayMode::Silent)), (150, Action::Gateway(GatewayMode::Accepting))],
        ),
        pushed(
            "the gateway refuses the weights, and then does not",
            stable(V2),
            &[
                (50, Action::Gateway(GatewayMode::RejectingSplits)),
                (61, Action::Await(Moment::In(Phase::Reverted))),
                (71, Action::Gateway(GatewayMode::Accepting)),
                (81, Action::Edit(json!({"progressDeadline": "9m"}))),
            ],
        ),
        pushed("two quarrels at once", stable(V2), &quarrels(61)),
        pushed(
            "no room for more pods for a while",
            stable(V2),
            &[(50, Action::Quota(Some(4))), (120, Action::Quota(None))],
        ),
    ]
}

/// Somebody writes the weights and scales the Deployment, again and again, from a stage on that is awaited at `second`.
fn quarrels(second: u64) -> Vec<(u64, Action)> {
    let writes = (1..=5).map(|time| (second + 10 * time, Action::WriteRoute(vec![10, 90])));
    let scales = (1..=3).map(|time| (second + 10 * time + 5, Action::ScaleDeployment(2)));
    [(second, Action::Await(Moment::At("half")))].into_iter().chain(writes).chain(scales).collect()
}

/// The one of that name.
pub fn named(name: &str) -> Option<Scene> {
    all().into_iter().find(|scene| scene.name == name)
}
