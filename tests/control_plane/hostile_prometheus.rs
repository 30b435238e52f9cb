//! A Prometheus that answers, but not as Prometheus does: whatever it says, nothing moves until it makes sense.

use std::time::Duration;

use serde_json::json;
use tidegate_api::{Phase, Verdict};
use tidegate_testkit::{
    Result,
    false_prometheus::{
        FalsePrometheus,
        Manner::{self, Endless, Failing, Honest, Huge, NotANumber, Redirect, Warning, WebPage},
    },
    shop::Shop,
    world::World,
};

use crate::{
    behaviour::behaviours,
    scenes::{SOON, adopted, errors, promoted, underway, with_checks},
};

behaviours![
    a_web_page_or_an_error_in_place_of_prometheus_is_no_evidence,
    a_redirect_to_another_prometheus_is_no_evidence,
    an_answer_that_is_too_long_or_never_ends_is_no_evidence,
    an_answer_that_is_incomplete_or_no_number_is_no_evidence,
    a_query_that_answers_without_a_number_is_no_evidence,
];

/// Longer than the first stage bakes.
const A_STAGE: Duration = Duration::from_secs(4);

async fn a_web_page_or_an_error_in_place_of_prometheus_is_no_evidence(world: &World) -> Result<()> {
    let answers = [(WebPage, "NotPrometheus"), (Failing, "PrometheusFails")];
    nothing_moves_until_it_makes_sense(world, "not-prometheus", &answers).await
}

async fn a_redirect_to_another_prometheus_is_no_evidence(world: &World) -> Result<()> {
    nothing_moves_until_it_makes_sense(world, "redirect", &[(Redirect, "PrometheusRedirects")]).await
}

async fn an_answer_that_is_too_long_or_never_ends_is_no_evidence(world: &World) -> Result<()> {
    let answers = [(Huge, "AnswerTooLarge"), (Endless, "PrometheusTimeout")];
    nothing_moves_until_it_makes_sense(world, "endless", &answers).await
}

async fn an_answer_that_is_incomplete_or_no_number_is_no_evidence(world: &World) -> Result<()> {
    let answers = [(NotANumber, "NotACounter"), (Warning, "AnswerIncomplete")];
    nothing_moves_until_it_makes_sense(world, "no-number", &answers).await
}

/// Releases v2 to a false Prometheus, which answers in each manner in turn, and in the end as it should.
async fn nothing_moves_until_it_makes_sense(world: &World, name: &str, answers: &[(Manner, &str)]) -> Result<()> {
    let prometheus = FalsePrometheus::start(&world.prometheus.url, world.data_plane.http.clone()).await?;
    let plan = with_checks(&[errors("5%")]);
    let shop = adopted(world.shop(name).prometheus(&prometheus.url), plan).await?;
    prometheus.answer(answers[0].0);
    underway(&shop).await?;
    for (manner, reason) in answers {
        prometheus.answer(*manner);
        held_back(&shop, &format!("{manner:?}"), "errors", reason).await?;
    }
    prometheus.answer(Honest);
    promoted(&shop, "v2").await?;
    shop.lost_nothing().await
}

async fn a_query_that_answers_without_a_number_is_no_evidence(world: &World) -> Result<()> {
    let prometheus = FalsePrometheus::start(&world.prometheus.url, world.data_plane.http.clone()).await?;
    let check = json!({"name": "anything", "query": {"expr": "vector(0)", "max": 1.0}});
    let shop = adopted(world.shop("query-nan").prometheus(&prometheus.url), with_checks(&[check])).await?;
    prometheus.answer(NotANumber);
    underway(&shop).await?;
    held_back(&shop, "NaN", "anything", "NotANumber").await?;
    prometheus.answer(Honest);
    promoted(&shop, "v2").await
}

/// The check says why it knows nothing, and the rollout neither goes on nor back.
async fn held_back(shop: &Shop, answer: &str, check: &str, reason: &str) -> Result<()> {
    let now = shop
        .wait(&format!("{reason} after {answer}"), SOON, |now| {
            now.check(check).is_some_and(|check| check.verdict == Verdict::NoData && check.reason == reason)
        })
        .await?;
    let message = now.status().message;
    let sentence = now.check(check).map(|check| check.message).unwrap_or_default();
    shop.check(&format!("the status says so: {message}"), !sentence.is_empty() && message.contains(&sentence)).await?;
    shop.stays(&format!("{answer} moves nothing"), A_STAGE, |now| {
        now.phase() == Phase::Progressing && now.stage() == "canary" && now.share() == Some(25)
    })
    .await
}
