use jiff::Timestamp;

use super::*;
use crate::{
    api::{Phase, RolloutStatus},
    sim::{
        metering::Application,
        operator::ENDPOINT,
        scenario::{Manifests, SETTLING, Scenario},
        traffic::{Exposed, Load},
    },
};

const ROLLOUT: &str = "
apiVersion: tidegate.dev/v1alpha1
kind: Rollout
metadata: {name: checkout, namespace: shop}
spec:
  workload: {kind: Deployment, name: checkout}
  service: checkout
  replicas: 10
  traffic: {gatewayAPI: {routes: [{name: checkout}]}}
  analysis:
    checks:
    - {name: errors, errorRate: {preset: pod-http, max: 1%}}
    - {name: p95, latency: {preset: pod-http, quantile: 0.95, max: 500ms}}
";

struct Shop {
    cluster: Cluster,
    _operator: Operator,
}

impl Shop {
    /// A shop whose only version serves, and which the operator has taken over.
    async fn open(scenario: &str) -> Self {
        let scenario = Scenario::parse(scenario, "scenario.yaml").unwrap();
        let begin = scenario.start - jiff::SignedDuration::try_from(SETTLING).unwrap();
        let clock = Clock::starting_at(begin);
        let cluster = Cluster::start(clock, Settings { seed: 1, ..Settings::default() });
        let mut manifests = Manifests::default();
        manifests.add(ROLLOUT, "rollout.yaml").unwrap();
        let rollout = manifests.rollouts().unwrap().remove(0);
        let exposed = Exposed::new(&rollout.spec, &scenario.traffic);
        let load = Load::new(&scenario, "shop", exposed, 1);
        let mut application = Application::new("shop", Some("checkout"), "checkout", load);
        application.versions.insert("checkout:v1".to_owned(), "stable".to_owned());
        cluster.applications.with(|all| all.push(application));
        for manifest in manifests.complete().unwrap().objects {
            cluster.apply(manifest.object).unwrap();
        }
        let operator = cluster.operator(ENDPOINT);
        let shop = Self { cluster, _operator: operator };
        shop.until("the adoption", |status| status.phase == Phase::Stable).await;
        shop
    }

    fn release(&self, image: &str) {
        let container = json!([{"name": "checkout", "image": image}]);
        let patch = json!({"spec": {"template": {"spec": {"containers": container}}}});
        self.cluster.api.merge("deployments", "shop", "checkout", "", patch, "ci").unwrap();
    }

    fn status(&self) -> RolloutStatus {
        let rollout = self.cluster.api.get("rollouts", "shop", "checkout").unwrap();
        rollout.parse::<Rollout>().unwrap().status.unwrap_or_default()
    }

    fn now(&self) -> Timestamp {
        self.cluster.clock.now()
    }

    async fn until(&self, what: &str, holds: impl Fn(&RolloutStatus) -> bool) {
        let mut changes = self.cluster.api.changes();
        let wait = async {
            while !holds(&self.status()) {
                changes.ready().await;
                changes.drain();
            }
        };
        let waited = tokio::time::timeout(Duration::from_hours(4), wait).await;
        assert!(waited.is_ok(), "waiting for {what}: {:#?}", self.status());
    }
}

#[tokio::test(start_paused = true)]
async fn a_good_version_is_promoted_in_its_three_stages() {
    let shop = Shop::open("{traffic: {requestsPerSecond: 100}}").await;
    let begun = shop.now();
    shop.release("checkout:v2");
    shop.until("the rollout", |status| status.phase == Phase::Progressing).await;
    shop.until("the promotion", |status| status.phase == Phase::Stable).await;
    let history = shop.status().history;
    assert_eq!(history.first().map(|entry| entry.reason.as_str()), Some("Promoted"), "{history:#?}");
    assert!(shop.now().duration_since(begun).as_mins() >= 30, "{history:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_version_that_fails_is_taken_back_within_minutes() {
    let shop = Shop::open("{traffic: {requestsPerSecond: 100}, versions: {canary: {errors: 20%}}}").await;
    let begun = shop.now();
    shop.release("checkout:v2");
    shop.until("the rollout", |status| status.phase == Phase::Progressing).await;
    shop.until("the way back", |status| status.phase == Phase::Reverted).await;
    let history = shop.status().history;
    assert_eq!(history.first().map(|entry| entry.reason.as_str()), Some("Reverted"), "{history:#?}");
    assert!(shop.now().duration_since(begun).as_mins() <= 3, "{history:#?}");
}
