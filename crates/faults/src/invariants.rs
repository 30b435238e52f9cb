//! What must be true after every single write, read off the API server's log alone.
//!
//! Nothing here asks the operator's own code what should be: the numbers are those that users would count.

use std::{collections::BTreeMap, sync::Arc};

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tidegate_api::{Phase, Rollout, RolloutStatus, RouteMode, Stage, StageStatus, Verdict};
use tidegate_apiserver::{ApiServer, Change, Object, What};

use crate::{
    scenes::{Ending, Scene},
    trial::{NAME, SHOP},
};

/// The longest status that may be written.
const LONGEST_STATUS: usize = 16 * 1024;
/// How old what the operator goes by may be, where nobody delays its watches; and for how long a write of it may be on its
/// way, while others write, too.
pub const LAG: SignedDuration = SignedDuration::from_secs(3);
/// Within this time after the decision, a version that failed has no traffic.
const REVERTED_WITHIN: SignedDuration = SignedDuration::from_secs(30);
/// For how long a watch may be silent before anybody notices.
const SILENCE: SignedDuration = SignedDuration::from_mins(5);
/// For so long before the end nothing may be written.
const QUIET: SignedDuration = SignedDuration::from_secs(60);

/// Watches a run, and remembers what was broken.
pub struct Invariants {
    pub mirror: BTreeMap<(String, String), Arc<Object>>,
    /// When each Service last had so many ready endpoints.
    pub served: BTreeMap<(String, usize), Timestamp>,
    /// When each ReplicaSet was last given so many thousandths of the traffic by a route.
    pub loaded: BTreeMap<(String, u16), Timestamp>,
    /// When so many of stable's pods were last ready.
    pub stood: BTreeMap<usize, Timestamp>,
    /// When each number of pods was last asked for.
    pub asked: BTreeMap<i64, Timestamp>,
    /// When somebody else last wrote the route.
    rerouted: Option<Timestamp>,
    /// Since when the version on its way has to be without traffic.
    reverting: Option<Timestamp>,
    /// A version on its way back was left nothing, since none of its pods was ready: everything may go to stable.
    pub abandoned: bool,
    /// The operator's last write.
    wrote: Option<(Timestamp, String)>,
    stages: Vec<(String, f64, SignedDuration)>,
    /// Which version fell back from which stage to which.
    stepped_back: Vec<(String, String, String)>,
    /// How often each gate began to wait: of which version, and since when that was in its stage.
    pub opened: BTreeMap<(String, String, Option<Timestamp>), usize>,
    pub drain: SignedDuration,
    broken: Vec<String>,
}

impl Invariants {
    /// Begins with what is there.
    pub fn new(api: &ApiServer, scene: &Scene) -> Self {
        let mut mirror = BTreeMap::new();
        for kind in ["Deployment", "ReplicaSet", "Service", "HTTPRoute", "EndpointSlice", "Pod", "ConfigMap"] {
            for object in api.list(&format!("{}s", kind.to_lowercase()), Some(SHOP)) {
                mirror.insert((kind.to_owned(), object.name().to_owned()), object);
            }
        }
        let rollout: Rollout = serde_json::from_value(crate::objects::rollout(scene)).unwrap();
        let seconds = |span: tidegate_api::Span| SignedDuration::try_from(span.duration()).unwrap();
        let stages = rollout.spec.stages();
        let planned = |stage: &Stage| (stage.name.clone(), stage.weight.percent(), seconds(stage.bake()));
        Self {
            mirror,
            served: BTreeMap::new(),
            loaded: BTreeMap::new(),
            stood: BTreeMap::new(),
            asked: BTreeMap::new(),
            rerouted: None,
            reverting: None,
            abandoned: false,
            wrote: None,
            stages: stages.iter().map(planned).collect(),
            stepped_back: Vec::new(),
            opened: BTreeMap::new(),
            drain: seconds(rollout.spec.drain()),
            broken: Vec::new(),
        }
    }

