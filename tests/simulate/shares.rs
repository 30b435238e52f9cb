//! Gateways that give the new version another share than the one that was written.

use serde_json::Value;

use crate::command::{ROLLOUT, ScenarioFile};

/// Two stages of ten minutes, fifty requests a second, at a gateway that gives the new version `share`.
fn simulated(share: &str, on_share_off: &str, seed: &str) -> Value {
    let plan = ScenarioFile::new(&format!(
        "events:\n- {{at: 0s, gateway: {{share: {share}}}}}\n- {{at: 1m, release: {{image: 'checkout:v2'}}}}\n"
    ));
    let stages = "[{name: canary, weight: 10%, bake: 10m}, {name: full, weight: 100%, bake: 10m}]";
    let rollout = ROLLOUT
        .replace("[{name: full, weight: 100%, bake: 1m}]", stages)
        .replace("[{name: checkout}]}}\n", &format!("[{{name: checkout}}]}}, onShareOff: {on_share_off}}}\n"));
    plan.write("rollout.yaml", &rollout);
    let outcome = plan.simulate(&["-o", "json", "--seed", seed]);
    serde_json::from_str(&outcome.printed).unwrap_or_else(|_| panic!("{}", outcome.complaint))
}

fn message(report: &Value) -> &str {
    report["rollouts"]["checkout"]["message"].as_str().unwrap()
}

#[test]
fn a_stage_with_another_share_than_its_weight_is_held_where_the_rollout_asks_for_it() {
    for (share, cause) in [
        ("50%", "a gateway that does not heed weights: it divides evenly"),
        ("40%", "a few clients with long connections"),
        ("2%", "a gateway that begins its round robin anew"),
    ] {
        for seed in ["1", "2", "3"] {
            let report = simulated(share, "Hold", seed);
            assert_eq!(report["rollouts"]["checkout"]["phase"], "Held", "{share}: {report}");
            let said = message(&report);
            assert!(said.contains("and not 10%; likely causes: ") && said.contains(cause), "{share}: {said}");
            assert!(said.ends_with("held as onShareOff says"), "{said}");
        }
    }
}

#[test]
fn a_stage_with_its_own_share_is_left_and_so_is_any_where_the_rollout_is_only_to_warn() {
    for (share, on_share_off, told) in [("10%", "Hold", 0), ("50%", "Warn", 1)] {
        for seed in ["1", "2", "3"] {
            let report = simulated(share, on_share_off, seed);
            assert_eq!(report["releases"][0]["outcome"], "Promoted", "{share}: {report}");
            let timeline = report["timeline"].as_array().unwrap();
            let of_shares = timeline.iter().filter(|entry| entry["what"] == "ShareOff").count();
            assert_eq!(of_shares, told, "{share}: {report}");
        }
    }
}
