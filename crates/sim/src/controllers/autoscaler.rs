//! The horizontal pod autoscaler.
//!
//! <https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details>

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_apiserver::Refusal;

use super::{ReconcileContext, cache::Key, queue::Task, reconcile_context::later};

/// Its field manager.
const MANAGER: &str = "horizontal-pod-autoscaler";

/// How often it looks, as long as there is something to look for.
const PERIOD: Duration = Duration::from_secs(15);

/// A load that is so near to the target changes nothing.
const TOLERANCE: f64 = 0.1;

/// Before pods are taken away, every recommendation of so long a time has to agree.
const STABILIZATION: Duration = Duration::from_mins(5);

/// The autoscalers' metrics and what they thought of them.
#[derive(Debug, Default)]
pub(super) struct Autoscalers {
    /// The load, as the number of pods that would be exactly at the target with it.
    loads: BTreeMap<Key, f64>,
    recommendations: BTreeMap<Key, VecDeque<(Timestamp, i32)>>,
}

impl Autoscalers {
    /// Sets the load of an autoscaler's target.
    pub(super) fn set_load(&mut self, context: &mut ReconcileContext<'_>, key: Key, load: f64) {
        self.loads.insert(key.clone(), load);
        context.queue.at(later(context.now, PERIOD), Task::Autoscaler(key));
    }

    /// The count of something in `namespace` has changed, perhaps against what an autoscaler wants.
    pub(super) fn notice(&self, context: &mut ReconcileContext<'_>, namespace: &str) {
        for key in self.loads.keys().filter(|key| key.namespace() == namespace) {
            context.queue.at(later(context.now, PERIOD), Task::Autoscaler(key.clone()));
        }
    }

    /// Looks at one autoscaler.
    pub(super) fn sync(&mut self, context: &mut ReconcileContext<'_>, key: &Key) -> Result<(), Refusal> {
        let Some(load) = self.loads.get(key).copied().filter(|load| load.is_finite()) else { return Ok(()) };
        let Some(whole) = context.whole("horizontalpodautoscalers", key) else {
            self.recommendations.remove(key);
            return Ok(());
        };
        let spec = &whole.value()["spec"];
        let plural = format!("{}s", spec["scaleTargetRef"]["kind"].as_str().unwrap_or_default().to_lowercase());
        let target = Key::new(key.namespace(), spec["scaleTargetRef"]["name"].as_str().unwrap_or_default());
        let current = context.whole(&plural, &target).and_then(|object| count(&object.value()["spec"]["replicas"]));
        // At 0 replicas autoscaling is off, as it is for a target that is not there.
        let Some(current) = current.filter(|current| *current > 0) else { return Ok(()) };
        let recommended = recommend(load, current);
        let settled = self.settle(context.now, key, recommended, current);
        let (least, most) = (count(&spec["minReplicas"]).unwrap_or(1), count(&spec["maxReplicas"]).unwrap_or(i32::MAX));
        let wanted = settled.min(fastest(current)).min(most).max(least.min(most));
        if wanted != current {
            let patch = json!({"spec": {"replicas": wanted}});
            context.api.merge(&plural, target.namespace(), target.name(), "scale", patch, MANAGER)?;
        }
        report(context, key, whole.value(), current, wanted)?;
        if wanted != current || recommended != current {
            context.queue.at(later(context.now, PERIOD), Task::Autoscaler(key.clone()));
        }
        Ok(())
    }

    /// The highest recommendation of late: pods come at once, and go when nothing has spoken for them for a while.
    fn settle(&mut self, now: Timestamp, key: &Key, recommended: i32, current: i32) -> i32 {
        let past = self.recommendations.entry(key.clone()).or_default();
        if past.is_empty() {
            past.push_back((now, current));
        }
        past.push_back((now, recommended));
        while past.front().is_some_and(|(time, _)| later(*time, STABILIZATION) < now) {
            past.pop_front();
        }
        past.iter().map(|(_, pods)| *pods).max().unwrap_or(recommended).min(recommended.max(current))
    }
}

fn count(value: &Value) -> Option<i32> {
    value.as_i64().and_then(|count| i32::try_from(count).ok())
}

fn recommend(load: f64, current: i32) -> i32 {
    let ratio = load.max(0.0) / f64::from(current);
    if (ratio - 1.0).abs() <= TOLERANCE {
        return current;
    }
    #[expect(clippy::cast_possible_truncation, reason = "rounded, and casts of floats saturate")]
    let pods = load.max(0.0).ceil() as i32;
    pods
}

/// The most pods that one step may lead to: twice as many, or four more.
fn fastest(current: i32) -> i32 {
    current.saturating_mul(2).max(current.saturating_add(4))
}

fn report(context: &ReconcileContext<'_>, key: &Key, whole: &Value, current: i32, wanted: i32) -> Result<(), Refusal> {
    let told = &whole["status"];
    if told["currentReplicas"] == current && told["desiredReplicas"] == wanted {
        return Ok(());
    }
    let scaled = if wanted == current { told["lastScaleTime"].clone() } else { context.stamp().into() };
    let status = json!({"currentReplicas": current, "desiredReplicas": wanted, "lastScaleTime": scaled});
    context.merge_status("horizontalpodautoscalers", key, json!({"status": status}), MANAGER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_near_the_target_changes_nothing() {
        assert_eq!(recommend(10.9, 10), 10);
        assert_eq!(recommend(11.2, 10), 12);
        assert_eq!(recommend(5.0, 10), 5);
    }

    #[test]
    fn pods_go_only_when_nothing_has_spoken_for_them_for_five_minutes() {
        let (mut autoscalers, key) = (Autoscalers::default(), Key::new("shop", "checkout"));
        let at = |second| Timestamp::from_second(second).unwrap();
        assert_eq!(autoscalers.settle(at(0), &key, 10, 10), 10);
        assert_eq!(autoscalers.settle(at(15), &key, 4, 10), 10);
        assert_eq!(autoscalers.settle(at(300), &key, 4, 10), 10);
        assert_eq!(autoscalers.settle(at(301), &key, 4, 10), 4);
        assert_eq!(autoscalers.settle(at(316), &key, 12, 4), 12);
    }
}
