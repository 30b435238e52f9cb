//! Requests that are none of users': those of probes and scrapes, and what else a check leaves out.
//!
//! Which they are shows by the labels of what was answered, not of what is asked: a selector would have to name each label
//! that libraries have for it, of which some cannot be written for Prometheus 2, and the store would look all of their values
//! up at each look. What is left out stands at nothing: its process is still known to be there and to be scraped, so that the
//! first request of a user is counted as what it is.

use std::{collections::BTreeSet, sync::Arc};

use promql_parser::parser::{Expr, VectorSelector, parse};
use tidegate_api::{Exclude, Probes};
use tidegate_judge::{Arm, Sample};

use super::{
    absent::shortened,
    answer::{Histogram, Labels, Row},
    error::{Counting, QueryError},
};

/// What probes and scrapes ask for as a rule, in the order of letters. Not what may be a page of users', such as `/live`: failures
/// there would be hidden.
const PROBED: [&str; 30] = [
    "/-/health",
    "/-/healthy",
    "/-/liveness",
    "/-/metrics",
    "/-/readiness",
    "/-/ready",
    "/_health",
    "/actuator/health",
    "/actuator/prometheus",
    "/health",
    "/health-check",
    "/health/live",
    "/health/liveness",
    "/health/readiness",
    "/health/ready",
    "/health/started",
    "/health/startup",
    "/healthcheck",
    "/healthz",
    "/liveness",
    "/livez",
    "/metrics",
    "/q/health",
    "/q/metrics",
    "/readiness",
    "/ready",
    "/readyz",
    "/startupz",
    "grpc.health.v1.Health",
    "prometheus-django-metrics",
];

/// The beginnings of more: no user asks for anything below these.
const PROBED_BELOW: [&str; 7] = [
    "/actuator/health/",
    "/grpc.health.v1.Health/",
    "/healthz/",
    "/livez/",
    "/q/health/",
    "/readyz/",
    "grpc.health.v1.Health/",
];

/// How probes and scrapes call themselves, and the beginnings of it.
const PROBERS: [&str; 2] = ["Envoy/HC", "vm_promscrape"];
const PROBERS_BELOW: [&str; 4] = ["ELB-HealthChecker/", "GoogleHC/", "Prometheus/", "kube-probe/"];

/// So many of what was left out are told.
const MOST_TOLD: usize = 3;

/// What of a source is left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Exclusion {
    probes: bool,
    paths: Vec<String>,
    user_agents: Vec<String>,
    /// Labels that a selector asks for itself: whoever wrote it has decided which probes count.
    decided: Vec<String>,
}

impl Exclusion {
    /// What is left out of what such `selectors` select, where that was `given`, and `counting` says who counts. Errors that
    /// are `beside` the requests have to lack what these lack: unless they are the same metric nobody knows whether they do,
    /// and by itself nothing is left out.
    pub(super) fn of<'s>(
        given: Option<&Exclude>,
        counting: Counting,
        selectors: impl Iterator<Item = &'s str>,
        are_beside: bool,
    ) -> Self {
        let probes = given.and_then(|given| given.probes);
        let list = |list: Option<&Vec<String>>| list.cloned().unwrap_or_default();
        let (paths, user_agents) = (
            list(given.and_then(|given| given.paths.as_ref())),
            list(given.and_then(|given| given.user_agents.as_ref())),
        );
        if probes == Some(Probes::Count) || (probes.is_none() && counting == Counting::Gateway) {
            return Self { probes: false, paths, user_agents, decided: Vec::new() };
        }
        let selectors: Vec<&str> = selectors.collect();
        let is_unknown = probes.is_none() && are_beside && !are_of_one_metric(&selectors);
        let decided = selectors.iter().flat_map(|selector| decided(selector)).collect();
        Self { probes: !is_unknown, paths, user_agents, decided }
    }

    /// What the series with these labels says that is left out; nothing where it counts.
    pub(super) fn leaves_out<'l>(&self, labels: &'l Labels) -> Option<&'l Arc<str>> {
        if !self.probes && self.paths.is_empty() && self.user_agents.is_empty() {
            return None;
        }
        let is_left_out = |(label, value): &&(Arc<str>, Arc<str>)| {
            let probes = || self.probes && !self.decided.iter().any(|decided| **decided == **label);
            match kind(label) {
                Some(Kind::Path) => {
                    let path = value.split_once('?').map_or(&**value, |(path, _)| path);
                    let is_probed = |path| PROBED.binary_search(&path).is_ok() || begins(path, &PROBED_BELOW);
                    is_one_of(path, &self.paths) || is_probed(without_slash(path)) && probes()
                }
                Some(Kind::UserAgent) => {
                    let is_prober = PROBERS.contains(&&**value) || begins(value, &PROBERS_BELOW);
                    is_one_of(value, &self.user_agents) || is_prober && probes()
                }
                None => false,
            }
        };
        labels.iter().find(is_left_out).map(|(_, value)| value)
    }
}

