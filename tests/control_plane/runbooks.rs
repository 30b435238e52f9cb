//! Two of the runbooks in `examples/runbooks`, on real parts and in haste: webhooks over TLS, Jobs of the real controller, numbers of
//! the real Prometheus.
//!
//! The manifests are those that a team would apply. Their times become seconds, what the shop's pods do not count is not asked, the
//! days of the week, on one of which the test runs, are left out, and where a header says who meets the version first, a share of
//! the shop's users does, who are all alike.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use k8s_openapi::{
    api::batch::v1::{CronJob, Job},
    apimachinery::pkg::apis::meta::v1::Time,
};
use kube::{
    Api, ResourceExt,
    api::{ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use tidegate_api::{GateState, GateStatus, Phase, condition::reason};
use tidegate_testkit::{
    Result,
    board::Board,
    pod_server::Faults,
    shop::Shop,
    snapshot::{Snapshot, runs},
    wait::until,
    world::World,
};

use crate::{
    behaviour::behaviours,
    scenes::{LATER, adopted, reverted},
};

behaviours![
    the_cutover_of_a_tool_server_gives_no_traffic_before_its_checks_have_passed_and_all_of_it_then,
    the_cutover_of_a_tool_server_is_taken_back_within_the_five_minutes_of_its_runbook,
    the_cutover_of_a_tool_server_does_not_happen_where_a_smoke_test_fails,
    a_staged_user_release_migrates_the_database_before_there_is_a_pod_of_the_new_version,
    a_staged_user_release_does_not_start_where_the_migration_fails,
    a_staged_user_release_that_fails_for_everybody_goes_back,
];

/// "Quick rollback (< 5 minutes)".
const FIVE_MINUTES: Duration = Duration::from_mins(5);

/// A runbook's Rollout in haste, and the `CronJob`s beside it.
struct Runbook {
    plan: Value,
    cron_jobs: Vec<Value>,
}

impl Runbook {
    fn read(name: &str) -> Result<Self> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/runbooks").join(name).join("rollout.yaml");
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let documents = text.split("\n---\n").map(serde_saphyr::from_str::<Value>);
        let documents = documents.collect::<Result<Vec<_>, _>>()?;
        let of = |kind: &str| documents.iter().filter(|document| document["kind"] == kind).cloned().collect::<Vec<_>>();
        let mut plan = of("Rollout").pop().context("it has a Rollout")?["spec"].take();
        hasten(&mut plan);
        Ok(Self { plan, cron_jobs: of("CronJob") })
    }

    /// The names of the gates that wait for people, in their order, each with a group that may approve.
    fn approvals(&self) -> Vec<(String, String)> {
        let mut gates = Vec::new();
        let mut add = |list: &Value| gates.extend(list.as_array().into_iter().flatten().cloned());
        add(&self.plan["gates"]["start"]);
        for stage in self.plan["stages"].as_array().into_iter().flatten() {
            add(&stage["before"]);
            add(&stage["after"]);
        }
        add(&self.plan["gates"]["promote"]);
        let people = gates.into_iter().filter_map(|gate| {
            let group = gate["approval"]["groups"][0].as_str()?.to_owned();
            Some((gate["name"].as_str()?.to_owned(), group))
        });
        people.collect()
    }

    /// The pod of its migration behaves as these annotations say.
    fn migrate(&mut self, annotations: &Value) -> Result<()> {
        let mut jobs = self.cron_jobs.iter_mut();
        let migration = jobs.find(|job| job["metadata"]["name"] == "writer-migration").context("it has a migration")?;
        migration["spec"]["jobTemplate"]["spec"]["template"]["metadata"] = json!({"annotations": annotations});
        Ok(())
    }

    /// A shop that follows it, beside a board that says go.
    async fn open(&self, world: &World, name: &str) -> Result<(Board, Shop)> {
        let board = Board::open(world.control_plane.directory(), name).await?;
        board.says("go");
        let shop = adopted(world.shop(name).webhooks(&board.config), self.plan.clone()).await?;
        let api: Api<CronJob> = Api::namespaced(shop.client.clone(), &shop.namespace);
        for cron_job in &self.cron_jobs {
            let mut cron_job: CronJob = serde_json::from_value(cron_job.clone())?;
            cron_job.metadata.namespace = None;
            api.create(&PostParams::default(), &cron_job).await?;
        }
        Ok((board, shop))
    }

    /// Says yes wherever the runbook asks people, when it does.
    async fn sign(&self, shop: &Shop) -> Result<()> {
        let mut entries = Vec::new();
        for (gate, group) in self.approvals() {
            let waits = |known: &GateStatus| known.name == gate && known.state == GateState::Waiting;
            let now = shop.wait(&gate, LATER, |now| now.status().gates.iter().any(waits)).await?;
            let revision = now.status().gates.into_iter().find(waits).map(|known| known.revision).unwrap_or_default();
            entries.push(format!("{revision}/{gate} by jane of {group}"));
            let patch = json!({"metadata": {"annotations": {"tidegate.dev/approve": entries.join("; ")}}});
            shop.rollouts().patch("checkout", &PatchParams::default(), &Patch::Merge(patch)).await?;
        }
        Ok(())
    }
}

/// Seconds for days; what names the runbook's own objects, the shop fills in.
fn hasten(plan: &mut Value) {
    let Some(fields) = plan.as_object_mut() else { return };
    for own in ["workload", "service", "replicas", "traffic", "schedule", "track"] {
        fields.remove(own);
    }
    fields.insert("drain".to_owned(), json!("1s"));
    plan["analysis"]["interval"] = json!("1s");
    retain(&mut plan["analysis"]["checks"], is_counted);
    let kept: Vec<_> =
        plan["analysis"]["checks"].as_array().into_iter().flatten().map(|it| it["name"].clone()).collect();
    let is_kept = |check: &Value| kept.contains(&check["name"]) || asks(check) && is_counted(check);
    for stage in plan["stages"].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        stage.insert("bake".to_owned(), json!("2s"));
        stage.remove("cadence");
        if stage.remove("match").is_some() {
            stage.insert("weight".to_owned(), json!("25%"));
        }
        if let Some(checks) = stage.get_mut("checks") {
            retain(checks, is_kept);
        }
    }
    if let Some(watch) = plan["watch"].as_object_mut() {
        watch.insert("for".to_owned(), json!("10m"));
        watch.remove("cadence");
        if let Some(checks) = watch.get_mut("checks") {
            retain(checks, is_kept);
        }
    }
    shorten(plan);
}

