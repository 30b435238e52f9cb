//! `explain`, `diff` and rehearsals: what kubectl asks the server's own description for.

use serde_json::json;

use crate::front::{Front, config_map, deployment, rollout};

#[tokio::test(flavor = "multi_thread")]
async fn every_field_of_a_definition_is_explained() {
    let Some(front) = Front::start().await else { return };
    let told = front.kubectl("explain rollouts.tidegate.dev.spec").await;
    for words in ["KIND:       Rollout", "VERSION:    v1alpha1", "stages\t<[]Object>", "service\t<string> -required-"] {
        assert!(told.contains(words), "{told}");
    }
    let all = front.kubectl("explain rollouts.tidegate.dev --recursive").await;
    assert!(all.contains("metadata\t<ObjectMeta>") && all.contains("bake\t<string>"), "{all}");
    let refusal = front.refused("explain rollouts.tidegate.dev.spec.stagez", &json!(null)).await;
    assert!(refusal.contains("field \"stagez\" does not exist"), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_built_in_kind_is_explained() {
    let Some(front) = Front::start().await else { return };
    let told = front.kubectl("explain deployments.spec.strategy.rollingUpdate").await;
    assert!(told.contains("maxSurge\t<IntOrString>"), "{told}");
    for resource in front.server.resources() {
        let told =
            front.kubectl(&format!("explain {} --api-version={}", resource.plural, resource.api_version())).await;
        assert!(told.contains(&format!("KIND:       {}", resource.kind)), "{told}");
    }
    let told = front.kubectl("explain events --api-version=events.k8s.io/v1").await;
    assert!(told.contains("reportingController\t<string>"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_diff_shows_what_an_apply_would_change() {
    let Some(front) = Front::start().await else { return };
    for (mut manifest, of, field, value) in
        [(config_map("a"), "data", "colour", "blue"), (rollout(), "spec", "drain", "45s")]
    {
        front.kubectl_with("apply -f -", &manifest).await;
        assert_eq!(front.kubectl_with("diff -f -", &manifest).await, "");
        manifest[of][field] = json!(value);
        let shown = front.differing("diff -f -", &manifest).await;
        assert!(shown.contains(&format!("+  {field}: {value}")), "{shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_on_the_server_answers_as_the_real_thing_and_leaves_nothing() {
    let Some(front) = Front::start().await else { return };
    for rehearsed in ["create deployment web --image=shop:1", "run single --image=shop:1", "create namespace shop"] {
        let told = front.kubectl(&format!("{rehearsed} --dry-run=server")).await;
        assert!(told.contains("created (server dry run)"), "{told}");
    }
    front.kubectl_with("apply --server-side --dry-run=server -f -", &deployment()).await;
    assert!(front.server.list("deployments", None).is_empty());
    assert!(front.server.get("namespaces", "", "shop").is_none());
}
