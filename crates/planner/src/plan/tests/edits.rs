//! The plan of a release changes while it is under way.

use serde_json::{Value, json};
use tidegate_api::{Percent, Phase};

use super::{cluster::user_route, lab::Lab, specs::routed};

fn stages(stages: &[(&str, &str, &str)]) -> Value {
    let stages: Vec<_> =
        stages.iter().map(|(name, weight, bake)| json!({"name": name, "weight": weight, "bake": bake})).collect();
    json!({ "stages": stages })
}

/// Ends as every promotion does.
fn promoted(mut lab: Lab) {
    lab.finish();
    assert_eq!((lab.phase(), lab.cluster.pods_of("v2")), (Phase::Stable, 10), "{}", lab.status().message);
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
}

#[test]
fn a_weight_that_changes_starts_the_clock_anew_at_the_new_weight() {
    for weight in ["2%", "10%"] {
        let mut lab = Lab::in_stage(&routed(), "canary");
        lab.pass(300);
        lab.cluster.edit(&stages(&[("canary", weight, "10m"), ("full", "100%", "10m")]));
        lab.settle();
        assert_eq!(lab.cluster.canary_weight().to_string(), weight);
        lab.pass(599);
        assert_eq!(lab.stage(), "canary");
        lab.pass(1);
        assert_eq!(lab.stage(), "full");
        promoted(lab);
    }
}

#[test]
fn a_bake_that_is_shortened_ends_the_stage_at_once_when_it_has_passed() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.pass(300);
    lab.cluster.edit(&stages(&[("canary", "5%", "4m"), ("full", "100%", "10m")]));
    lab.settle();
    assert_eq!(lab.stage(), "full");
    promoted(lab);
}

#[test]
fn a_bake_that_is_lengthened_is_waited_for() {
    let mut lab = Lab::in_stage(&routed(), "canary");
    lab.cluster.edit(&stages(&[("canary", "5%", "20m"), ("full", "100%", "10m")]));
    lab.pass(1199);
    assert_eq!(lab.stage(), "canary");
    lab.pass(1);
    assert_eq!(lab.stage(), "full");
}

#[test]
fn a_stage_that_is_taken_away_never_means_more_weight_than_was_allowed() {
    let mut lab = Lab::in_stage(&routed(), "quarter");
    lab.cluster.edit(&stages(&[("canary", "5%", "10m"), ("full", "100%", "10m")]));
    lab.settle();
    assert_eq!(lab.cluster.canary_weight(), Percent::new(5.0));
    assert_eq!((lab.stage().as_str(), lab.status().stage.unwrap().index), ("canary", 1));
    lab.pass(599);
    assert_eq!(lab.stage(), "canary");
    promoted(lab);
}

#[test]
fn a_stage_that_gets_another_name_goes_on() {
    let mut lab = Lab::in_stage(&routed(), "quarter");
    let since = lab.status().stage.unwrap().since;
    lab.cluster.edit(&stages(&[("first", "5%", "10m"), ("second", "25%", "10m"), ("third", "100%", "10m")]));
    lab.settle();
    assert_eq!(lab.stage(), "second");
    assert_eq!(lab.status().stage.unwrap().since, since);
    promoted(lab);
}

#[test]
fn a_stage_that_is_put_before_the_one_under_way_is_not_gone_back_to() {
    let mut lab = Lab::in_stage(&routed(), "quarter");
    lab.cluster.edit(&stages(&[
        ("canary", "5%", "10m"),
        ("tenth", "10%", "10m"),
        ("quarter", "25%", "10m"),
        ("full", "100%", "10m"),
    ]));
    lab.settle();
    assert_eq!(lab.stage(), "quarter");
    lab.pass(600);
    assert_eq!(lab.stage(), "full");
    promoted(lab);
}

#[test]
fn a_stage_that_is_put_after_the_one_under_way_is_gone_through() {
    let mut lab = Lab::in_stage(&routed(), "quarter");
    lab.cluster.edit(&stages(&[("quarter", "25%", "10m"), ("half", "50%", "10m"), ("full", "100%", "10m")]));
    lab.pass(600);
    assert_eq!(lab.stage(), "half");
    assert_eq!(lab.status().stage.unwrap().index, 2);
    promoted(lab);
}

#[test]
fn stages_that_break_a_rule_hold_and_do_no_harm() {
    let mut lab = Lab::in_stage(&routed(), "quarter");
    lab.cluster.edit(&stages(&[("quarter", "25%", "10m")]));
    lab.pass(24 * 3600);
    assert_eq!(lab.phase(), Phase::Held);
    assert_eq!(lab.cluster.canary_weight(), Percent::new(25.0));
    lab.cluster.edit(&stages(&[("quarter", "25%", "10m"), ("full", "100%", "10m")]));
    promoted(lab);
}