    /// Takes a change in, and holds everything that must be true against it.
    pub fn take(&mut self, now: Timestamp, change: &Change) {
        let ours = change.manager.starts_with("tidegate");
        let kind = change.resource.kind.as_str();
        let key = (kind.to_owned(), change.object.name().to_owned());
        // Until this very moment things were as they were.
        self.remember(now);
        if change.what == What::Deleted {
            self.mirror.remove(&key);
        } else {
            self.mirror.insert(key, change.object.clone());
        }
        if kind == "HTTPRoute" && change.manager.as_ref() == "user" {
            self.rerouted = Some(now);
        }
        if ours {
            self.wrote = Some((now, format!("{kind} {}", change.object.name())));
            self.hold(change.object.namespace() == SHOP, || {
                format!("{kind} in namespace {:?} was written", change.object.namespace())
            });
            self.owned_fields(change);
        }
        match kind {
            "Rollout" => self.rollout(now, change),
            "HTTPRoute" if ours => self.weights(now, change),
            "ReplicaSet" if ours => self.replica_set(now, change),
            "Job" if change.what == What::Added => self.started_job(&change.object),
            // A deletion names no field manager, and nobody else here deletes over HTTP.
            "Pod" if change.manager.as_ref() == "unknown" => self.replaced(now, change),
            _ => {}
        }
        if self.ready("checkout-stable") == 0
            || self.waits_for_stable()
            || (kind == "HTTPRoute" && change.manager.as_ref() == "user")
        {
            // Nobody is there to take it; or somebody just gave it back.
            self.reverting = self.reverting.map(|_| now);
        }
        // Where traffic waits for stable's pods, it waits for the watch that tells of them, too.
        let patience = if self.may_lack_stable_pods() { REVERTED_WITHIN + SILENCE } else { REVERTED_WITHIN };
        let late = self.reverting.is_some_and(|since| now.duration_since(since) > patience);
        let exposed = self.get("HTTPRoute", NAME).is_some_and(|route| canary(&weights(route)) > 0.0);
        if late && exposed {
            self.reverting = None;
            self.broken.push("a version that failed still has traffic after half a minute".to_owned());
        }
    }

