//! The operator and a backtest come to the same.

use jiff::{SignedDuration, Timestamp};
use tidegate_analysis::{self as metrics, AnalysisRequest, Analyzer, BacktestRequest, Outcome, Templates, Versions};
use tidegate_api::{CheckStatus, Rollout, RolloutSpec, StageBegun, Verdict};
use tidegate_endpoints::Endpoints;

use crate::{
    command::rollout,
    past::{BAD, GOOD, OLD, Past, SCRAPE},
    support::{analyzer, revision},
};

const CHECKS: &str = "[{name: errors, errorRate: {preset: pod-http, max: 1%, relative: {ratio: 1.5, margin: 1%}}}]";

/// The first verdict of the operator on a release, if it looks after each scrape.
async fn operator(past: &Past, analyzer: &Analyzer, spec: &RolloutSpec, canary: &str, since: Timestamp) -> CheckStatus {
    let stages = spec.stages();
    let of = |replica_set: &str| tidegate_api::RevisionStatus { replica_set: replica_set.to_owned(), ..revision("x") };
    let begun = [StageBegun { stage: stages[0].name.clone(), since, part: None, ..StageBegun::default() }];
    let mut now = since;
    loop {
        now += SignedDuration::from_secs(SCRAPE);
        assert!(now < past.minute(360));
        let look = AnalysisRequest {
            uid: canary,
            namespace: "shop",
            name: "checkout",
            spec,
            templates: &Templates::default(),
            stage: &stages[0],
            since: None,
            stable: &of(OLD),
            canary: &of(canary),
            begun: &begun,
            replaced: None,
            written: &[],
            presets: &[],
            now,
        };
        let check = analyzer.analyze(&look).await.checks[0].clone();
        if matches!(check.verdict, Verdict::Fail | Verdict::Pass) {
            return check;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_backtest_of_a_release_gives_the_verdict_that_the_operator_gave_on_the_same_requests() {
    let Some(past) = Past::write().await else { return };
    let rollout: Rollout = {
        let (documents, _) = tidegate_api::manifest::Document::all(&rollout(CHECKS));
        serde_json::from_value(documents[0].value().clone()).unwrap()
    };
    let (spec, analyzer) = (&rollout.spec, analyzer(&past.server.url));
    let text = format!("endpoints: [{{name: default, url: \"{}\"}}]", past.server.url);
    let endpoints = Endpoints::parse(&text, "endpoints.yaml").unwrap();
    let known = metrics::Past::new(&endpoints, None).unwrap().unwrap();
    for (canary, minute, outcome) in [(GOOD, 300, Verdict::Pass), (BAD, 240, Verdict::Fail)] {
        let since = past.minute(minute);
        let live = operator(&past, &analyzer, spec, canary, since).await;
        let subject = BacktestRequest { namespace: "shop", name: "checkout", spec, templates: &Templates::default() };
        let versions = Versions::Real { canary, stable: OLD };
        let to = since + SignedDuration::from_mins(30);
        let replayed = known.replay(subject, versions, (&[since], to)).await.unwrap();
        let first = replayed[0].changes.iter().find(|change| change.check.verdict == outcome).unwrap();
        let found = &first.check;
        assert_eq!((live.verdict, found.verdict), (outcome, outcome), "{live:?} {found:?}");
        assert_eq!((&live.value, live.sample, &live.stable), (&found.value, found.sample, &found.stable));
        assert_eq!(live.message, found.message);
        assert_eq!(replayed[0].outcome, if outcome == Verdict::Pass { Outcome::Passed } else { Outcome::Failed });
    }
}