fn retain(list: &mut Value, is_kept: impl Fn(&Value) -> bool) {
    if let Some(list) = list.as_array_mut() {
        list.retain(is_kept);
    }
}

fn asks(check: &Value) -> bool {
    ["errorRate", "latency", "query"].iter().any(|kind| check.get(kind).is_some())
}

/// Whether the pods of the shop count what the check asks for.
fn is_counted(check: &Value) -> bool {
    let expr = check["query"]["expr"].as_str();
    let preset = ["errorRate", "latency"].iter().any(|kind| check[kind]["preset"] == "pod-http");
    preset || expr.is_some_and(|expr| expr.contains("http_request"))
}

/// The one endpoint that there is, and short ranges in PromQL.
fn shorten(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields.contains_key("endpoint") {
                fields.insert("endpoint".to_owned(), json!("board"));
            }
            if let Some(Value::String(expr)) = fields.get_mut("expr") {
                for (range, short) in
                    [("[1h]", "[5s]"), ("[2m]", "[5s]"), ("[15m:1m]", "[5s:1s]"), ("[30m:1m]", "[5s:1s]")]
                {
                    *expr = expr.replace(range, short);
                }
                if fields.contains_key("for") {
                    fields.insert("for".to_owned(), json!("2s"));
                }
            }
            fields.values_mut().for_each(shorten);
        }
        Value::Array(items) => items.iter_mut().for_each(shorten),
        _ => {}
    }
}

/// Lets the version through all that the runbook asks.
async fn promoted(runbook: &Runbook, shop: &Shop) -> Result<()> {
    runbook.sign(shop).await?;
    shop.wait("v2 to be promoted", LATER, |now| now.is(Phase::Stable) && now.stable() == "v2").await?;
    Ok(())
}

/// The Jobs of a gate that the API server has, or had: one that has passed goes with its rollout.
async fn job(shop: &Shop, gate: &str) -> Result<Option<Job>> {
    let api: Api<Job> = Api::namespaced(shop.client.clone(), &shop.namespace);
    Ok(api.list(&ListParams::default().labels(&format!("tidegate.dev/gate={gate}"))).await?.items.pop())
}

async fn the_cutover_of_a_tool_server_gives_no_traffic_before_its_checks_have_passed_and_all_of_it_then(
    world: &World,
) -> Result<()> {
    let runbook = Runbook::read("tool-server-cutover")?;
    let (board, shop) = runbook.open(world, "runbook-cutover").await?;
    shop.release("v2", &[]).await?;
    promoted(&runbook, &shop).await?;
    shop.check("the pipeline was asked", board.times() > 0).await?;
    let mut shares = shop.canary_weights();
    shares.dedup();
    let shares: Vec<_> = shares.into_iter().flatten().collect();
    shop.check(&format!("nobody, then everybody: {shares:?}"), shares.starts_with(&[0, 100])).await?;
    let events = shop.events().await?;
    let told = |gate: &str| {
        let passed = format!("gate {gate} lets version");
        events.iter().any(|event| event.reason == reason::GATE_PASSED && event.note.starts_with(&passed))
    };
    let passed = ["pipeline", "stakeholders", "health", "smoke", "integration"].map(told);
    shop.check(&format!("all of its gates: {passed:?}"), passed == [true; 5]).await?;
    shop.lost_nothing().await
}