    /// Notes what must not be, unless it `holds`.
    pub fn hold(&mut self, holds: bool, broken: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(broken());
        }
    }

    pub fn get(&self, kind: &str, name: &str) -> Option<&Value> {
        self.mirror.get(&(kind.to_owned(), name.to_owned())).map(|object| object.value())
    }

    pub fn status(&self) -> Option<RolloutStatus> {
        self.mirror.get(&("Rollout".to_owned(), NAME.to_owned()))?.parse::<Rollout>()?.status
    }

    /// Only fields that are the operator's are written.
    fn owned_fields(&mut self, change: &Change) {
        let Some(before) = &change.before else { return };
        let (before, after) = (before.value(), change.object.value());
        let (kind, name) = (change.resource.kind.as_str(), change.object.name());
        let untouched = |paths: &[&str]| {
            let (mut before, mut after) = (before.clone(), after.clone());
            for object in [&mut before, &mut after] {
                last_rule_first(object);
                for path in paths.iter().chain(&[
                    "/metadata/resourceVersion",
                    "/metadata/generation",
                    "/metadata/managedFields",
                ]) {
                    if let Some(value) = object.pointer_mut(path) {
                        value.take();
                    }
                }
            }
            without_nulls(&mut before);
            without_nulls(&mut after);
            before == after
        };
        let fine = match (kind, name) {
            ("Service", NAME) => untouched(&[]),
            ("HTTPRoute", _) => untouched(&["/spec/rules/0/backendRefs", "/spec/rules/0/filters"]),
            ("Deployment", _) => untouched(&["/spec/replicas", "/spec/paused", "/spec/template"]),
            _ => true,
        };
        self.hold(fine, || format!("{kind} {name}: a field is written that is not the operator's"));
    }

    /// Weight only for Services behind which somebody is ready; never more for the canary than its stage says.
    fn weights(&mut self, now: Timestamp, change: &Change) {
        let before = change.before.as_ref().map(|object| weights(object.value())).unwrap_or_default();
        let after = weights(change.object.value());
        for (service, weight) in &after {
            let was = before.get(service).copied().unwrap_or(0.0);
            // One without weight may go in the moment in which another operator, that takes itself for the leader, names it.
            let exists = self.get("Service", service).is_some() || *weight == 0.0;
            self.hold(exists, || format!("the route names Service {service}, which does not exist"));
            let served = self.ready_lately(service, now) > 0;
            let better = after.keys().any(|other| other != service && self.ready(other) > 0);
            if *weight > was {
                self.hold(served || !better, || {
                    format!("{service} gets {weight} % of the traffic, and nobody is ready behind it")
                });
            }
        }
        let Some(status) = self.status() else { return };
        self.carried(now, &status, &before, &after);
        let (was, is) = (canary(&before), canary(&after));
        let allowed = match (status.phase, &status.stage) {
            (Phase::Progressing | Phase::Held, Some(stage)) => stage.weight.percent(),
            _ if status.route == RouteMode::Promoted => 100.0,
            _ => 0.0,
        };
        self.hold(is <= was || is <= allowed + 0.01, || {
            format!("the canary's weight rises from {was} to {is}, and {allowed} is allowed")
        });
        let failed = status
            .canary
            .as_ref()
            .is_some_and(|canary| status.failed.iter().any(|failed| failed.revision == canary.revision));
        self.hold(is <= was || !failed, || "a version that failed gets traffic".to_owned());
    }

    /// One step for each gate, and every gate with its evidence.
    fn rollout(&mut self, now: Timestamp, change: &Change) {
        let read = |object: &Object| object.parse::<Rollout>();
        let Some(after) = read(&change.object) else { return };
        let Some(next) = &after.status else { return };
        let size = serde_json::to_vec(next).map_or(0, |bytes| bytes.len());
        self.hold(size <= LONGEST_STATUS, || format!("the status has {size} bytes"));
        let before = change.before.as_deref().and_then(read);
        let Some(last) = before.as_ref().and_then(|rollout| rollout.status.as_ref()) else { return };
        let turned = next.phase == Phase::Reverting && last.phase != Phase::Reverting;
        if turned {
            self.reverting = Some(now);
        }
        if next.phase != Phase::Reverting
            || next.stage.as_ref().is_none_or(|stage| stage.weight_in_force.percent() == 0.0)
        {
            self.reverting = None;
        }
        let left = next.stage.as_ref().map_or(0.0, |stage| stage.weight.percent());
        self.abandoned = next.phase == Phase::Reverting
            && (self.abandoned || (left == 0.0 && self.least_lately("checkout-canary", now) == 0));
        let version = |status: &RolloutStatus| status.canary.as_ref().map(|canary| canary.revision.clone());
        self.answers(last, next);
        self.commands(last, next);
        let promoted = next.phase == Phase::Promoting && last.phase != Phase::Promoting;
        self.started(&after, last, next);
        self.watched(&after, last, next);
        let (Some(stage), Some(_)) = (&last.stage, version(last)) else { return };
        let is_same = version(next) == version(last);
        // One that goes back all the way may start anew in the same moment.
        let under_way = matches!(last.phase, Phase::Progressing | Phase::Held);
        let back = next.stage.as_ref().filter(|next| under_way && is_same && next.index < stage.index);
        if let Some(back) = back.filter(|_| next.drill.is_some() && last.drill != next.drill) {
            self.drilled(last, next, stage, back);
        } else if let Some(back) = back {
            self.stepped_back(next, version(last).unwrap_or_default(), stage, back);
        }
        let entered = next.stage.as_ref().is_some_and(|next| next.index > stage.index) && is_same;
        if !(promoted || entered) {
            return;
        }
        let took_over = next.history.first().is_some_and(|step| step.reason == "StableLost");
        let drilled = if took_over { None } else { self.left_for_good(last, next, stage) };
        if !took_over && !last.rolls_back {
            self.passed_gates(&after, drilled.as_ref().unwrap_or(&stage.name), next);
        }
        let promoted_by_hand =
            next.commands.iter().any(|done| done.command == "promote" && !last.commands.contains(done));
        if promoted_by_hand || last.rolls_back {
            return;
        }
        let bake = self.stages.iter().find(|(name, ..)| *name == stage.name).map(|(_, _, bake)| *bake);
        let over = stage.since.zip(bake).is_some_and(|(since, bake)| now.duration_since(since) >= bake);
        self.hold(over || took_over || drilled.is_some(), || format!("stage {} is left before its time", stage.name));
        let is_met = self.stages.iter().any(|(name, weight, _)| *name == stage.name && *weight > 0.0);
        let passes = next.checks.iter().all(|check| check.verdict == Verdict::Pass) && !next.checks.is_empty();
        let all_pass = !is_met || passes;
        self.hold(all_pass || took_over, || format!("stage {} is left without a pass: {:?}", stage.name, next.checks));
        let steps = if drilled.is_some() { 2 } else { 1 };
        let one = next.stage.as_ref().is_none_or(|next| next.index <= stage.index + steps);
        self.hold(one, || "more than one stage is taken at once".to_owned());
        self.hold(!after.spec.paused || took_over, || format!("stage {} is left while it is paused", stage.name));
        // Of scenes, those that freeze days freeze all of them.
        let frozen = after.spec.schedule.as_ref().is_some_and(|schedule| !schedule.freeze.is_empty());
        self.hold(!frozen || took_over, || format!("stage {} is left on a frozen day", stage.name));
        let failed = version(last).is_some_and(|version| last.failed.iter().any(|failed| failed.revision == version));
        self.hold(!failed, || "a version that failed goes on".to_owned());
    }

    /// One stage back, once for each, and never to more of the traffic.
    fn stepped_back(&mut self, status: &RolloutStatus, version: String, from: &StageStatus, to: &StageStatus) {
        let (name, back) = (&from.name, &to.name);
        let told = status.history.first().is_some_and(|step| step.reason == "SteppedBack");
        self.hold(told && status.phase == Phase::Progressing, || format!("stage {name} is left for {back}, silently"));
        self.hold(to.index + 1 == from.index, || format!("from stage {name} it goes back as far as {back}"));
        self.hold(to.weight <= from.weight, || format!("stage {name} goes back to more of the traffic"));
        let again = self.stepped_back.iter().any(|(who, stage, to)| *who == version && (stage == name || to == name));
        self.hold(!again, || format!("stage {name} goes back once more"));
        self.stepped_back.push((version, name.clone(), back.clone()));
    }

    /// Nobody who is needed is taken away, and only one new version comes up at a time.
    fn replica_set(&mut self, now: Timestamp, change: &Change) {
        let asked = |object: &Object| object.value().pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0);
        let (name, is) = (change.object.name().to_owned(), asked(&change.object));
        let was = change.before.as_deref().map_or(0, asked);
        if is > was {
            self.has_what_it_reads(&name, change.object.value());
        }
        let Some(status) = self.status() else { return };
        if change.what == What::Deleted {
            let empty = change.object.value().pointer("/status/replicas").and_then(Value::as_i64).unwrap_or(0) == 0;
            return self.hold(empty, || format!("ReplicaSet {name} is deleted with its pods"));
        }
        let stable = status.stable.as_ref().is_some_and(|stable| stable.replica_set == name);
        let routed = self.get("HTTPRoute", NAME).is_some();
        let wanted = self.get("Rollout", NAME).and_then(|it| it.pointer("/spec/replicas")?.as_i64()).unwrap_or(0);
        // Handed back by a second ReplicaSet, the Deployment serves with as many pods of its own.
        let available = self.get("Deployment", NAME).and_then(|it| it.pointer("/status/availableReplicas")?.as_i64());
        let handed_back = status.phase == Phase::HandingBack && available.is_some_and(|available| available >= wanted);
        let follows = self.may_lack_stable_pods() && status.route == RouteMode::Split;
        if is < was && follows {
            self.scaled_down(now, &status, &name, is);
        }
        let under_way = matches!(status.phase, Phase::Progressing | Phase::Held);
        if is < was && stable && routed && !handed_back && !(follows && under_way) {
            self.hold(is >= wanted, || format!("stable {name} goes to {is} pods, where {wanted} are asked for"));
        }
        let unwanted = stable && wanted == 0;
        // What was on its way when somebody wrote the route, nothing could hold back.
        let crossed = self.rerouted.is_some_and(|at| now.duration_since(at) <= LAG);
        if is < was && is == 0 && routed && !unwanted && !crossed {
            let share = self.share(&name);
            self.hold(share == 0.0, || format!("{name} goes to 0 pods with {share} % of the traffic"));
            let drained = self.share_lately(&name, now) == 0;
            self.hold(drained, || format!("{name} goes to 0 pods before its requests have drained"));
        }
        if is > was && !stable && under_way {
            self.within_surge(&status, &name);
        }
        if is > was && !stable {
            let uid = self
                .get("Rollout", NAME)
                .and_then(|it| it.pointer("/metadata/uid")?.as_str())
                .unwrap_or_default()
                .to_owned();
            let other = self.mirror.values().find(|set| {
                let value = set.value();
                value["kind"] == "ReplicaSet"
                    && value.pointer("/metadata/labels/tidegate.dev~1rollout-uid").is_some_and(|it| *it == uid)
                    && set.name() != name
                    && status.stable.as_ref().is_none_or(|stable| stable.replica_set != set.name())
                    && asked(set) > 0
            });
            let other = other.map(|set| set.name().to_owned());
            self.hold(other.is_none(), || {
                format!("{name} comes up while {} still has pods", other.unwrap_or_default())
            });
        }
    }

    /// The part of the traffic, in percent, that the route gives to a ReplicaSet through its own Service.
    fn share(&self, set: &str) -> f64 {
        let Some(route) = self.get("HTTPRoute", NAME) else { return 0.0 };
        let hash = self
            .get("ReplicaSet", set)
            .and_then(|set| set.pointer("/spec/selector/matchLabels/pod-template-hash").cloned());
        let selects = |service: &String| {
            let selector = self
                .get("Service", service)
                .and_then(|service| service.pointer("/spec/selector/pod-template-hash").cloned());
            selector.is_some() && selector == hash
        };
        weights(route).into_iter().filter(|(service, _)| selects(service)).map(|(_, weight)| weight).sum()
    }

    fn remember(&mut self, now: Timestamp) {
        if let Some(status) = self.status() {
            self.asked.insert(self.wanted(&status), now);
            self.stood.insert(self.standing(&status), now);
        }
        let Some(route) = self.get("HTTPRoute", NAME) else { return };
        let services: Vec<_> =
            weights(route).into_keys().chain(["checkout-stable", "checkout-canary"].map(str::to_owned)).collect();
        for service in services {
            let ready = self.ready(&service);
            self.served.insert((service, ready), now);
        }
        let sets: Vec<_> =
            self.mirror.keys().filter(|(kind, _)| kind == "ReplicaSet").map(|(_, name)| name.clone()).collect();
        for set in sets {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1000")]
            let thousandths = (self.share(&set) * 10.0 - 1e-6).ceil() as u16;
            if thousandths > 0 {
                self.loaded.insert((set, thousandths), now);
            }
        }
    }

    /// Everything came to rest, where it should.
    pub fn finish(&mut self, now: Timestamp, api: &ApiServer, scene: &Scene) -> Vec<String> {
        if let Some((at, what)) = self.wrote.clone() {
            self.hold(now.duration_since(at) >= QUIET, || format!("{what} is still being written at the end"));
        }
        let route = api.get("httproutes", SHOP, NAME);
        if let Some(route) = route {
            let rules = route.value().pointer("/spec/rules").and_then(Value::as_array).map(Vec::as_slice);
            let whole = matches!(rules, Some([rule]) if rule["backendRefs"][0]["name"] == NAME && rule.get("filters").is_none());
            self.hold(whole, || "the route does not say what the user wrote".to_owned());
        }
        let rollout = api.get("rollouts", SHOP, NAME).and_then(|object| object.parse::<Rollout>());
        let deployment = api.get("deployments", SHOP, NAME);
        self.configuration_at_rest(api, matches!(scene.ending, Ending::In(Phase::Stable, _)));
        match &scene.ending {
            Ending::In(phase, image) => {
                let status = rollout.and_then(|rollout| rollout.status).unwrap_or_default();
                self.hold(status.phase == *phase, || {
                    format!("it ends {:?} instead of {phase:?}: {}", status.phase, status.message)
                });
                let stable = status.stable.clone().unwrap_or_default();
                self.hold(stable.images == [*image], || format!("the stable version is {stable}, not {image}"));
                let wanted = i32::try_from(
                    self.get("Rollout", NAME).and_then(|it| it.pointer("/spec/replicas")?.as_i64()).unwrap_or(0),
                )
                .unwrap();
                self.hold(stable.ready == wanted, || format!("{} of {wanted} pods serve", stable.ready));
            }
            Ending::HandedBack(image) => {
                self.hold(rollout.is_none(), || "the Rollout is still there".to_owned());
                let whole = deployment.is_some_and(|deployment| {
                    let value = deployment.value();
                    let replicas = |path| value.pointer(path).and_then(Value::as_i64);
                    value.pointer("/spec/template/spec/containers/0/image").is_some_and(|it| it == image)
                        && replicas("/spec/replicas") == Some(i64::from(crate::objects::PODS))
                        && replicas("/status/availableReplicas") == Some(i64::from(crate::objects::PODS))
                        && value.pointer("/spec/paused").is_none_or(|paused| paused == false)
                });
                self.hold(whole, || format!("the Deployment does not serve {image}"));
            }
            Ending::Gone => {
                self.hold(rollout.is_none() && deployment.is_none(), || "not everything is gone".to_owned());
                let pods = api.list("pods", Some(SHOP)).len();
                self.hold(pods == 0, || format!("{pods} pods are left behind"));
            }
            Ending::AtRest => self.at_rest(rollout, deployment.as_deref()),
        }
        std::mem::take(&mut self.broken)
    }

    /// Whoever has the pods has as many as are asked for, all of them ready, and is in a phase that lasts.
    fn at_rest(&mut self, rollout: Option<Rollout>, deployment: Option<&Object>) {
        let number = |object: &Value, path: &str| object.pointer(path).and_then(Value::as_i64).unwrap_or(0);
        if let (None, Some(deployment)) = (&rollout, deployment) {
            let deployment = deployment.value();
            let wanted = number(deployment, "/spec/replicas");
            let ready = number(deployment, "/status/availableReplicas");
            let paused = deployment.pointer("/spec/paused").is_some_and(|paused| paused == true);
            self.hold(ready == wanted && !paused, || {
                format!("the Deployment has {ready} of {wanted} pods (paused: {paused})")
            });
        }
        let Some(rollout) = rollout.filter(|_| deployment.is_some()) else { return };
        let status = rollout.status.unwrap_or_default();
        let settled = matches!(status.phase, Phase::Stable | Phase::Reverted);
        self.hold(settled, || format!("it ends {:?}: {}", status.phase, status.message));
        self.jobs_at_rest(&status);
        let wanted = rollout.spec.replicas.unwrap_or(0);
        let ready = status.stable.map_or(0, |stable| stable.ready);
        self.hold(!settled || ready == wanted, || format!("{ready} of {wanted} pods serve: {}", status.message));
    }
}

