//! The Job of a gate: what it is called, what its pods are told, and what its status says.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::Resource;
use serde_json::{Map, Value, json};
use tidegate_api::{GATE_LABEL, ROLLOUT_LABEL, ROLLOUT_UID_LABEL, Rollout};
use tidegate_planner::workload::template::safe_hash;
use tidegate_webhook::Question;

/// The longest name: the Job controller writes it into a label of the Job's pods.
const LONGEST_NAME: usize = 63;
/// How long a Job may have no pod before somebody is told that it has none.
const FIRST_POD_WITHIN: SignedDuration = SignedDuration::from_secs(30);

/// What the Job is called that answers a question: `checkout-smoke-7f9c6b54d`. The same question has the same Job, whoever
/// asks it and however often.
pub(super) fn name(question: &Question) -> String {
    let hash = safe_hash(question.id.as_bytes());
    let beginning: String =
        format!("{}-{}", question.rollout, question.gate).chars().take(LONGEST_NAME - hash.len() - 1).collect();
    format!("{}-{hash}", beginning.trim_end_matches(['-', '.']).replace('.', "-"))
}

/// The Job of `rollout` that answers `question`, as `template` (the `jobTemplate` of a CronJob) describes it.
///
/// # Errors
/// A sentence about what the template lacks.
pub(super) fn job(rollout: &Rollout, question: &Question, template: &Value) -> Result<Value, String> {
    let Some(mut spec) = template["spec"].as_object().cloned() else {
        return Err("its template has no spec".to_owned());
    };
    if spec.get("template").and_then(|pod| pod["spec"]["containers"].as_array()).is_none_or(Vec::is_empty) {
        return Err("its template has no container under spec.template.spec.containers".to_owned());
    }
    // It is deleted when its answer is not needed any more, and not before it was read.
    spec.remove("ttlSecondsAfterFinished");
    spec.entry("backoffLimit").or_insert(json!(0));
    if let Some(pod) = spec.get_mut("template").and_then(|pod| pod["spec"].as_object_mut()) {
        complete(pod, question);
    }
    let own = BTreeMap::from([
        (ROLLOUT_UID_LABEL, question.uid.as_str()),
        (GATE_LABEL, question.gate.as_str()),
        (ROLLOUT_LABEL, question.rollout.as_str()),
    ]);
    let mut labels = template["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    labels.extend(
        own.into_iter().filter(|(_, value)| value.len() <= 63).map(|(key, value)| (key.to_owned(), json!(value))),
    );
    let owner = OwnerReference { block_owner_deletion: None, ..rollout.controller_owner_ref(&()).unwrap_or_default() };
    Ok(json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name(question),
            "namespace": question.namespace,
            "labels": labels,
            "annotations": template["metadata"]["annotations"].as_object().cloned().unwrap_or_default(),
            "ownerReferences": [owner],
        },
        "spec": spec,
    }))
}

/// Tells the containers of a pod what they are asked about. Their own variables come after, so that they may use these, and
/// have other values for them.
fn complete(pod: &mut Map<String, Value>, question: &Question) {
    pod.entry("restartPolicy").or_insert(json!("Never"));
    let told: Vec<_> = variables(question).map(|(name, value)| json!({"name": name, "value": value})).collect();
    for list in ["initContainers", "containers"] {
        for container in pod.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(container) = container.as_object_mut() else { continue };
            let own = container.get("env").and_then(Value::as_array).cloned().unwrap_or_default();
            container.insert("env".to_owned(), told.iter().cloned().chain(own).collect());
            // The kubelet keeps the last lines of the log of one that fails with its status.
            container.entry("terminationMessagePolicy").or_insert(json!("FallbackToLogsOnError"));
        }
    }
}

/// The variables; empty where there is nothing to tell.
fn variables(question: &Question) -> impl Iterator<Item = (&'static str, String)> {
    let stage = question.stage.clone().unwrap_or_default();
    let stable = question.stable.clone().unwrap_or_default();
    [
        ("TIDEGATE_NAMESPACE", question.namespace.clone()),
        ("TIDEGATE_ROLLOUT", question.rollout.clone()),
        ("TIDEGATE_GATE", question.gate.clone()),
        ("TIDEGATE_PLACE", question.place.clone()),
        ("TIDEGATE_REVISION", question.version.revision.clone()),
        ("TIDEGATE_IMAGES", question.version.images.join(" ")),
        ("TIDEGATE_STABLE_REVISION", stable.revision),
        ("TIDEGATE_STABLE_IMAGES", stable.images.join(" ")),
        ("TIDEGATE_STAGE", stage.name),
        ("TIDEGATE_WEIGHT", stage.weight),
        ("TIDEGATE_PREVIEW_SERVICE", stage.preview.unwrap_or_default()),
    ]
    .into_iter()
}

