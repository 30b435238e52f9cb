//! The chart's policy for approvals, on a real API server: nobody approves under another name.

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tidegate_testkit::{Result, assets::named, cluster, shop::Shop, wait::until, world::World};
use tokio::process::Command;

use crate::{
    behaviour::behaviours,
    scenes::{SOON, adopted, promoted, quick},
};

behaviours![with_the_policy_of_the_chart_nobody_approves_under_another_name_or_group];

async fn with_the_policy_of_the_chart_nobody_approves_under_another_name_or_group(world: &World) -> Result<()> {
    let Ok(helm) = named("helm", "HELM") else { return Ok(()) };
    let mut plan = quick();
    plan["stages"][0]["after"] = json!([{"name": "sign-off", "approval": {"groups": ["release"]}}]);
    let shop = adopted(world.shop("verified"), plan).await?;
    install(&shop, &helm).await?;
    // As the role of the chart, and one that may do everything with Rollouts but approve.
    bind(&shop, "approver", &["get", "patch", "approve"], &["jane", "eve"]).await?;
    bind(&shop, "editor", &["get", "patch"], &["joe"]).await?;
    shop.release("v2", &[]).await?;
    let now = shop.wait("the gate to be asked", SOON, |now| !now.status().gates.is_empty()).await?;
    let version = now.revision("v2").unwrap_or_default();
    let by = |who: &str| format!("{version}/sign-off by {who}");
    let refusal = "joe may not approve Rollout checkout";
    until("the policy to be in force", SOON, || async {
        approve(world, &shop, ("joe", "release"), &by("joe"))
            .await
            .err()
            .filter(|why| why.to_string().contains(refusal))
    })
    .await?;
    for (who, entry, why) in [
        (("eve", "web"), by("jane"), "nobody approves under another name"),
        (("eve", "web"), by("eve by jane"), "nobody approves under another name"),
        (("eve", "web"), by("eve of release"), "eve is not of all the groups"),
        (("eve", "web"), by("eve of web,release"), "eve is not of all the groups"),
        (("eve", "web"), format!("{}; {}", by("eve"), by("jane of release")), "nobody approves under another name"),
    ] {
        let refused = approve(world, &shop, who, &entry).await.err().map(|why| why.to_string()).unwrap_or_default();
        shop.check(&format!("{entry} is refused: {refused}"), refused.contains(why)).await?;
    }
    approve(world, &shop, ("eve", "web"), &by("eve of web at 2026-03-02T09:00:00Z")).await?;
    let ignored = |now: &tidegate_testkit::snapshot::Snapshot| now.status().spent_approvals.len() == 1;
    shop.wait("one of another group to be ignored", SOON, ignored).await?;
    approve(
        world,
        &shop,
        ("jane", "release"),
        &format!("{}; {}", by("eve of web at 2026-03-02T09:00:00Z"), by("jane of release")),
    )
    .await?;
    promoted(&shop, "v2").await
}

/// Applies what the chart has for approvals, by the administrator, for the shop's namespace alone.
async fn install(shop: &Shop, helm: &std::path::Path) -> Result<()> {
    let chart = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("charts/tidegate");
    let output = Command::new(helm)
        .args(["template", "tidegate"])
        .arg(chart)
        .args(["--set", "approvals.verified=true", "--show-only", "templates/approvals.yaml"])
        .output()
        .await?;
    ensure!(output.status.success(), "helm template failed: {}", String::from_utf8_lossy(&output.stderr));
    let name = format!("tidegate-{}", shop.namespace);
    for text in String::from_utf8(output.stdout)?.split("\n---\n") {
        let mut object: Value = serde_saphyr::from_str(text)?;
        let kind = object["kind"].as_str().context("an object without a kind")?.to_owned();
        if kind == "ClusterRole" {
            continue;
        }
        object["metadata"]["name"] = json!(name);
        if kind == "ValidatingAdmissionPolicyBinding" {
            object["spec"]["policyName"] = json!(name);
            let label = json!({"matchLabels": {"kubernetes.io/metadata.name": shop.namespace}});
            object["spec"]["matchResources"] = json!({"namespaceSelector": label});
        }
        cluster::create(&shop.client, object).await?;
    }
    Ok(())
}

/// Lets people do that with Rollouts.
async fn bind(shop: &Shop, role: &str, verbs: &[&str], people: &[&str]) -> Result<()> {
    let metadata = json!({"name": role, "namespace": shop.namespace});
    let rules = json!([{"apiGroups": ["tidegate.dev"], "resources": ["rollouts"], "verbs": verbs}]);
    let group = "rbac.authorization.k8s.io";
    let api = format!("{group}/v1");
    cluster::create(&shop.client, json!({"apiVersion": api, "kind": "Role", "metadata": metadata, "rules": rules}))
        .await?;
    let subjects: Vec<_> = people.iter().map(|who| json!({"apiGroup": group, "kind": "User", "name": who})).collect();
    let role = json!({"apiGroup": group, "kind": "Role", "name": role});
    let binding =
        json!({"apiVersion": api, "kind": "RoleBinding", "metadata": metadata, "subjects": subjects, "roleRef": role});
    cluster::create(&shop.client, binding).await
}

/// `kubectl annotate`, as somebody of a group.
async fn approve(world: &World, shop: &Shop, (who, group): (&str, &str), entry: &str) -> Result<String> {
    let annotation = format!("tidegate.dev/approve={entry}");
    let arguments =
        ["annotate", "--overwrite", "rollouts.tidegate.dev/checkout", &annotation, "--as", who, "--as-group", group];
    world.kubectl(shop, &arguments).await
}
