//! How sure a verdict has to be.

use tidegate_api::{Analysis, Check, Percent, RolloutSpec, Stage, Strictness};

use super::question::question;

/// How often a verdict may be wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ErrorRates {
    /// How likely a version that keeps all its limits is failed, over a whole rollout; a part of one.
    pub false_fail: f64,
    /// How likely a version that is just beyond a limit passes a stage; a part of one.
    pub false_pass: f64,
}

impl ErrorRates {
    /// What `analysis` says for a stage, which may be the last one: what is wrong after it is wrong for everybody.
    #[must_use]
    pub fn of(analysis: &Analysis, is_last: bool) -> Self {
        let (fail, pass, last) = match analysis.strictness.unwrap_or_default() {
            Strictness::Low => (0.001, 0.2, 0.05),
            Strictness::Normal => (0.01, 0.05, 0.01),
            Strictness::High => (0.05, 0.01, 0.001),
        };
        let written = analysis.statistics.as_ref();
        let or = |own: Option<Percent>, usual: f64| own.map_or(usual, Percent::fraction).clamp(1e-9, 0.5);
        Self {
            false_fail: or(written.and_then(|written| written.false_fail), fail),
            false_pass: if is_last {
                or(written.and_then(|written| written.false_pass_of_last), last)
            } else {
                or(written.and_then(|written| written.false_pass), pass)
            },
        }
    }

    /// The same in `stage` alone: where stages have checks of their own, a rollout is judged by more than it is in any of
    /// them, and what speaks against a version has its part in all.
    #[must_use]
    pub fn in_stage(self, spec: &RolloutSpec, stage: &Stage) -> Self {
        let limits = |check: &Check| question(check, None).map_or(0, |question| question.deciding().count());
        let all: usize = spec.all_checks().map(limits).sum();
        let present: usize = spec.checks_in(stage).map(limits).sum();
        let part = if present == 0 { 1.0 } else { present as f64 / all as f64 };
        Self { false_fail: self.false_fail * part, ..self }
    }

    /// The logarithm of how much has to speak against a version for it to fail.
    #[must_use]
    pub fn to_fail(&self) -> f64 {
        -self.false_fail.ln()
    }

    /// The logarithm of how much has to speak for a version for it to pass.
    #[must_use]
    pub fn to_pass(&self) -> f64 {
        -self.false_pass.ln()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn checks_of_stages_own_have_their_part_of_all_that_may_go_wrong() {
        let errors = |name: &str| json!({"name": name, "errorRate": {"preset": "pod-http", "max": "1%"}});
        let spec: RolloutSpec = serde_json::from_value(json!({
            "workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout",
            "stages": [
                {"name": "canary", "weight": "5%"},
                {"name": "half", "weight": "50%", "checks": [errors("a"), errors("b")]},
                {"name": "full", "weight": "100%", "checks": [errors("a"), {"name": "cpu", "query": {"expr": "1", "max": 1}}]},
            ],
            "analysis": {"checks": [errors("errors")]},
        }))
        .unwrap();
        let rates = ErrorRates { false_fail: 0.04, false_pass: 0.05 };
        let stages = spec.stages();
        let fail = |place: usize| format!("{:.4}", rates.in_stage(&spec, &stages[place]).false_fail);
        assert_eq!([fail(0), fail(1), fail(2)], ["0.0100", "0.0300", "0.0200"], "of four that count requests");
        assert_eq!(rates.in_stage(&spec, &stages[1]).false_pass.to_bits(), 0.05_f64.to_bits());
    }
}
