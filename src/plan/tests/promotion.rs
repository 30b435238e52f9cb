//! A new version on its way to all of the traffic.

use super::{
    cluster::user_route,
    lab::Lab,
    specs::{by_pods, routed},
};
use crate::api::Phase;

#[test]
fn a_promotion_writes_exactly_what_it_needs() {
    let mut lab = Lab::adopted(&routed());
    let pods = lab.cluster.all_pods();
    lab.cluster.push("v2");
    lab.finish();
    assert_eq!(lab.phase(), Phase::Stable);
    println!("{:#?}", lab.log);
    assert_eq!(lab.cluster.routes["checkout"]["spec"], user_route());
    assert!(pods.is_disjoint(&lab.cluster.all_pods()));
}

#[test]
fn by_pods_x() {
    let mut lab = Lab::adopted(&by_pods());
    lab.cluster.push("v2");
    lab.finish();
    println!("{:#?}", lab.log);
}
