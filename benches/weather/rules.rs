//! How Flagger and Argo Rollouts count the answers of Prometheus.

use jiff::SignedDuration;

use crate::measure::Measured;

/// What a rule says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Says {
    /// The stage may be left when its bake is over.
    GoOn,
    /// The stage is not left.
    Wait,
    /// The version goes.
    Back,
}

const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// A decision rule.
pub trait Rule: Send {
    /// How long after the new version got traffic it measures for the first time.
    fn first(&self) -> SignedDuration;

    /// Takes what all checks measured; answers how long it is until the next measurement.
    fn take(&mut self, measured: &[Measured]) -> SignedDuration;

    /// What it says now.
    fn says(&self) -> Says;
}

/// `interval: 1m`, `threshold: 5`. Whatever is not a good value of every metric is a failed check, no value and no answer
/// as well; the count is of the whole rollout. The check after the fifth goes back. No step is taken on a failed one.
/// <https://docs.flagger.app/usage/how-it-works#canary-analysis>
#[derive(Debug, Default)]
pub struct Flagger {
    failed: u32,
    has_failed: bool,
    is_over: bool,
}

impl Flagger {
    const THRESHOLD: u32 = 5;
}

impl Rule for Flagger {
    fn first(&self) -> SignedDuration {
        MINUTE
    }

    fn take(&mut self, measured: &[Measured]) -> SignedDuration {
        if self.failed >= Self::THRESHOLD {
            self.is_over = true;
        }
        self.has_failed = measured.iter().any(|measured| *measured != Measured::Good);
        self.failed += u32::from(self.has_failed);
        MINUTE
    }

    fn says(&self) -> Says {
        match (self.is_over, self.has_failed) {
            (true, _) => Says::Back,
            (_, true) => Says::Wait,
            _ => Says::GoOn,
        }
    }
}

/// An analysis in the background of all stages: `interval: 1m`, `failureLimit: 3`, `inconclusiveLimit: 3`,
/// `consecutiveErrorLimit: 4`, each metric for itself, with `successCondition` and `failureCondition`, so that `NaN` is
/// inconclusive. No value and no answer are errors, which are tried again after ten seconds. `initialDelay` is a minute, or
/// the warm-up that the Rollout knows.
/// <https://argo-rollouts.readthedocs.io/en/stable/features/analysis/>
#[derive(Debug)]
pub struct ArgoRollouts {
    delay: SignedDuration,
    metrics: Vec<Metric>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Metric {
    failed: u32,
    inconclusive: u32,
    errors: u32,
}

impl ArgoRollouts {
    const FAILURES: u32 = 3;
    const INCONCLUSIVE: u32 = 3;
    const ERRORS: u32 = 4;

    pub fn new(metrics: usize, warm_up: SignedDuration) -> Self {
        Self { delay: warm_up.max(MINUTE), metrics: vec![Metric::default(); metrics] }
    }
}

impl Rule for ArgoRollouts {
    fn first(&self) -> SignedDuration {
        self.delay
    }

    fn take(&mut self, measured: &[Measured]) -> SignedDuration {
        for (metric, measured) in self.metrics.iter_mut().zip(measured) {
            let is_error = matches!(measured, Measured::Nothing | Measured::Unanswered);
            metric.errors = if is_error { metric.errors + 1 } else { 0 };
            metric.failed += u32::from(*measured == Measured::Bad);
            metric.inconclusive += u32::from(*measured == Measured::NotANumber);
        }
        let is_error = self.metrics.iter().any(|metric| metric.errors > 0);
        if is_error { SignedDuration::from_secs(10) } else { MINUTE }
    }

    fn says(&self) -> Says {
        if self.metrics.iter().any(|metric| metric.failed > Self::FAILURES || metric.errors > Self::ERRORS) {
            Says::Back
        } else if self.metrics.iter().any(|metric| metric.inconclusive > Self::INCONCLUSIVE) {
            Says::Wait
        } else {
            Says::GoOn
        }
    }
}
