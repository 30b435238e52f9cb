//! Everything that people type at a cluster, typed at the embedded one and at a real one of the same version: kubectl has
//! to print the same, but for the differences that are known.
//!
//! Without a recent kubectl or a control plane on the machine this says so and passes; with `CI=true` it fails.

#![expect(clippy::unwrap_used, reason = "clippy takes only #[test] functions for tests")]

mod known;
mod kubectl;
mod normal;
mod protobuf;
mod steps;

use std::env;

use futures::future::join;

use known::known;
use kubectl::{Kubectl, Printed};
use steps::{Step, steps};
use tidegate_testkit::{assets::Assets, control_plane::Kind};

/// What is compared is that of the version that the embedded server says it is.
const OLDEST: u32 = 37;

#[tokio::test(flavor = "multi_thread")]
async fn kubectl_prints_the_same_before_both_servers() {
    let Some((embedded, real)) = both().await else { return };
    let mut wrong = Vec::new();
    for Step { typed, input } in steps() {
        let (ours, theirs) = join(embedded.run(&typed, &input), real.run(&typed, &input)).await;
        match (ours == theirs, known(&typed)) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(reason)) => wrong.push(format!("{typed}\n  differs no longer, though it is listed: {reason}")),
            (false, None) => wrong.push(format!("{typed}\n--- embedded\n{ours}\n--- real\n{theirs}")),
        }
    }
    assert!(wrong.is_empty(), "{} of {} differ\n\n{}", wrong.len(), steps().len(), wrong.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_real_server_writes_as_protobuf_reads_as_its_json() {
    let Some((_, real)) = both().await else { return };
    protobuf::compare(&real.control_plane.client).await;
}

/// A kubectl for each of the two, if there is all that it takes.
async fn both() -> Option<(Kubectl, Kubectl)> {
    let skipped = |why: &str| {
        assert!(env::var("CI").as_deref() != Ok("true"), "{why}");
        eprintln!("skipped: {why}");
    };
    let program = env::var_os("KUBECTL").unwrap_or_else(|| "kubectl".into());
    let assets = match Assets::find(Kind::Real) {
        Ok(assets) => assets,
        Err(why) => {
            skipped(&format!("{why:#}"));
            return None;
        }
    };
    let embedded = Kubectl::before(&assets, Kind::Embedded, &program).await.unwrap();
    let real = Kubectl::before(&assets, Kind::Real, &program).await.unwrap();
    let versions = [real.minor("clientVersion").await, real.minor("serverVersion").await];
    if versions.iter().any(|minor| *minor < OLDEST) {
        skipped(&format!("kubectl and control plane are 1.{} and 1.{}, not 1.{OLDEST}", versions[0], versions[1]));
        return None;
    }
    Some((embedded, real))
}

impl std::fmt::Display for Printed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "ends with {}\n{}{}", self.code, self.output, self.complaint)
    }
}
