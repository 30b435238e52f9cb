//! `restart`: the stable version's pods are replaced by others of the same version, without ever being fewer than are wanted.
//!
//! Which pods are to go is committed when the restart begins: their names, as far as those are drawn at random. So many more
//! pods come up as the surge says; for each that is ready beyond those that are wanted, one of the old ones is deleted, and
//! the `ReplicaSet` puts another in its place. What is deleted follows from what is there, always from the first name on: whoever
//! takes over in mid-flight deletes the same pods and no others.

use tidegate_api::{Asked, Percent, Phase, RestartStatus, Rollout, Span, condition::reason};

use crate::{
    plan::{Effect, Observed, Planner, Write, capacity, commands::who, observed::ServingPod},
    workload::naming,
};

/// So many pods are replaced at most: their names are kept in the status, which has its limits.
const MOST: usize = 500;
/// The part of the wanted pods that comes up beyond them, where `maxSurge` says nothing: at least one pod.
const SURGE: f64 = 10.0;
/// So often the pods are looked at anew, whatever is reported: an answer may be older than the report that led to the question,
/// and then no further report comes.
const LOOK: Span = Span::seconds(5);

/// Whether the pods behind the Service have to be read, which nothing else asks for: a restart is under way, or asked for
/// and not decided on.
#[must_use]
pub fn looks_at_pods(rollout: &Rollout) -> bool {
    let Some(status) = &rollout.status else { return false };
    let is_asked = || {
        let asked = Asked::all(rollout.metadata.annotations.as_ref()).filter(Asked::is_restart);
        asked.into_iter().any(|asked| !status.is_decided(&asked))
    };
    status.restart.is_some() || is_asked()
}

fn is_at_rest(phase: Phase) -> bool {
    matches!(phase, Phase::Stable | Phase::Reverted)
}

/// The pods of `replica_set` behind the Service.
fn pods_of<'a>(pods: &'a [ServingPod], replica_set: &'a str) -> impl Iterator<Item = &'a ServingPod> {
    pods.iter().filter(move |pod| naming::is_pod_of(replica_set, &pod.name))
}

/// What of a pod's name is drawn at random.
fn ending<'a>(replica_set: &str, pod: &'a ServingPod) -> &'a str {
    pod.name.strip_prefix(&*naming::pod_beginning(replica_set)).unwrap_or_default()
}

/// The pods that go now: as many as are ready beyond those that are wanted.
pub(super) fn effects(rollout: &Rollout, observed: &Observed) -> Vec<Write> {
    let Some(status) = &rollout.status else { return Vec::new() };
    let Some((restart, pods)) = status.restart_under_way().zip(observed.pods.as_deref()) else { return Vec::new() };
    let stable = status.stable.as_ref();
    let set = stable.and_then(|stable| observed.replica_set(&stable.replica_set));
    let Some(set) = set else { return Vec::new() };
    let wanted = capacity::wanted(rollout);
    // While its controller takes pods away itself, nobody knows which ones stay.
    let is_shrinking = set.replicas() != wanted.saturating_add(restart.surge) || set.status.replicas > set.replicas();
    if is_shrinking {
        return Vec::new();
    }
    let living: Vec<_> = pods_of(pods, set.name()).filter(|pod| !pod.is_terminating).collect();
    let ready = living.iter().filter(|pod| pod.is_ready).count();
    let mut spare = set.seasoned(i32::try_from(ready).unwrap_or(i32::MAX)).saturating_sub(wanted);
    let mut leaving = Vec::new();
    for ending in restart.endings() {
        let old = living.iter().find(|pod| self::ending(set.name(), pod) == ending);
        let Some(old) = old.filter(|old| !old.is_ready || spare > 0) else { continue };
        // One that takes no requests costs nothing.
        spare -= i32::from(old.is_ready);
        leaving.push(Effect::DeletePod { name: old.name.clone(), uid: old.uid.clone() });
    }
    let at_once = usize::try_from(restart.surge).unwrap_or(0);
    leaving.into_iter().take(at_once).map(Write::fenced).collect()
}

