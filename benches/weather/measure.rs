//! What other tools ask Prometheus in the place of a check: its limit against the last minute.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use jiff::Timestamp;
use tidegate_analysis::{Numbers, PromQuery, PromResponse, Transport, When};
use tidegate_api::{Check, Percent, Relative};
use tidegate_sim::endpoint::Endpoint;

/// What one look at one check yields.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    Good,
    Bad,
    /// There were no requests.
    NotANumber,
    /// There is no series yet.
    Nothing,
    /// Prometheus did not answer.
    Unanswered,
}

/// A check as other tools ask it. `PODS` in a query stands for the labels of a version's pods.
#[derive(Debug, Clone)]
pub struct Measure {
    /// What is beyond its limit when it is above zero.
    fixed: Option<String>,
    compared: Option<Compared>,
}

/// A share of the requests that may be so many times stable's, and so much more.
#[derive(Debug, Clone)]
struct Compared {
    share: String,
    ratio: f64,
    margin: f64,
}

impl Measure {
    /// The queries of a check: over a minute, or four scrapes where that is more.
    pub fn new(check: &Check, scrape: Duration) -> Result<Self> {
        let window = scrape.as_secs().saturating_mul(4).max(60);
        if let Some(errors) = &check.error_rate {
            let failures = errors.parameters.as_ref().and_then(|given| given.0.get("failures"));
            let failures = failures.map_or("5..|0", String::as_str);
            let share = match &errors.counters {
                Some(own) => {
                    let [errors, total] = [&own.errors, &own.total].map(|selector| of_pods(selector));
                    format!("(sum(rate({errors}[{window}s])) or vector(0)) / sum(rate({total}[{window}s]))")
                }
                None => format!(
                    "1 - sum(rate(http_requests_total{{PODS,code!~\"{failures}\"}}[{window}s])) / \
                     sum(rate(http_requests_total{{PODS}}[{window}s]))"
                ),
            };
            let fixed = errors.max.map(|max| format!("({share}) - {}", max.fraction()));
            Ok(Self { fixed, compared: compared(share, errors.relative.as_ref(), (1.5, 0.005)) })
        } else if let Some(latency) = &check.latency {
            let bucket = "http_request_duration_seconds_bucket";
            let max = latency.max.context("a latency without max")?.duration().as_secs_f64();
            let share = format!(
                "1 - sum(rate({bucket}{{PODS,le=\"{max}\"}}[{window}s])) / \
                 sum(rate({bucket}{{PODS,le=\"+Inf\"}}[{window}s]))"
            );
            let quantile = latency.quantile.value();
            let fixed =
                format!("histogram_quantile({quantile}, sum by (le) (rate({bucket}{{PODS}}[{window}s]))) - {max}");
            Ok(Self { fixed: Some(fixed), compared: compared(share, latency.relative.as_ref(), (1.25, 0.02)) })
        } else {
            bail!("{}: a query has no counterpart", check.name)
        }
    }

    /// What it yields at `at`; `pods` are the labels of the new version's pods in a selector.
    pub async fn at(&self, prometheus: &Endpoint, pods: &str, at: Timestamp) -> Measured {
        let canary = pods.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(labels, _)| labels);
        let stable = canary.replace("pod=~", "pod!~");
        let ask = |query: &str, pods: &str| number(prometheus, query.replace("PODS", pods), at);
        if let Some(fixed) = &self.fixed {
            match ask(fixed, canary).await {
                Ok(beyond) if beyond > 0.0 => return Measured::Bad,
                Ok(_) => {}
                Err(why) => return why,
            }
        }
        let Some(Compared { share, ratio, margin }) = &self.compared else { return Measured::Good };
        match (ask(share, canary).await, ask(share, &stable).await) {
            (Ok(canary), Ok(stable)) if canary > ratio * stable + margin => Measured::Bad,
            // Where stable has no traffic, nothing is compared.
            (Ok(_), Ok(_) | Err(Measured::NotANumber | Measured::Nothing)) => Measured::Good,
            (Err(why), _) | (_, Err(why)) => why,
        }
    }
}

/// One number, or why there is none.
async fn number(prometheus: &Endpoint, query: String, at: Timestamp) -> Result<f64, Measured> {
    match prometheus.query(PromQuery { query, when: When::At(at) }).await {
        Ok(PromResponse::Numbers(Numbers::Vector(values))) => match values.first() {
            Some(value) if value.is_nan() => Err(Measured::NotANumber),
            Some(value) => Ok(*value),
            None => Err(Measured::Nothing),
        },
        _ => Err(Measured::Unanswered),
    }
}

fn compared(share: String, relative: Option<&Relative>, (ratio, margin): (f64, f64)) -> Option<Compared> {
    let relative = relative?;
    let ratio = relative.ratio.unwrap_or(ratio);
    let margin = relative.margin.map_or(margin, Percent::fraction);
    Some(Compared { share, ratio, margin })
}

/// A selector of one's own, for any pods.
fn of_pods(selector: &str) -> String {
    selector.replace("namespace=\"{{namespace}}\",pod=~\"{{pods}}\"", "PODS")
}
