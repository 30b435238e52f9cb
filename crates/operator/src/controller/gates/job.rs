//! Runs the Job of a gate, and reads how it ended. It is looked at with growing pauses: a watch on all Jobs of a cluster would
//! be dear for the few that are waited for.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::{
    batch::v1::{CronJob, Job},
    core::v1::Pod,
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, PostParams},
};
use serde_json::Value;
use tidegate_api::{Causes, JobGate, Rollout, metadata::field_manager::GATE_MANAGER, one_line};
use tidegate_clock::Clock;
use tidegate_planner::plan::{Reply, open_gate};
use tidegate_webhook::Question;

use super::{
    Said,
    job_object::{self, Standing, created, is_behind, standing},
};
use crate::controller::{CallError, leader::Leadership};

/// How soon a Job is looked at again, by its age: a tenth of it, within these bounds.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_secs(30);
/// How soon after an answer that the gate is closed, in case the answer was older than the question.
const AFTER_CLOSED: Duration = Duration::from_secs(5);
/// How many of a Job's pods are looked at for what they said, and how much of that is told.
const MOST_PODS: u32 = 20;
const LONGEST_WORDS: usize = 500;

/// A question that a Job answers.
pub(super) struct JobQuestion {
    pub client: Client,
    pub leadership: Leadership,
    pub clock: Clock,
    /// As it was when the question came up.
    pub rollout: Rollout,
    pub gate: JobGate,
    pub question: Question,
    /// What the Service of the Rollout finds its pods by.
    pub selector: BTreeMap<String, String>,
    /// That its Job was there when it was last looked at.
    pub was_there: bool,
}

impl JobQuestion {
    /// How the Job stands; it is made where it is not there.
    pub async fn said(self) -> Said {
        self.look().await.unwrap_or_else(Said::Fault)
    }

    async fn look(&self) -> Result<Said, String> {
        let name = job_object::name(&self.question);
        let found = self.jobs().get_opt(&name).await.map_err(because(format!("read Job {name}")))?;
        let Some(found) = found else { return self.start(&name).await };
        if found.labels().get(tidegate_api::ROLLOUT_UID_LABEL) != Some(&self.question.uid) {
            return Err(format!("Job {name} is somebody else's: delete it, so that this gate's can run"));
        }
        let now = self.clock.now();
        let job = serde_json::to_value(&found).unwrap_or_default();
        Ok(match standing(&job, now) {
            Standing::Completed => Said::Reply(Reply::Go(format!("Job {name} completed")), Duration::ZERO),
            Standing::Failed(why) => {
                let words = self.last_words(&name).await;
                Said::Reply(Reply::Stop(format!("Job {name} failed ({why}); {words}")), Duration::ZERO)
            }
            Standing::Under(sentence) => Said::Reply(Reply::Wait(sentence), pause(created(&job, now), now)),
        })
    }

    /// Makes the Job, unless the gate is not asked any more, or somebody else leads.
    async fn start(&self, name: &str) -> Result<Said, String> {
        let template = self.template().await?;
        let job = job_object::job(&self.rollout, &self.question, &template)
            .map_err(|lacks| format!("the Job cannot be made: {lacks}"))?;
        if is_behind(&job, &self.selector) {
            return Err(format!(
                "Job {name} is not made: Service {} would send requests to its pods; give them other labels",
                self.rollout.spec.service
            ));
        }
        let job: DynamicObject =
            serde_json::from_value(job).map_err(|error| format!("the Job cannot be made: {error}"))?;
        if !self.is_still_asked().await? {
            return Ok(Said::Reply(Reply::Wait("it is not asked any more".to_owned()), AFTER_CLOSED));
        }
        let by = PostParams { field_manager: Some(GATE_MANAGER.to_owned()), ..PostParams::default() };
        self.jobs().create(&by, &job).await.map_err(because(format!("create Job {name}")))?;
        let again = if self.was_there { " again, since somebody deleted it" } else { "" };
        tracing::info!(rollout = %format!("{}/{}", self.question.namespace, self.question.rollout), "create Job {name}{again}");
        Ok(Said::Reply(Reply::Wait(format!("Job {name} is started{again}")), SOONEST))
    }

    /// Whether this process leads, and the gate still waits for this answer, as the API server has the Rollout.
    async fn is_still_asked(&self) -> Result<bool, String> {
        let rollouts: Api<Rollout> = Api::namespaced(self.client.clone(), &self.question.namespace);
        let name = &self.question.rollout;
        let live = rollouts.get_opt(name).await.map_err(because(format!("read Rollout {name}")))?;
        let open = live.as_ref().filter(|live| live.metadata.deletion_timestamp.is_none()).and_then(open_gate);
        let is_open = open
            .is_some_and(|(gate, asked)| super::question::question(&self.rollout, gate, asked).id == self.question.id);
        Ok(is_open && self.leadership.is_leader())
    }

