//! Gates that run a Job. Its controller is the real one; its pods are completed by the kubelet stand-in.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams},
};
use serde_json::{Value, json};
use tidegate_api::{GateState, Phase, condition::reason, metadata::field_manager::GATE_MANAGER};
use tidegate_testkit::{
    Result, audit::Request, cluster, control_plane::Identity, pod_server::Faults, shop::Shop, snapshot::Snapshot,
    wait::until, world::World,
};

use crate::{
    behaviour::behaviours,
    scenes::{A_WHILE, LATER, SOON, adopted, promoted, quick, reverted},
};

behaviours![
    a_job_that_completes_lets_a_stage_be_left_and_goes_with_the_rollout,
    a_job_that_fails_turns_the_traffic_back_with_its_last_words_and_stays_until_the_next_version,
    a_job_that_fails_keeps_a_version_from_starting_and_says_where_to_look,
    a_job_is_made_of_a_cron_job_and_one_that_is_not_there_is_told,
    a_job_that_never_ends_turns_the_traffic_back_when_its_time_is_up,
    a_job_that_somebody_deletes_runs_again,
    a_job_without_pods_is_told,
    a_job_whose_pods_would_get_requests_is_not_made,
    an_operator_that_is_killed_while_a_job_runs_starts_no_other,
    a_failure_turns_the_traffic_back_while_a_job_runs,
];

/// A Job whose only pod behaves as these annotations say.
fn job(annotations: &Value) -> Value {
    json!({"template": {"spec": {"template": {
        "metadata": {"annotations": annotations},
        "spec": {"containers": [{"name": "smoke", "image": "shop/smoke:1"}]},
    }}}})
}

/// [`quick`], with that Job behind the first stage.
fn tested(job: &Value) -> Value {
    let mut plan = quick();
    plan["stages"][0]["after"] = json!([{"name": "smoke", "job": job}]);
    plan
}

fn endless() -> Value {
    job(&json!({"rig/ends-after": "1h"}))
}

fn api(shop: &Shop) -> Api<Job> {
    Api::namespaced(shop.client.clone(), &shop.namespace)
}

async fn jobs(shop: &Shop) -> Result<Vec<Job>> {
    Ok(api(shop).list(&ListParams::default().labels("tidegate.dev/gate=smoke")).await?.items)
}

/// Waits until the gate's Job is there.
async fn started(shop: &Shop) -> Result<Job> {
    until("the Job", LATER, || async { jobs(shop).await.ok()?.pop() }).await
}

/// Waits until the gate's Job is not there.
async fn gone(shop: &Shop) -> Result<()> {
    until("the Job to be gone", LATER, || async { jobs(shop).await.ok()?.is_empty().then_some(()) }).await
}

fn said(now: &Snapshot) -> Option<(GateState, String)> {
    now.status().gates.last().map(|gate| (gate.state, gate.message.clone()))
}

async fn tells(shop: &Shop, what: &str) -> Result<Snapshot> {
    shop.wait(what, LATER, |now| said(now).is_some_and(|(_, message)| message.contains(what))).await
}

async fn a_job_that_completes_lets_a_stage_be_left_and_goes_with_the_rollout(world: &World) -> Result<()> {
    let mut plan = tested(&job(&json!({"rig/ends-after": "2s"})));
    plan["stages"][0]["preview"] = json!({"service": "checkout-preview"});
    let shop = adopted(world.shop("job-completes"), plan).await?;
    shop.release("v2", &[]).await?;
    let job = started(&shop).await?;
    let env = job.spec.as_ref().and_then(|spec| spec.template.spec.as_ref()?.containers[0].env.clone());
    let told = |name: &str| {
        let known = env.iter().flatten().find(|known| known.name == name);
        known.and_then(|known| known.value.clone()).unwrap_or_default()
    };
    let version = shop.now().status().canary.map(|canary| canary.revision).unwrap_or_default();
    let asked = ["TIDEGATE_REVISION", "TIDEGATE_IMAGES", "TIDEGATE_STAGE", "TIDEGATE_PREVIEW_SERVICE"].map(told);
    let expected = [version.as_str(), "shop/checkout:v2", "canary", "checkout-preview"];
    shop.check(&format!("it is told {asked:?}"), asked == expected).await?;
    let owner = job.owner_references().first().map(|owner| owner.kind.clone());
    shop.check(&format!("of {owner:?}"), owner.as_deref() == Some("Rollout")).await?;
    let by: Vec<_> = job.managed_fields().iter().filter_map(|entry| entry.manager.as_deref()).collect();
    shop.check(&format!("by {by:?}"), by.contains(&GATE_MANAGER)).await?;
    let passed = format!("lets version {version} (checkout:v2) pass: Job {} completed", job.name_any());
    let is_told = |now: &Snapshot| now.status().history.iter().any(|step| step.message.contains(&passed));
    shop.wait("its end to be told", LATER, is_told).await?;
    promoted(&shop, "v2").await?;
    gone(&shop).await?;
    shop.lost_nothing().await
}

