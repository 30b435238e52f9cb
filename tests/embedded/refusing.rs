//! What the server refuses, and how kubectl tells it.

use serde_json::json;

use crate::front::{Front, deployment, rollout};

#[tokio::test(flavor = "multi_thread")]
async fn a_rollout_that_breaks_the_schema_or_a_rule_is_refused_with_a_sentence() {
    let Some(front) = Front::start().await else { return };
    let mut falling = rollout();
    falling["spec"]["stages"] =
        json!([{"name": "a", "weight": "25%"}, {"name": "b", "weight": "5%"}, {"name": "c", "weight": "100%"}]);
    let refusal = front.refused("apply -f -", &falling).await;
    assert!(refusal.contains("the weights of the stages must rise"), "{refusal}");
    let mut wrong = rollout();
    wrong["spec"]["paused"] = json!("yes");
    let refusal = front.refused("apply --validate=false -f -", &wrong).await;
    let sentence = "spec.paused: Invalid value: \"string\": spec.paused in body must be of type boolean: \"string\"";
    assert!(refusal.contains(sentence), "{refusal}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_does_not_exist_is_refused_warned_of_or_dropped_as_asked() {
    let Some(front) = Front::start().await else { return };
    let mut misspelt = rollout();
    misspelt["spec"]["stagez"] = json!([]);
    let refusal = front.refused("create --validate=strict -f -", &misspelt).await;
    assert!(refusal.contains("unknown field \"spec.stagez\""), "{refusal}");
    let warned = front.kubectl_with("create --validate=warn -f -", &misspelt).await;
    assert!(warned.contains("Warning: unknown field \"spec.stagez\""), "{warned}");
    assert_eq!(front.object("rollouts", "checkout")["spec"].get("stagez"), None);
    front.kubectl("delete rollout checkout").await;
    let quiet = front.kubectl_with("create --validate=ignore -f -", &misspelt).await;
    assert!(!quiet.contains("Warning"), "{quiet}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patch_with_a_field_that_does_not_exist_is_warned_of() {
    let Some(front) = Front::start().await else { return };
    front.kubectl_with("apply -f -", &deployment()).await;
    front.kubectl_with("apply -f -", &rollout()).await;
    let patch = json!({"spec": {"misspelt": 1}});
    for typed in
        ["patch deployment checkout", "patch deployment checkout --type=merge", "patch rollout checkout --type=merge"]
    {
        let warned = front.kubectl(&format!("{typed} -p {patch}")).await;
        assert!(warned.contains("Warning: unknown field \"spec.misspelt\""), "{typed}: {warned}");
    }
    assert_eq!(front.object("deployments", "checkout")["spec"].get("misspelt"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_that_a_built_in_kind_does_not_have_is_refused_or_warned_of_as_well() {
    let Some(front) = Front::start().await else { return };
    let mut misspelt = deployment();
    misspelt["spec"]["template"]["spec"]["containers"][0]["imag"] = json!("shop:1");
    let refusal = front.refused("apply -f -", &misspelt).await;
    assert!(refusal.contains("unknown field \"spec.template.spec.containers[0].imag\""), "{refusal}");
    let warned = front.kubectl_with("apply --validate=warn -f -", &misspelt).await;
    assert!(warned.contains("Warning: unknown field \"spec.template.spec.containers[0].imag\""), "{warned}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strategic_merge_patch_of_a_custom_resource_is_refused() {
    let Some(front) = Front::start().await else { return };
    front.kubectl_with("create -f -", &rollout()).await;
    let patch = json!({"spec": {"paused": true}});
    let refusal = front.refused(&format!("patch rollout checkout --type=strategic -p {patch}"), &json!(null)).await;
    assert!(refusal.contains("UnsupportedMediaType") || refusal.contains("not supported"), "{refusal}");
}
