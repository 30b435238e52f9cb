//! Names that Kubernetes cuts in the names of pods.

use crate::command::{GOOD, ROLLOUT, ScenarioFile};

#[test]
fn a_deployment_with_a_long_name_is_released_and_judged_like_any_other() {
    for length in [46, 47, 53, 57, 63] {
        let name = "orders-platform-payments-settlement-reconciliation-worker-of-eu"[..length]
            .trim_end_matches('-')
            .to_owned();
        let plan = ScenarioFile::new(&GOOD.replace(", serving: 'checkout:v2'", ""));
        plan.write(
            "rollout.yaml",
            &ROLLOUT
                .replace("name: checkout", &format!("name: {name}"))
                .replace("service: checkout", &format!("service: {name}")),
        );
        let outcome = plan.simulate(&[]);
        assert_eq!((outcome.code, outcome.complaint.as_str()), (0, ""), "{name}: {}", outcome.printed);
    }
}
