//! The same through everything: the real operator on the embedded cluster, with its Prometheus and its scrapes.

use anyhow::Result;
use tidegate_sim::{
    scenario::{Manifests, Outcome, Scenario},
    simulation::simulate,
};

use crate::runs::{SEED, figures, runs};

const ROLLOUTS: usize = 200;

pub fn measure() -> Result<()> {
    println!("{ROLLOUTS} releases each through the operator on the embedded cluster, limit 0.5%, 5%, 25% and 100% of");
    println!("200 requests a second for ten minutes each:");
    for rate in ["0.3%", "2%"] {
        let mut manifests = Manifests::default();
        manifests.add(include_str!("rollout.yaml"), "rollout.yaml")?;
        let manifests = manifests.complete()?;
        let scenario = format!(
            "traffic: {{requestsPerSecond: 200}}\nversions: {{stable: {{errors: 0.1%}}, canary: {{errors: {rate}}}}}\n\
             events: [{{at: 0s, release: {{image: 'checkout:v2'}}}}]"
        );
        let scenario = Scenario::parse(&scenario, "scenario.yaml")?;
        let releases = runs(rate, ROLLOUTS, |_, number| {
            let report = simulate(&manifests, &scenario, SEED + number as u64)?;
            let release = report.releases.first().cloned();
            Ok(release.map(|release| {
                let minutes =
                    release.ended.map_or(f64::NAN, |ended| ended.duration_since(release.started).as_secs_f64() / 60.0);
                (release.outcome, release.exposed as f64, minutes)
            }))
        })?;
        let ended = |outcome| releases.iter().flatten().filter(|release| release.0 == outcome).count();
        let (promoted, reverted) = (ended(Outcome::Promoted), ended(Outcome::Reverted));
        let (exposed, ..) = figures(releases.iter().flatten().map(|release| release.1).collect());
        let (mean, median, tail) = figures(releases.iter().flatten().map(|release| release.2).collect());
        println!(
            "  {rate:>5} errors: {promoted} promoted, {reverted} reverted, {} neither; {exposed:.0} requests exposed; \
             decided after {mean:.0} min (median {median:.0}, 90th percentile {tail:.0})",
            ROLLOUTS - promoted - reverted
        );
    }
    Ok(())
}