async fn a_job_that_fails_turns_the_traffic_back_with_its_last_words_and_stays_until_the_next_version(
    world: &World,
) -> Result<()> {
    let says = "GET /checkout\nexpected 200, was 503\u{7}\n";
    let shop = adopted(world.shop("job-fails"), tested(&job(&json!({"rig/exit-code": "3", "rig/says": says})))).await?;
    may_list_pods(&shop).await?;
    shop.release("v2", &[]).await?;
    reverted(&shop).await?;
    let message = shop.now().status().message;
    let words = "container smoke ended with code 3 and said: GET /checkout | expected 200, was 503";
    shop.check(&message, message.contains("gate smoke says no: Job checkout-smoke-") && message.contains(words))
        .await?;
    shop.stays("its Job is there to be read", A_WHILE, |now| now.is(Phase::Reverted)).await?;
    shop.check("one Job", jobs(&shop).await?.len() == 1).await?;
    shop.patch_rollout(json!({"stages": quick()["stages"]})).await?;
    shop.release("v3", &[]).await?;
    promoted(&shop, "v3").await?;
    gone(&shop).await
}

/// What the Helm value `jobs.logs` grants.
async fn may_list_pods(shop: &Shop) -> Result<()> {
    let group = "rbac.authorization.k8s.io";
    let metadata = json!({"name": "tidegate-job-logs", "namespace": shop.namespace});
    let role = json!({
        "apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata,
        "rules": [{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}],
    });
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "tidegate-job-logs"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": Identity::Operator.user()}],
    });
    cluster::create(&shop.client, role).await?;
    cluster::create(&shop.client, binding).await
}

async fn a_job_that_fails_keeps_a_version_from_starting_and_says_where_to_look(world: &World) -> Result<()> {
    let mut plan = quick();
    plan["gates"] = json!({"start": [{"name": "smoke", "job": job(&json!({"rig/exit-code": "1"}))}]});
    let shop = adopted(world.shop("job-start"), plan).await?;
    shop.release("v2", &[]).await?;
    reverted(&shop).await?;
    let message = shop.now().status().message;
    shop.check(&message, message.contains("kubectl logs job/checkout-smoke-")).await?;
    shop.check("nothing of it was there", shop.now().pods_of("v2") == 0).await
}

async fn a_job_is_made_of_a_cron_job_and_one_that_is_not_there_is_told(world: &World) -> Result<()> {
    let shop = adopted(world.shop("job-cron"), tested(&json!({"cronJob": "smoke"}))).await?;
    shop.release("v2", &[]).await?;
    tells(&shop, "there is no CronJob smoke in this namespace").await?;
    let template = job(&json!({"rig/ends-after": "1s"}))["template"].clone();
    let mut template = template;
    template["metadata"] = json!({"labels": {"team": "payments"}});
    template["spec"]["template"]["spec"]["restartPolicy"] = json!("Never");
    let cron_job = json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "smoke", "namespace": shop.namespace},
        "spec": {"schedule": "0 0 1 1 *", "suspend": true, "jobTemplate": template},
    });
    cluster::create(&shop.client, cron_job).await?;
    let job = started(&shop).await?;
    shop.check("with its labels", job.labels().get("team").is_some_and(|team| team == "payments")).await?;
    promoted(&shop, "v2").await
}