fn without_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.values_mut().for_each(without_nulls);
            fields.retain(|_, value| !value.is_null());
        }
        Value::Array(items) => items.iter_mut().for_each(without_nulls),
        _ => {}
    }
}

/// The user's rule alone: those before it are for some requests only, and the operator's.
fn last_rule_first(route: &mut Value) {
    if let Some(rules) = route.pointer_mut("/spec/rules").and_then(Value::as_array_mut) {
        rules.drain(..rules.len().saturating_sub(1));
    }
}

/// The parts of the traffic that the user's rule gives, in percent, by Service.
fn weights(route: &Value) -> BTreeMap<String, f64> {
    let rule = route.pointer("/spec/rules").and_then(Value::as_array).and_then(|rules| rules.last());
    let backends = rule.and_then(|rule| rule["backendRefs"].as_array()).map(Vec::as_slice).unwrap_or_default();
    let weight = |backend: &Value| backend["weight"].as_f64().unwrap_or(1.0);
    let all: f64 = backends.iter().map(weight).sum();
    let named = |backend: &Value| Some((backend["name"].as_str()?.to_owned(), weight(backend) * 100.0 / all.max(1.0)));
    backends.iter().filter_map(named).collect()
}

fn canary(weights: &BTreeMap<String, f64>) -> f64 {
    weights.get("checkout-canary").copied().unwrap_or(0.0)
}
