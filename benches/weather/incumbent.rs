//! Another tool's decision rule in Tidegate's place.
//!
//! Pods, weights, stages and bakes stay those of the operator, which is asked to check one thing only: whether the rule
//! says that the version is bad. The rule asks the simulated Prometheus at its own times, in its own way.

use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result};
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tidegate_analysis::{Numbers, PromQuery, PromResponse, QueryError, Transport, When};
use tidegate_sim::endpoint::Endpoint;
use tidegate_sim::scenario::Manifests;

use crate::{
    measure::Measure,
    rules::{Rule, Says},
};

/// How often the operator asks what the rule says.
const ASKED: SignedDuration = SignedDuration::from_secs(15);

/// The objects of a scenario, with the rule's question in the place of the checks.
pub fn manifests(of: &Manifests) -> Result<Manifests> {
    let mut manifests = Manifests::default();
    for manifest in &of.objects {
        let mut object = manifest.object.clone();
        if manifest.is("Rollout") {
            // Nobody evaluates it: it carries the names of the pods.
            let pods = r#"up{namespace="{{namespace}}",pod=~"{{pods}}"}"#;
            let check = json!({"name": "rule", "query": {"expr": pods, "max": 0}});
            let analysis = object.pointer_mut("/spec/analysis").context("a Rollout without an analysis")?;
            // Where Tidegate leaves something with stable by itself, so that there is something to compare with.
            let has_control = analysis["checks"].as_array().into_iter().flatten().all(|check| {
                check.pointer("/errorRate/relative").is_some() && check.pointer("/errorRate/max").is_none()
            });
            *analysis = json!({"interval": "15s", "checks": [check]});
            if has_control {
                analysis["controlShare"] = "1%".into();
            }
        }
        manifests.add(&object.to_string(), manifest.name())?;
    }
    Ok(manifests)
}

/// What stands between the operator and Prometheus.
pub struct Incumbent {
    prometheus: Endpoint,
    measures: Vec<Measure>,
    state: Mutex<State>,
}

struct State {
    rule: Box<dyn Rule>,
    /// When the rule measures next; nothing before the new version has traffic.
    next: Option<Timestamp>,
}

impl Incumbent {
    pub fn new(prometheus: &Endpoint, measures: Vec<Measure>, rule: Box<dyn Rule>) -> Self {
        Self { prometheus: prometheus.clone(), measures, state: Mutex::new(State { rule, next: None }) }
    }

    /// Measures whatever is due up to `now`, and says what the rule makes of it.
    async fn says(&self, pods: &str, now: Timestamp) -> Says {
        loop {
            let due = {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                let first = state.rule.first();
                *state.next.get_or_insert(now - ASKED + first)
            };
            if due > now {
                return self.state.lock().unwrap_or_else(PoisonError::into_inner).rule.says();
            }
            let mut measured = Vec::new();
            for measure in &self.measures {
                measured.push(measure.at(&self.prometheus, pods, due).await);
            }
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let pause = state.rule.take(&measured);
            state.next = Some(due + pause);
        }
    }
}

impl Transport for Incumbent {
    fn query(&self, question: PromQuery) -> BoxFuture<'_, Result<PromResponse, QueryError>> {
        Box::pin(async move {
            let says = match question.when {
                When::At(now) => self.says(&question.query, now).await,
                // What the operator has missed the rule has not.
                When::Grid { .. } => return Ok(PromResponse::Numbers(Numbers::Matrix(Vec::new()))),
            };
            let value = match says {
                Says::GoOn => vec![0.0],
                Says::Back => vec![1.0],
                Says::Wait => Vec::new(),
            };
            Ok(PromResponse::Numbers(Numbers::Vector(value)))
        })
    }
}
