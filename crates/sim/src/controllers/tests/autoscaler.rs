//! The horizontal pod autoscaler.

use std::time::Duration;

use serde_json::json;

use super::{
    Lab,
    lab::{NAME, SHOP},
};

#[tokio::test(start_paused = true)]
async fn an_autoscaler_follows_the_load_between_its_bounds() {
    let lab = Lab::with(4).await;
    lab.create(json!({
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": NAME, "namespace": SHOP},
        "spec": {"minReplicas": 3, "maxReplicas": 12,
                 "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME}},
    }));
    let replicas = |lab: &Lab| lab.deployment()["spec"]["replicas"].as_i64().unwrap();
    lab.controllers.set_load(SHOP, NAME, 9.5);
    lab.until("it has grown", |lab| replicas(lab) == 10).await;
    lab.controllers.set_load(SHOP, NAME, 40.0);
    lab.until("it is at its most", |lab| replicas(lab) == 12).await;
    lab.controllers.set_load(SHOP, NAME, 1.0);
    lab.pass(240).await;
    assert_eq!(replicas(&lab), 12);
    lab.within(Duration::from_mins(10), "it is at its least", |lab| replicas(lab) == 3).await;
    assert_eq!(lab.get("horizontalpodautoscalers", NAME).value()["status"]["desiredReplicas"], 3);
}
