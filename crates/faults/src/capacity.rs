//! What must be true of pods and weights together: nobody gets more traffic than ready pods carry, nobody loses pods
//! that the traffic needs, and there are never more pods than were allowed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;
use tidegate_api::{Phase, Replicas, Rollout, RolloutStatus, RouteMode};
use tidegate_apiserver::Change;

use crate::{
    invariants::{Invariants, LAG},
    trial::NAME,
};

impl Invariants {
    /// Where stable's pods follow its share, no weight rises beyond what ready pods carry, or an equal part for each
    /// where all of them together do not carry everything.
    pub fn carried(
        &mut self,
        now: Timestamp,
        status: &RolloutStatus,
        before: &BTreeMap<String, f64>,
        after: &BTreeMap<String, f64>,
    ) {
        if !self.may_lack_stable_pods() || status.route != RouteMode::Split {
            return;
        }
        let wanted = self.wanted_lately(status, now);
        let ready = ["checkout-stable", "checkout-canary"].map(|service| self.ready_lately(service, now));
        let least = ["checkout-stable", "checkout-canary"].map(|service| self.least_lately(service, now));
        let is_under_way = matches!(status.phase, Phase::Progressing | Phase::Held);
        let in_force = status.stage.as_ref().and_then(|stage| match stage.since {
            Some(_) => Some(stage.weight.percent()),
            None => is_under_way.then(|| stage.weight_in_force.percent()),
        });
        for (service, (ready, other)) in
            ["checkout-stable", "checkout-canary"].into_iter().zip(ready.into_iter().zip(least.into_iter().rev()))
        {
            let all = ready + other;
            let weight = |weights: &BTreeMap<String, f64>| weights.get(service).copied();
            let (Some(was), Some(is)) = (weight(before), weight(after)) else { continue };
            let part = |of: f64| ready as f64 * 100.0 / of.max(1.0) + 0.01;
            // What somebody else took away may come back.
            let given = in_force.map(|canary| if service == "checkout-canary" { canary } else { 100.0 - canary });
            let abandoned = self.abandoned && service == "checkout-stable";
            // Somebody else may write any two numbers; they are written back in whole percents.
            let fine = abandoned || is <= was.ceil() || is <= part(wanted as f64) || is <= part(all as f64);
            self.hold(fine || given.is_some_and(|given| is <= given + 0.01), || {
                format!("{service} rises from {was} to {is} %, which {ready} of {wanted} ready pods do not carry")
            });
        }
    }

    /// A version comes up only as far as `maxSurge` leaves room beside the one that serves.
    pub fn within_surge(&mut self, status: &RolloutStatus, name: &str) {
        let Some(rollout) = self.mirror.get(&("Rollout".to_owned(), NAME.to_owned())).and_then(|it| it.parse()) else {
            return;
        };
        let Rollout { spec, .. } = rollout;
        let Some(surge) = spec.max_surge else { return };
        let wanted = self.wanted(status);
        let most = wanted + i64::from(surge.of(i32::try_from(wanted).unwrap_or(i32::MAX)));
        let stable = status.stable.as_ref().map_or("", |stable| stable.replica_set.as_str());
        let asked = |set: &str| self.get("ReplicaSet", set).and_then(|it| it.pointer("/spec/replicas")?.as_i64());
        let asked = asked(stable).unwrap_or(0) + asked(name).unwrap_or(0);
        self.hold(asked <= most, || format!("{asked} pods are asked for, more than the {most} that maxSurge allows"));
    }

    /// Whether stable may have fewer pods than everything takes: they follow its share, or are kept warm without one.
    pub fn may_lack_stable_pods(&self) -> bool {
        self.is_progressive() || self.kept_warm().is_some()
    }

    pub fn is_progressive(&self) -> bool {
        let capacity = self.get("Rollout", NAME).and_then(|it| it.pointer("/spec/traffic/capacity"));
        capacity.is_some_and(|capacity| capacity == "Progressive")
    }

    /// What the stage leaves stable where the new version has everything, as the spec says it.
    fn kept_warm(&self) -> Option<Replicas> {
        let rollout = self.get("Rollout", NAME)?;
        rollout.pointer("/status/stage/stableReplicas")?;
        let mut stages = rollout.pointer("/spec/stages")?.as_array()?.iter();
        let warm = stages.find_map(|stage| stage.get("stableReplicas").cloned())?;
        serde_json::from_value(warm).ok()
    }

    /// Pods of stable go as far as its share lets them, or as few as are kept warm once it has none.
    pub fn scaled_down(&mut self, now: Timestamp, status: &RolloutStatus, name: &str, pods: i64) {
        // Who looked a moment ago knows the number that was asked for until then.
        let (share, wanted) = (i64::from(self.share_lately(name, now)), self.wanted_lately(status, now));
        let is_stable = status.stable.as_ref().is_some_and(|stable| stable.replica_set == name);
        let kept_warm =
            self.kept_warm().filter(|_| is_stable && matches!(status.phase, Phase::Progressing | Phase::Held));
        let all = i32::try_from(wanted).unwrap_or(i32::MAX);
        let needed = match kept_warm {
            Some(_) if share > 0 && !self.is_progressive() => wanted,
            Some(warm) if share == 0 => i64::from(warm.of(all).min(all)),
            _ => (share * wanted + 999) / 1000,
        };
        self.hold(pods >= needed, || format!("{name} goes to {pods} pods, where {share} thousandths need {needed}"));
    }

