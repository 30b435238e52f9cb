//! What the gateway does beside leading requests: it copies them and changes the headers of answers. Without the
//! operator.

use anyhow::{Context, ensure};
use hyper::http::HeaderValue;
use serde_json::{Value, json};
use tidegate_testkit::{
    Result, cluster,
    customers::{Customer, Customers, Kind, ask},
    shop::Shop,
    wait::until,
    world::World,
};

use crate::{behaviour::behaviours, routing::follow, scenes::SOON};

behaviours![
    requests_are_copied_in_their_share_and_nobody_is_answered_by_who_gets_the_copies,
    all_requests_are_copied_unless_told_otherwise,
    headers_of_answers_are_added_set_and_removed_by_backend,
    customers_who_keep_cookies_say_them_from_then_on,
];

/// A shop with another application beside its own, called `other`.
async fn with_another(world: &World, name: &str) -> Result<Shop> {
    let shop = world.shop(name).replicas(2).load(0.0).other_backend("other", 0).without_operator().open().await?;
    let template = json!({
        "metadata": {"labels": {"app": "other"}},
        "spec": {"containers": [{
            "name": "app",
            "image": "shop/other:o1",
            "ports": [{"name": "http", "containerPort": 8080}],
        }]},
    });
    cluster::create(
        &shop.client,
        json!({
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "other", "namespace": shop.namespace},
            "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "other"}}, "template": template},
        }),
    )
    .await?;
    let endpoints = &world.data_plane.endpoints;
    shop.wait("the other application", SOON, |_| endpoints.ready(&shop.namespace, "other").len() == 1).await?;
    Ok(shop)
}

fn backend(name: &str) -> Value {
    json!({"name": name, "port": 80})
}

/// Sends so many requests through a rule that copies `part` of them, until `is_right` holds of how many there were, and
/// of how many copies.
async fn copied(
    world: &World,
    name: &str,
    part: &Value,
    requests: usize,
    is_right: fn(usize, u64) -> bool,
) -> Result<()> {
    let shop = with_another(world, name).await?;
    let mut mirror = part.clone();
    mirror["backendRef"] = backend("other");
    let filter = json!({"type": "RequestMirror", "requestMirror": mirror});
    follow(&shop, &[json!({"filters": [filter], "backendRefs": [backend("checkout")]})]).await?;
    let customers = Customers::enter(&shop, 200.0)?;
    until("the requests to be answered", SOON, || async {
        customers.so_far(|so_far| so_far.answers.len() >= requests).then_some(())
    })
    .await?;
    let receipt = customers.leave().await?;
    let now = shop.now();
    let (own, other) = (now.revision("v1").context("no v1")?, now.revision("o1").context("no o1")?);
    ensure!(receipt.failures.is_empty(), "{receipt}");
    ensure!(receipt.answers.iter().all(|answer| answer.revision == own), "{receipt}");
    // A copy may arrive after the answer to its request.
    let copies = |revision: &str| world.data_plane.kubelet.copies(&shop.namespace, revision);
    until("as many copies as wanted", SOON, || async { is_right(receipt.answers.len(), copies(&other)).then_some(()) })
        .await
        .with_context(|| format!("{} copies; {receipt}", copies(&other)))?;
    ensure!(copies(&own) == 0, "there were copies for {own}");
    Ok(())
}

async fn requests_are_copied_in_their_share_and_nobody_is_answered_by_who_gets_the_copies(world: &World) -> Result<()> {
    let part = json!({"fraction": {"numerator": 25_000, "denominator": 100_000}});
    // Six standard deviations around a quarter.
    copied(world, "copies", &part, 1000, |requests, copies| {
        (0.168..=0.332).contains(&(copies as f64 / requests as f64))
    })
    .await
}

async fn all_requests_are_copied_unless_told_otherwise(world: &World) -> Result<()> {
    copied(world, "copies-of-all", &json!({}), 300, |requests, copies| u64::try_from(requests) == Ok(copies)).await
}

async fn headers_of_answers_are_added_set_and_removed_by_backend(world: &World) -> Result<()> {
    let shop = with_another(world, "headers").await?;
    let modifier = json!({
        "add": [{"name": "Set-Cookie", "value": "version=checkout; Path=/"}, {"name": "x-luck", "value": "100%"}],
        "set": [{"name": "x-revision", "value": "a secret"}],
        "remove": ["x-arrived"],
    });
    let mut changed = backend("checkout");
    changed["filters"] = json!([{"type": "ResponseHeaderModifier", "responseHeaderModifier": modifier}]);
    follow(&shop, &[json!({"backendRefs": [changed, backend("other")]})]).await?;
    let other = shop.now().revision("o1").context("no revision")?;
    let (mut of_own, mut of_other) = (0, 0);
    for kind in [Kind::Short, Kind::Http2].repeat(20) {
        let head = ask(&shop, kind, &Customer::default()).await?.head;
        let all = |name: &str| -> Vec<&[u8]> { head.headers.get_all(name).iter().map(HeaderValue::as_bytes).collect() };
        if all("x-revision") == [b"a secret"] {
            of_own += 1;
            ensure!(all("set-cookie") == [b"version=checkout; Path=/"], "{head:?}");
            ensure!(all("x-luck") == [b"100%"] && all("x-arrived").is_empty(), "{head:?}");
        } else {
            of_other += 1;
            ensure!(all("x-revision") == [other.as_bytes()], "{head:?}");
            ensure!(all("set-cookie").is_empty() && all("x-arrived").len() == 1, "{head:?}");
        }
    }
    ensure!(of_own > 0 && of_other > 0, "{of_own} and {of_other}");
    Ok(())
}

async fn customers_who_keep_cookies_say_them_from_then_on(world: &World) -> Result<()> {
    let shop = with_another(world, "cookies").await?;
    let mut first = backend("checkout");
    let cookie = json!({"name": "Set-Cookie", "value": "known=yes; Path=/; HttpOnly"});
    first["filters"] = json!([{"type": "ResponseHeaderModifier", "responseHeaderModifier": {"add": [cookie]}}]);
    let known = json!([{"headers": [{"name": "cookie", "value": "known=yes"}]}]);
    let rules = [json!({"backendRefs": [first]}), json!({"matches": known, "backendRefs": [backend("other")]})];
    follow(&shop, &rules).await?;
    let stranger = Customer::default();
    let people = vec![Customer::who_keeps_cookies(), stranger, Customer::who_keeps_cookies()];
    let customers = Customers::enter_as(&shop, 100.0, people)?;
    until("some requests", SOON, || async { customers.so_far(|so_far| so_far.answers.len() > 300).then_some(()) })
        .await?;
    let receipt = customers.leave().await?;
    ensure!(receipt.failures.is_empty(), "{receipt}");
    let own = shop.now().revision("v1").context("no revision")?;
    for customer in 0..3 {
        let of_one = receipt.answers.iter().filter(|answer| answer.customer == customer);
        let from_own: Vec<_> = of_one.map(|answer| answer.revision == own).collect();
        let again = from_own.iter().skip(1).filter(|own| **own).count();
        let wanted = if customer == 1 { from_own.len() - 1 } else { 0 };
        ensure!(from_own.len() > 50 && from_own[0] && again == wanted, "customer {customer}: {from_own:?}");
    }
    Ok(())
}