impl Planner<'_> {
    /// Begins a restart, or says why not. Where it is not known which pods there are, it waits.
    pub(super) fn begin_restart(&mut self, asked: &Asked) {
        if let Some(why) = self.cannot_restart(asked) {
            return self.ignore(asked, &why);
        }
        let (Some(pods), Some(stable)) = (&self.observed.pods, self.status.stable.clone()) else {
            return self.wake_after(self.now, LOOK);
        };
        let old: Vec<_> = pods_of(pods, &stable.replica_set).map(|pod| ending(&stable.replica_set, pod)).collect();
        if old.is_empty() || old.len() > MOST {
            let service = &self.rollout.spec.service;
            let count = old.len();
            return self.ignore(
                asked,
                &format!(
                    "{count} pods of the version are behind Service {service}, and from 1 to {MOST} can be replaced: \
                     change the Deployment's pod template instead"
                ),
            );
        }
        let wanted = capacity::wanted(self.rollout);
        let surge = self.rollout.spec.max_surge.map(|surge| surge.of(wanted));
        let of = i32::try_from(old.len()).unwrap_or(i32::MAX);
        let message = format!("{} of version {stable} are replaced, as {} asked", capacity::pods(of), who(asked));
        let restart = RestartStatus {
            revision: stable.revision,
            at: self.now,
            by: asked.by.clone(),
            surge: surge.unwrap_or_else(|| Percent::new(SURGE).of(wanted)),
            of,
            left: of,
            since: self.now,
            pods: old.join(" "),
        };
        self.status.begin_restart(restart);
        self.remember(asked, true, &message);
        self.record(reason::RESTARTING, message);
    }

    fn cannot_restart(&self, asked: &Asked) -> Option<String> {
        let stable = self.status.stable.as_ref().map_or("", |stable| stable.revision.as_str());
        Some(if !is_at_rest(self.status.phase) || !self.is_whole() {
            "a rollout is under way, which brings new pods itself: ask again when it is over".to_owned()
        } else if asked.revision != stable {
            format!("version {} is not the stable one, but {stable}", asked.revision)
        } else if self.status.restart.is_some() {
            "a restart is under way already".to_owned()
        } else if capacity::wanted(self.rollout) == 0 {
            "the Rollout is scaled to 0".to_owned()
        } else {
            return None;
        })
    }

    /// How far a restart has come, and whether it is over. Whatever else begins ends it.
    pub(super) fn tend_restart(&mut self) {
        let Some(restart) = self.status.restart.clone() else { return };
        let stable = self.status.stable.clone().filter(|_| self.status.restart_under_way().is_some());
        let Some(stable) = stable else {
            return self.stop_restart("something else is under way");
        };
        if let Some(pods) = &self.observed.pods {
            let of_it = || pods_of(pods, &stable.replica_set);
            let is_old = |pod: &&ServingPod| restart.endings().any(|old| old == ending(&stable.replica_set, pod));
            let left = i32::try_from(of_it().filter(is_old).count()).unwrap_or(i32::MAX);
            let ready = i32::try_from(of_it().filter(|pod| pod.is_ready).count()).unwrap_or(i32::MAX);
            if left == 0 && ready >= capacity::wanted(self.rollout) {
                let message = format!("{} of version {stable} were replaced", capacity::pods(restart.of));
                self.status.end_restart(&message);
                return self.record_aside(reason::RESTARTED, message);
            }
            self.status.note_restart(left, self.now);
        }
        self.wake_after(self.now, LOOK);
        let (left, since) = self.status.restart.as_ref().map_or((0, self.now), |restart| (restart.left, restart.since));
        let deadline = self.rollout.spec.progress_deadline();
        if self.has_elapsed(since, deadline) {
            let refused = self.observed.refused.as_ref().map_or(String::new(), |refused| format!(" ({refused})"));
            return self.stop_restart(&format!("no pod was replaced within {deadline}{refused}; look at the new ones"));
        }
        self.wake_after(since, deadline);
        let stands = self.status.message.clone();
        self.say(format!("{stands}; restart: {} of {} are replaced", restart.of - left, capacity::pods(restart.of)));
    }

    /// The pods that are left stay.
    pub(super) fn stop_restart(&mut self, why: &str) {
        let Some(restart) = self.status.restart.clone() else { return };
        let message = format!(
            "the restart stops with {} of {} replaced, and the others stay: {why}",
            restart.of - restart.left,
            capacity::pods(restart.of)
        );
        self.status.end_restart(&message);
        self.record_aside(reason::RESTART_STOPPED, message);
    }
}