/// Whether a Service with `selector` finds the pods of `job`: then they would be sent requests of users.
pub(super) fn is_behind(job: &Value, selector: &BTreeMap<String, String>) -> bool {
    let labels = &job["spec"]["template"]["metadata"]["labels"];
    !selector.is_empty() && selector.iter().all(|(key, value)| labels[key] == *value)
}

/// Where a Job stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It has completed.
    Completed,
    /// It has failed, as its controller says.
    Failed(String),
    /// It has neither; a sentence.
    Under(String),
}

/// What the status of `job` says at `now`.
pub(super) fn standing(job: &Value, now: Timestamp) -> Standing {
    let name = job["metadata"]["name"].as_str().unwrap_or_default();
    let conditions = job["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let holding = |kind: &str| conditions.iter().find(|known| known["type"] == kind && known["status"] == "True");
    if holding("Complete").is_some() {
        return Standing::Completed;
    }
    if let Some(failed) = holding("Failed") {
        let said = [&failed["reason"], &failed["message"]].into_iter().filter_map(Value::as_str);
        return Standing::Failed(said.collect::<Vec<_>>().join(": "));
    }
    if !job["metadata"]["deletionTimestamp"].is_null() {
        return Standing::Under(format!("Job {name} is being deleted; it will run again"));
    }
    if job["spec"]["suspend"] == true {
        return Standing::Under(format!("Job {name} is suspended: somebody has to let it run"));
    }
    let count = |field: &str| job["status"][field].as_i64().unwrap_or(0);
    let [active, failed] = ["active", "failed"].map(count);
    let has_started = active + failed + count("succeeded") > 0;
    if !has_started && now.duration_since(created(job, now)) >= FIRST_POD_WITHIN {
        let account = job["spec"]["template"]["spec"]["serviceAccountName"].as_str().unwrap_or("default");
        return Standing::Under(format!(
            "Job {name} has no pod: a quota, an admission policy or a missing ServiceAccount ({account}) may be the reason; kubectl describe job {name} tells"
        ));
    }
    let tries = if failed > 0 { format!("; {failed} of its pods failed") } else { String::new() };
    Standing::Under(format!("Job {name} runs{tries}"))
}

/// When a Job was created; `now` where it does not say.
pub(super) fn created(job: &Value, now: Timestamp) -> Timestamp {
    job["metadata"]["creationTimestamp"].as_str().and_then(|at| at.parse().ok()).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use tidegate_webhook::{StageQuestion, Version};

    use super::*;

    fn asked() -> Question {
        Question {
            id: "u1_5d4f8c_smoke_1764400000000".to_owned(),
            namespace: "shop".to_owned(),
            rollout: "checkout".to_owned(),
            uid: "u1".to_owned(),
            gate: "smoke".to_owned(),
            place: "after canary".to_owned(),
            version: Version { revision: "5d4f8c".to_owned(), images: vec!["shop:2".to_owned(), "proxy:1".to_owned()] },
            stage: Some(StageQuestion { name: "canary".to_owned(), weight: "5%".to_owned(), preview: None }),
            ..Question::default()
        }
    }

    fn rollout() -> Rollout {
        serde_json::from_value(json!({
            "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "checkout", "namespace": "shop", "uid": "u1"},
            "spec": {"workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout"},
        }))
        .unwrap()
    }

    fn template(container: &Value) -> Value {
        json!({"spec": {"ttlSecondsAfterFinished": 0, "template": {
            "metadata": {"labels": {"app": "smoke"}}, "spec": {"containers": [container]},
        }}})
    }

    #[test]
    fn the_same_question_has_the_same_job_and_another_one_has_another() {
        let again = Question { id: "u1_5d4f8c_smoke_1764400000001".to_owned(), ..asked() };
        assert_eq!(name(&asked()), name(&asked()));
        assert_ne!(name(&asked()), name(&again));
        assert!(name(&asked()).starts_with("checkout-smoke-"), "{}", name(&asked()));
    }

    #[test]
    fn a_name_fits_into_a_label_however_long_those_of_rollout_and_gate_are() {
        let long = Question { rollout: format!("{}.b", "a".repeat(61)), gate: "g".repeat(63), ..asked() };
        let name = name(&long);
        assert!(name.len() <= LONGEST_NAME && !name.contains('.') && !name.contains("--"), "{name}");
    }

    #[test]
    fn its_containers_know_what_they_are_asked_about_and_have_the_last_word() {
        let own = json!([{"name": "URL", "value": "http://$(TIDEGATE_PREVIEW_SERVICE)"}]);
        let job = job(&rollout(), &asked(), &template(&json!({"name": "smoke", "env": own}))).unwrap();
        let container = &job["spec"]["template"]["spec"]["containers"][0];
        let told: BTreeMap<_, _> = container["env"]
            .as_array()
            .unwrap()
            .iter()
            .map(|it| (it["name"].as_str().unwrap(), it["value"].as_str().unwrap()))
            .collect();
        let [images, stage] = ["TIDEGATE_IMAGES", "TIDEGATE_STAGE"].map(|name| told[name]);
        assert_eq!((images, stage), ("shop:2 proxy:1", "canary"));
        assert_eq!(container["env"].as_array().unwrap().last().unwrap()["name"], "URL");
        assert_eq!(container["terminationMessagePolicy"], "FallbackToLogsOnError");
    }

    #[test]
    fn it_runs_once_and_stays_until_its_answer_was_read() {
        let job = job(&rollout(), &asked(), &template(&json!({"name": "smoke"}))).unwrap();
        assert_eq!(
            (&job["spec"]["backoffLimit"], &job["spec"]["template"]["spec"]["restartPolicy"]),
            (&json!(0), &json!("Never"))
        );
        assert!(job["spec"].get("ttlSecondsAfterFinished").is_none());
        assert_eq!(job["metadata"]["ownerReferences"][0]["uid"], "u1");
        assert_eq!(job["metadata"]["labels"][ROLLOUT_UID_LABEL], "u1");
    }

    #[test]
    fn a_template_without_containers_is_told() {
        for template in [json!({}), json!({"spec": {}}), json!({"spec": {"template": {"spec": {"containers": []}}}})] {
            assert!(job(&rollout(), &asked(), &template).unwrap_err().starts_with("its template has no "));
        }
    }

    #[test]
    fn pods_that_the_service_would_find_are_seen() {
        let job = job(&rollout(), &asked(), &template(&json!({"name": "smoke"}))).unwrap();
        let selector = |key: &str, value: &str| BTreeMap::from([(key.to_owned(), value.to_owned())]);
        assert!(is_behind(&job, &selector("app", "smoke")));
        assert!(!is_behind(&job, &selector("app", "shop")) && !is_behind(&job, &BTreeMap::new()));
    }

    #[test]
    fn its_status_says_where_it_stands() {
        let now: Timestamp = "2026-03-02T09:01:00Z".parse().unwrap();
        let at = |seconds: u32, status: Value| {
            let created = format!("2026-03-02T09:00:{:02}Z", 60 - seconds);
            standing(&json!({"metadata": {"name": "j", "creationTimestamp": created}, "status": status}), now)
        };
        let ended = |kind: &str| json!({"conditions": [{"type": kind, "status": "True", "reason": "BackoffLimitExceeded", "message": "it failed"}]});
        assert_eq!(at(9, ended("Complete")), Standing::Completed);
        assert_eq!(at(9, ended("Failed")), Standing::Failed("BackoffLimitExceeded: it failed".to_owned()));
        assert_eq!(
            at(9, json!({"active": 1, "failed": 2})),
            Standing::Under("Job j runs; 2 of its pods failed".to_owned())
        );
        assert_eq!(at(9, json!({})), Standing::Under("Job j runs".to_owned()));
        let Standing::Under(told) = at(40, json!({})) else { panic!("it has not ended") };
        assert!(told.starts_with("Job j has no pod: a quota"), "{told}");
    }
}
