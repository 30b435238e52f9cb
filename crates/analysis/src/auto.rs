//! `preset: auto`: which preset stands for it is found out once, and stays for as long as the version is on its way.
//!
//! It goes by what the pods of the stable version expose. A version that counts otherwise is not looked for under other names:
//! its checks have no data, and say what they looked for.

use std::collections::BTreeMap;

use tidegate_api::{
    Check, CheckStatus, ParameterValues, Preset, PresetStatus, RolloutSpec, Stage, StageCheck, Verdict,
};
use tokio::time::Instant;

use super::{
    analyzer::AnalysisRequest,
    discovery::{self, Asked, Choice, Discovered, Subject},
    error::QueryError,
    prometheus::Prometheus,
    wanted::{names, scope},
};

/// A request in which every `auto` that is known stands for a preset.
#[derive(Debug, Clone)]
pub(super) struct Settled {
    spec: RolloutSpec,
    stage: Stage,
    /// What was taken.
    pub(super) presets: Vec<PresetStatus>,
    /// Why nothing was, by the name of the check.
    faults: BTreeMap<String, QueryError>,
}

impl Settled {
    /// `request` with the presets that were taken before; nothing where no check leaves it open.
    pub(super) fn known(request: &AnalysisRequest<'_>) -> Option<Self> {
        let is_open = |check: &Check| is_auto(check);
        if !request.spec.all_checks().chain(request.stage.own_checks()).any(is_open) {
            return None;
        }
        let mut settled = Self {
            spec: request.spec.clone(),
            stage: request.stage.clone(),
            presets: request.presets.to_vec(),
            faults: BTreeMap::new(),
        };
        settled.fill_in();
        Some(settled)
    }

    /// The same, with what fits of the pods where nothing was taken before.
    pub(super) async fn found(
        prometheus: &Prometheus,
        request: &AnalysisRequest<'_>,
        deadline: Instant,
    ) -> Option<Self> {
        let mut settled = Self::known(request)?;
        let stage = settled.stage.clone();
        let analysis = settled.spec.analysis.clone();
        let asked = analysis.iter().flat_map(|analysis| &analysis.checks).chain(stage.own_checks());
        let open: Vec<_> = asked.filter(|check| is_auto(check)).collect();
        let mut discovered: Vec<(Option<&ParameterValues>, Result<Discovered, QueryError>)> = Vec::new();
        for check in open {
            if settled.presets.iter().any(|known| known.check == check.name) {
                continue;
            }
            let parameters = parameters(check);
            if !discovered.iter().any(|(known, _)| *known == parameters) {
                discovered.push((parameters, discover(prometheus, request, parameters, deadline).await));
            }
            let found = discovered.iter().find(|(known, _)| *known == parameters).map(|(_, found)| found);
            let Some(found) = found else { continue };
            match taken(check, request.spec, found) {
                Ok(taken) => settled.presets.push(taken),
                Err(fault) => {
                    settled.faults.insert(check.name.clone(), fault);
                }
            }
        }
        settled.fill_in();
        Some(settled)
    }

    /// `request` with what was taken.
    pub(super) fn request<'a>(&'a self, request: &AnalysisRequest<'a>) -> AnalysisRequest<'a> {
        AnalysisRequest { spec: &self.spec, stage: &self.stage, ..*request }
    }

    /// Says in `checks` what stands for `auto`, where that is why they have no data.
    pub(super) fn explain(&self, checks: &mut [CheckStatus]) {
        for check in checks.iter_mut().filter(|check| check.verdict == Verdict::NoData) {
            if let Some(fault) = self.faults.get(&check.name) {
                (check.reason, check.message) = (fault.reason().to_owned(), fault.to_string());
            } else if let Some(taken) = self.presets.iter().find(|taken| taken.check == check.name) {
                check.message =
                    format!("{}; preset auto stands for {}, which {}", check.message, taken.preset, taken.reason);
            }
        }
    }

    /// The spec with what was taken.
    ///
    /// # Errors
    /// [`QueryError`] of the first check that nothing was taken for.
    pub(super) fn into_spec(self) -> Result<(RolloutSpec, Vec<PresetStatus>), QueryError> {
        match self.faults.into_values().next() {
            Some(fault) => Err(fault),
            None => Ok((self.spec, self.presets)),
        }
    }

    /// Puts what was taken where `auto` stands.
    fn fill_in(&mut self) {
        let stages = self.spec.stages.iter_mut().flatten().chain([&mut self.stage]);
        let of_stages = stages.filter_map(|stage| stage.checks.as_mut());
        let of_watch = self.spec.watch.iter_mut().filter_map(|watch| watch.checks.as_mut());
        let own = of_stages.chain(of_watch).flatten().filter_map(|check| match check {
            StageCheck::Own(check) => Some(&mut **check),
            StageCheck::Override(_) => None,
        });
        for check in self.spec.analysis.iter_mut().flat_map(|analysis| &mut analysis.checks).chain(own) {
            if let Some(taken) = self.presets.iter().find(|taken| taken.check == check.name) {
                stand_for(check, taken.preset);
            }
        }
    }
}

/// What the pods of the stable version expose; of the new one, where stable has no pods that are scraped.
async fn discover(
    prometheus: &Prometheus,
    request: &AnalysisRequest<'_>,
    parameters: Option<&ParameterValues>,
    deadline: Instant,
) -> Result<Discovered, QueryError> {
    let names = names(request);
    let scope = scope(request, &names);
    let of = |version| {
        let subject = Subject { scope, version, parameters };
        discovery::discover(prometheus, subject, request.now, deadline)
    };
    let discovered = of(request.stable).await?;
    if discovered.metrics.is_empty() { of(request.canary).await } else { Ok(discovered) }
}

/// What is taken for `check` by what was found.
fn taken(
    check: &Check,
    spec: &RolloutSpec,
    found: &Result<Discovered, QueryError>,
) -> Result<PresetStatus, QueryError> {
    let discovered = found.as_ref().map_err(Clone::clone)?;
    if discovered.metrics.is_empty() {
        return Err(QueryError::NothingExposed);
    }
    let errors = check.error_rate.is_some();
    let both = spec.all_checks().any(|other| is_auto(other) && other.error_rate.is_some() != errors);
    let choice = discovery::choose(Asked { errors, both }, &discovered.fitting);
    let Choice { preset, reason } = choice.ok_or(QueryError::NoPresetFits {
        asks: if errors { "requests and their statuses" } else { "a histogram of latencies" },
        metrics: discovered.metrics.len(),
    })?;
    Ok(PresetStatus { check: check.name.clone(), preset, reason })
}

/// Whether `check` leaves open which preset it is.
pub(super) fn is_auto(check: &Check) -> bool {
    let preset = check
        .error_rate
        .as_ref()
        .map_or_else(|| check.latency.as_ref().and_then(|latency| latency.preset), |errors| errors.preset);
    preset == Some(Preset::Auto)
}

fn parameters(check: &Check) -> Option<&ParameterValues> {
    let of_errors = check.error_rate.as_ref().and_then(|errors| errors.parameters.as_ref());
    of_errors.or(check.latency.as_ref().and_then(|latency| latency.parameters.as_ref()))
}

/// Lets `preset` stand where `check` says `auto`.
fn stand_for(check: &mut Check, preset: Preset) {
    let of_errors = check.error_rate.as_mut().map(|errors| &mut errors.preset);
    let of_latency = check.latency.as_mut().map(|latency| &mut latency.preset);
    for open in of_errors.into_iter().chain(of_latency).flatten().filter(|preset| **preset == Preset::Auto) {
        *open = preset;
    }
}