    async fn template(&self) -> Result<Value, String> {
        let Some(name) = &self.gate.cron_job else { return Ok(self.gate.template.clone().unwrap_or_default()) };
        let cron_jobs = self.api(&ApiResource::erase::<CronJob>(&()));
        let found = cron_jobs.get_opt(name).await.map_err(because(format!("read CronJob {name}")))?;
        let found =
            found.ok_or_else(|| format!("there is no CronJob {name} in this namespace: create it, or name another"))?;
        Ok(found.data["spec"]["jobTemplate"].clone())
    }

    /// What its pods said last, as far as the operator may read that.
    async fn last_words(&self, job: &str) -> String {
        let pods = self.api(&ApiResource::erase::<Pod>(&()));
        let its = ListParams::default().labels(&format!("job-name={job}")).limit(MOST_PODS);
        let unread = || format!("kubectl logs job/{job} --namespace {} tells why", self.question.namespace);
        let Ok(mut pods) = pods.list(&its).await else { return unread() };
        pods.items.sort_by_key(|pod| pod.creation_timestamp().map(|at| at.0));
        pods.items.iter().rev().find_map(|pod| words(&pod.data)).unwrap_or_else(unread)
    }

    fn jobs(&self) -> Api<DynamicObject> {
        self.api(&ApiResource::erase::<Job>(&()))
    }

    fn api(&self, resource: &ApiResource) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.question.namespace, resource)
    }
}

fn because(doing: String) -> impl FnOnce(kube::Error) -> String {
    move |error| format!("{doing}: {}", Causes(&CallError::from(error)))
}

fn pause(created: Timestamp, now: Timestamp) -> Duration {
    let age = Duration::try_from(now.duration_since(created)).unwrap_or_default();
    (age / 10).clamp(SOONEST, LATEST)
}

/// What the containers of a pod that failed said last, in one line.
fn words(pod: &Value) -> Option<String> {
    let statuses = ["initContainerStatuses", "containerStatuses"].map(|list| pod["status"][list].as_array());
    let mut ended = statuses.into_iter().flatten().flatten().filter_map(|status| {
        let ended = &status["state"]["terminated"];
        let code = ended["exitCode"].as_i64().filter(|code| *code != 0)?;
        let said = last_words(ended["message"].as_str().unwrap_or_default());
        let name = status["name"].as_str().unwrap_or_default();
        Some(if said.is_empty() {
            format!("container {name} ended with code {code} and said nothing")
        } else {
            format!("container {name} ended with code {code} and said: {said}")
        })
    });
    ended.next_back()
}

/// The last part of a text, its lines one behind the other.
fn last_words(text: &str) -> String {
    let lines = text.lines().map(one_line).filter(|line| !line.is_empty());
    let whole = lines.collect::<Vec<_>>().join(" | ");
    let left_out = whole.chars().count().saturating_sub(LONGEST_WORDS);
    if left_out == 0 { whole } else { format!("… {}", whole.chars().skip(left_out).collect::<String>()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_last_words_of_a_container_are_one_line_without_control_characters() {
        let terminated = json!({"exitCode": 3, "message": "one\u{1b}[31m\r\n\n  two \u{7}\n"});
        let pod = json!({"status": {"containerStatuses": [
            {"name": "proxy", "state": {"terminated": {"exitCode": 0, "message": "bye"}}},
            {"name": "smoke", "state": {"terminated": terminated}},
        ]}});
        assert_eq!(words(&pod).unwrap(), "container smoke ended with code 3 and said: one [31m | two");
        assert_eq!(words(&json!({"status": {}})), None);
    }

    #[test]
    fn of_many_words_the_last_are_told() {
        let told = last_words(&format!("{}the end", "a".repeat(10_000)));
        assert!(told.ends_with("the end") && told.chars().count() <= LONGEST_WORDS + 2);
    }

    #[test]
    fn a_job_that_has_run_for_long_is_looked_at_less_often() {
        let at = |seconds| Timestamp::from_second(seconds).unwrap();
        assert_eq!(pause(at(0), at(2)), SOONEST);
        assert_eq!(pause(at(0), at(100)), Duration::from_secs(10));
        assert_eq!(pause(at(0), at(86_400)), LATEST);
        assert_eq!(pause(at(5), at(0)), SOONEST);
    }
}