async fn the_cutover_of_a_tool_server_is_taken_back_within_the_five_minutes_of_its_runbook(
    world: &World,
) -> Result<()> {
    let runbook = Runbook::read("tool-server-cutover")?;
    let (_board, shop) = runbook.open(world, "runbook-back").await?;
    shop.release("v2", &[]).await?;
    promoted(&runbook, &shop).await?;
    shop.wait("it to be watched", LATER, |now| now.status().watch.is_some_and(|watch| watch.since.is_some())).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    let began = Instant::now();
    let is_back = |now: &Snapshot| {
        now.is(Phase::Reverted) && now.stable() == "v1" && now.pods_of("v2") == 0 && now.ready_count("v1") == 4
    };
    shop.wait("v1 to serve alone again", FIVE_MINUTES, is_back).await?;
    let took = began.elapsed();
    shop.check(&format!("back after {took:?}"), took < FIVE_MINUTES).await?;
    shop.lost_nothing().await
}

async fn the_cutover_of_a_tool_server_does_not_happen_where_a_smoke_test_fails(world: &World) -> Result<()> {
    let mut runbook = Runbook::read("tool-server-cutover")?;
    let mut gates = runbook.plan["stages"][0]["after"].as_array_mut().into_iter().flatten();
    let smoke = gates.find(|gate| gate["name"] == "smoke").context("it has a smoke test")?;
    smoke["job"]["template"]["spec"]["template"]["metadata"] = json!({"annotations": {"rig/exit-code": "1"}});
    let (_board, shop) = runbook.open(world, "runbook-smoke").await?;
    shop.release("v2", &[]).await?;
    runbook.sign(&shop).await?;
    reverted(&shop).await?;
    let shares: Vec<_> = shop.canary_weights().into_iter().flatten().filter(|share| *share > 0).collect();
    shop.check(&format!("nobody met it: {shares:?}"), shares.is_empty()).await?;
    shop.lost_nothing().await
}

async fn a_staged_user_release_migrates_the_database_before_there_is_a_pod_of_the_new_version(
    world: &World,
) -> Result<()> {
    let mut runbook = Runbook::read("staged-user-release")?;
    runbook.migrate(&json!({"rig/ends-after": "3s"}))?;
    let (_board, shop) = runbook.open(world, "runbook-staged").await?;
    shop.release("v2", &[]).await?;
    let (signing, migrated) = tokio::join!(runbook.sign(&shop), migrated(&shop));
    signing?;
    let migrated = migrated?;
    shop.wait("v2 to be promoted", LATER, |now| now.is(Phase::Stable) && now.stable() == "v2").await?;
    let now = shop.now();
    let pods = now.pods.iter().filter(|pod| runs(pod, "v2"));
    let first = pods.filter_map(|pod| pod.creation_timestamp()).map(|at| at.0).min();
    shop.check(
        &format!("the schema is there at {migrated:?}, the first pod of v2 that is left at {first:?}"),
        first.is_some_and(|first| first >= migrated.0),
    )
    .await?;
    let mut shares = shop.canary_weights();
    shares.dedup();
    shop.check(&format!("insiders, then everybody: {shares:?}"), shares.contains(&Some(100))).await?;
    shop.lost_nothing().await
}

/// When the migration has completed; until then, no pod of the new version is there.
async fn migrated(shop: &Shop) -> Result<Time> {
    until("the migration", LATER, || async {
        let is_first = shop.now().pods_of("v2") == 0;
        job(shop, "migration").await.ok()??.status?.completion_time.filter(|_| is_first)
    })
    .await
}

async fn a_staged_user_release_does_not_start_where_the_migration_fails(world: &World) -> Result<()> {
    let mut runbook = Runbook::read("staged-user-release")?;
    runbook.migrate(&json!({"rig/exit-code": "1"}))?;
    let (_board, shop) = runbook.open(world, "runbook-migration").await?;
    shop.release("v2", &[]).await?;
    let start = Runbook { plan: json!({"gates": runbook.plan["gates"]}), cron_jobs: Vec::new() };
    start.sign(&shop).await?;
    reverted(&shop).await?;
    let message = shop.now().status().message;
    shop.check(&message, message.contains("gate migration says no")).await?;
    let job = job(&shop, "migration").await?.map(|job| job.name_any());
    shop.check(&format!("its Job can be read: {job:?}"), job.is_some()).await?;
    let has_started = shop.events().await?.into_iter().any(|event| event.reason == reason::STARTED);
    shop.check("no pod of v2 was ever asked for", !has_started && shop.now().pods_of("v2") == 0).await?;
    shop.lost_nothing().await
}

async fn a_staged_user_release_that_fails_for_everybody_goes_back(world: &World) -> Result<()> {
    let mut runbook = Runbook::read("staged-user-release")?;
    runbook.plan["stages"][1]["bake"] = json!("1m");
    let (_board, shop) = runbook.open(world, "runbook-everybody").await?;
    shop.release("v2", &[]).await?;
    runbook.sign(&shop).await?;
    shop.wait("everybody", LATER, |now| now.stage() == "everybody" && now.share_in_force() == Some(100)).await?;
    shop.set_faults("v2", Faults { error_rate: 0.5, ..Faults::default() });
    reverted(&shop).await?;
    shop.lost_nothing().await
}