    /// The pods that carry everything: an autoscaler may ask for fewer while a new version is on its way.
    pub fn wanted(&self, status: &RolloutStatus) -> i64 {
        let asked = self.get("Rollout", NAME).and_then(|it| it.pointer("/spec/replicas")?.as_i64()).unwrap_or(0);
        asked.max(i64::from(status.replicas_floor.unwrap_or(0)))
    }

    /// The fewest, within [`LAG`].
    fn wanted_lately(&self, status: &RolloutStatus, now: Timestamp) -> i64 {
        let lately = self.asked.iter().filter(|(_, last)| now.duration_since(**last) <= LAG);
        lately.map(|(asked, _)| *asked).fold(self.wanted(status), i64::min)
    }

    /// Whether the way back waits for pods of stable, whose number had followed its share.
    pub fn waits_for_stable(&self) -> bool {
        let Some(status) = self.status().filter(|_| self.may_lack_stable_pods()) else { return false };
        i64::try_from(self.ready("checkout-stable")).unwrap_or(i64::MAX) < self.wanted(&status)
    }

    /// A pod that is replaced is one of stable, while nothing else is under way, and leaves as many as are wanted: of those
    /// that were ready lately, since one may have broken in the same moment.
    pub fn replaced(&mut self, now: Timestamp, change: &Change) {
        let Some(status) = self.status() else { return };
        let Some(stable) = status.stable.as_ref().filter(|_| matches!(status.phase, Phase::Stable | Phase::Reverted))
        else {
            return;
        };
        let name = change.object.name().to_owned();
        let is_its = name.starts_with(&format!("{}-", stable.replica_set));
        // One that became ready a moment ago had no request yet: the Service does not know it.
        let is_known = self.ready_endpoints("checkout").any(|endpoint| endpoint["targetRef"]["name"] == *name);
        let was_ready = is_known && change.before.as_deref().is_some_and(|pod| is_ready(pod.value()));
        // It is out of the mirror by now, or marked.
        let lately = self.stood.iter().filter(|(_, last)| now.duration_since(**last) <= LAG && **last < now);
        let left = lately.map(|(ready, _)| ready.saturating_sub(1)).fold(self.standing(&status), usize::max);
        let wanted = usize::try_from(self.wanted_lately(&status, now)).unwrap_or(0);
        self.hold(is_its && (!was_ready || left >= wanted), || {
            format!("pod {name} goes, which leaves {left} of {wanted} pods of stable")
        });
    }

    /// How many of stable's pods are ready and stay.
    pub fn standing(&self, status: &RolloutStatus) -> usize {
        let beginning = format!("{}-", status.stable.as_ref().map_or("", |stable| stable.replica_set.as_str()));
        let pods = self.mirror.range(("Pod".to_owned(), beginning.clone())..);
        let pods = pods.take_while(|((kind, name), _)| kind == "Pod" && name.starts_with(&beginning));
        pods.filter(|(_, pod)| is_ready(pod.value())).count()
    }

    /// How many endpoints of a Service are ready.
    pub fn ready(&self, service: &str) -> usize {
        self.ready_endpoints(service).count()
    }

    fn ready_endpoints(&self, service: &str) -> impl Iterator<Item = &Value> {
        let slices = self.mirror.range(("EndpointSlice".to_owned(), String::new())..).map(|(_, object)| object);
        let slices = slices.take_while(|object| object.value()["kind"] == "EndpointSlice").filter(move |object| {
            object.value().pointer("/metadata/labels/kubernetes.io~1service-name").is_some_and(|name| name == service)
        });
        let endpoints = slices.flat_map(|slice| slice.value()["endpoints"].as_array().into_iter().flatten());
        endpoints.filter(|endpoint| endpoint.pointer("/conditions/ready") == Some(&Value::Bool(true)))
    }

    /// The most endpoints of a Service that were ready within [`LAG`].
    pub fn ready_lately(&self, service: &str, now: Timestamp) -> usize {
        let had = self.served.iter().filter(|((of, _), last)| of == service && now.duration_since(**last) <= LAG);
        had.map(|((_, ready), _)| *ready).fold(self.ready(service), usize::max)
    }

    /// The fewest, so.
    pub fn least_lately(&self, service: &str, now: Timestamp) -> usize {
        let had = self.served.iter().filter(|((of, _), last)| of == service && now.duration_since(**last) <= LAG);
        had.map(|((_, ready), _)| *ready).fold(self.ready(service), usize::min)
    }

    /// The most that a ReplicaSet had of the traffic within the time that requests have to drain, in thousandths.
    pub fn share_lately(&self, set: &str, now: Timestamp) -> u16 {
        let had = self.loaded.iter().filter(|((of, _), last)| of == set && now.duration_since(**last) < self.drain);
        had.map(|((_, share), _)| *share).max().unwrap_or(0)
    }
}

/// Whether a pod is ready, and was not deleted.
fn is_ready(pod: &Value) -> bool {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
    let says =
        conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    says && pod.pointer("/metadata/deletionTimestamp").is_none()
}