/// What a label says of a request.
enum Kind {
    /// Where it went.
    Path,
    /// Who sent it.
    UserAgent,
}

/// What the label of that name says. Prometheus puts `exported_` before one that a target has as well, as `endpoint` and `service`
/// of the Prometheus operator's.
fn kind(label: &str) -> Option<Kind> {
    match label.strip_prefix("exported_").unwrap_or(label) {
        "endpoint" | "grpc.method" | "grpc_method" | "grpc_path" | "grpc_service" | "handler" | "http.route"
        | "http.target" | "http_path" | "http_route" | "http_target" | "path" | "path_template" | "request_path"
        | "route" | "rpc.method" | "rpc_method" | "rpc_service" | "service" | "target" | "uri" | "url" | "url.path"
        | "url_path" | "view" => Some(Kind::Path),
        "user_agent" | "http_user_agent" | "user_agent_original" | "user_agent.original" => Some(Kind::UserAgent),
        _ => None,
    }
}

fn begins(value: &str, beginnings: &[&str]) -> bool {
    beginnings.iter().any(|beginning| value.starts_with(beginning))
}

/// What there was that is left out, by version: a few of the values that say so.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct LeftOut {
    canary: BTreeSet<Arc<str>>,
    stable: BTreeSet<Arc<str>>,
}

impl LeftOut {
    /// Takes in what a label of a series of a version says.
    pub(super) fn insert(&mut self, arm: Arm, value: &Arc<str>) {
        let known = if arm == Arm::Canary { &mut self.canary } else { &mut self.stable };
        if known.len() < MOST_TOLD && !known.contains(value) {
            known.insert(Arc::clone(value));
        }
    }

    /// Takes in what is in `other`.
    pub(super) fn extend(&mut self, other: &Self) {
        other.canary.iter().for_each(|value| self.insert(Arm::Canary, value));
        other.stable.iter().for_each(|value| self.insert(Arm::Stable, value));
    }

    /// Why there is no request of a version; nothing if none of it was left out.
    pub(super) fn of(&self, arm: Arm) -> Option<QueryError> {
        let values = if arm == Arm::Canary { &self.canary } else { &self.stable };
        let told: Vec<_> = values.iter().map(|value| format!("{:?}", shortened(value))).collect();
        (!told.is_empty()).then(|| QueryError::AllExcluded { left_out: told.join(", ") })
    }
}

/// Whether one of `given` is `value`, or ends with `/*` and is what it begins with.
fn is_one_of(value: &str, given: &[String]) -> bool {
    let below = |one: &str| one.strip_suffix('*').is_some_and(|below| below.ends_with('/') && value.starts_with(below));
    given.iter().any(|one| without_slash(one) == without_slash(value) || below(one))
}

/// Without the slash at the end; the root as it is.
fn without_slash(path: &str) -> &str {
    path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path)
}

/// The labels that say something of a request and that `selector` asks for.
fn decided(selector: &str) -> Vec<String> {
    // Hardly any does, and this happens at each look.
    let mut words = selector.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.'));
    if !words.any(|word| kind(word).is_some()) {
        return Vec::new();
    }
    let Some(selector) = plain(selector) else { return Vec::new() };
    let matchers = selector.matchers.matchers.into_iter().map(|matcher| matcher.name);
    matchers.filter(|name| kind(name).is_some()).collect()
}

fn are_of_one_metric(selectors: &[&str]) -> bool {
    let mut names = selectors.iter().map(|selector| plain(selector)?.name);
    let Some(Some(first)) = names.next() else { return false };
    names.all(|name| name.as_ref() == Some(&first))
}

fn plain(selector: &str) -> Option<VectorSelector> {
    if let Ok(Expr::VectorSelector(selector)) = parse(selector) { Some(selector) } else { None }
}

impl Row {
    /// Whether it counts anything.
    pub(super) fn has_any(&self) -> bool {
        self.samples.last().is_some_and(|last| last.value > 0.0)
            || self.histograms.last().is_some_and(|last| last.count > 0.0)
    }

    /// The same, as if nothing had ever been counted.
    pub(super) fn silent(self) -> Self {
        let samples = self.samples.into_iter().map(|sample| Sample { value: 0.0, ..sample });
        let histograms = self.histograms.into_iter().map(|histogram| Histogram {
            count: 0.0,
            // Of what has nothing in it no bucket is told.
            buckets: Vec::new(),
            ..histogram
        });
        Self { labels: self.labels, samples: samples.collect(), histograms: histograms.collect() }
    }
}

#[cfg(test)]
mod tests;