async fn a_job_that_never_ends_turns_the_traffic_back_when_its_time_is_up(world: &World) -> Result<()> {
    let mut plan = tested(&endless());
    plan["stages"][0]["after"][0]["timeout"] = json!("5s");
    plan["stages"][0]["after"][0]["onTimeout"] = json!("Revert");
    let shop = adopted(world.shop("job-endless"), plan).await?;
    shop.release("v2", &[]).await?;
    started(&shop).await?;
    reverted(&shop).await?;
    let message = shop.now().status().message;
    shop.check(&message, message.contains("gate smoke has waited for longer than 5s: Job checkout-smoke-")).await?;
    gone(&shop).await
}

async fn a_job_that_somebody_deletes_runs_again(world: &World) -> Result<()> {
    let shop = adopted(world.shop("job-deleted"), tested(&endless())).await?;
    shop.release("v2", &[]).await?;
    let first = started(&shop).await?;
    tells(&shop, "runs").await?;
    api(&shop).delete(&first.name_any(), &DeleteParams::background()).await?;
    let uid = first.metadata.uid.clone();
    let again = || async { jobs(&shop).await.ok()?.into_iter().find(|job| job.metadata.uid != uid) };
    let second = until("another Job", LATER, again).await?;
    shop.check("of the same name", second.name_any() == first.name_any()).await?;
    shop.check("the version waits", shop.now().stage() == "canary").await
}

async fn a_job_without_pods_is_told(world: &World) -> Result<()> {
    let mut job = endless();
    job["template"]["spec"]["parallelism"] = json!(0);
    job["template"]["spec"]["template"]["spec"]["serviceAccountName"] = json!("tester");
    let shop = adopted(world.shop("job-podless"), tested(&job)).await?;
    shop.release("v2", &[]).await?;
    started(&shop).await?;
    tells(&shop, "has no pod: a quota, an admission policy or a missing ServiceAccount (tester)").await?;
    Ok(())
}

async fn a_job_whose_pods_would_get_requests_is_not_made(world: &World) -> Result<()> {
    let mut job = endless();
    job["template"]["spec"]["template"]["metadata"]["labels"] = json!({"app": "checkout"});
    let shop = adopted(world.shop("job-behind"), tested(&job)).await?;
    shop.release("v2", &[]).await?;
    tells(&shop, "Service checkout would send requests to its pods; give them other labels").await?;
    shop.check("there is none", jobs(&shop).await?.is_empty()).await
}

async fn an_operator_that_is_killed_while_a_job_runs_starts_no_other(world: &World) -> Result<()> {
    let since = Timestamp::now();
    let mut shop = adopted(world.shop("job-killed"), tested(&job(&json!({"rig/ends-after": "8s"})))).await?;
    shop.release("v2", &[]).await?;
    let first = started(&shop).await?;
    shop.operator()?.restart()?;
    promoted(&shop, "v2").await?;
    let writes = world.audit.writes(Identity::Operator, &shop.namespace, since)?;
    let made = |write: &&Request| write.access.verb == "create" && write.access.resource == "jobs";
    let created = writes.iter().filter(made).count();
    shop.check(&format!("{created} were made, the first {}", first.name_any()), created == 1).await
}

async fn a_failure_turns_the_traffic_back_while_a_job_runs(world: &World) -> Result<()> {
    let shop = adopted(world.shop("job-failure"), tested(&endless())).await?;
    shop.release("v2", &[]).await?;
    started(&shop).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    shop.wait("the traffic to be back", SOON, |now| now.share_in_force().unwrap_or(0) == 0).await?;
    reverted(&shop).await?;
    gone(&shop).await
}

/// What takes an API server that looks into the specs of Jobs.
pub mod looked_into {
    use super::{Faults, Result, SOON, World, adopted, endless, json, reason, tells, tested};

    crate::behaviour::behaviours![a_job_that_the_api_server_refuses_is_told_and_delays_no_revert];

    async fn a_job_that_the_api_server_refuses_is_told_and_delays_no_revert(world: &World) -> Result<()> {
        let mut job = endless();
        job["template"]["spec"]["template"]["spec"]["restartPolicy"] = json!("Always");
        let shop = adopted(world.shop("job-refused"), tested(&job)).await?;
        shop.release("v2", &[]).await?;
        tells(&shop, "spec.template.spec.restartPolicy").await?;
        shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
        shop.wait("the traffic to be back", SOON, |now| now.share_in_force().unwrap_or(0) == 0).await?;
        let told = shop.events().await?.into_iter().any(|event| event.reason == reason::GATE_STOPPED);
        shop.check("by the check, and not by the gate", !told).await
    }
}
