//! What routes ask of requests decides which rule leads them, as the Gateway API says: without the operator.

use anyhow::{Context, ensure};
use hyper::Method;
use serde_json::{Value, json};
use tidegate_testkit::{
    Result, cluster,
    customers::{Customer, Kind, ask},
    shop::Shop,
    wait::until,
    world::World,
};

use crate::{behaviour::behaviours, scenes::SOON};

behaviours![
    exact_paths_come_first_and_then_the_longest_prefixes,
    methods_come_before_headers_and_those_before_parameters,
    regular_expressions_have_to_match_all_of_a_value,
    of_equal_rules_the_first_wins_and_of_equal_names_the_first_is_heeded,
    services_and_methods_and_headers_lead_calls,
    rules_that_lead_nowhere_answer_with_errors,
];

/// A rule that answers with its name.
fn rule(name: &str, matches: &Value) -> Value {
    json!({
        "matches": [matches],
        "filters": [{
            "type": "ResponseHeaderModifier",
            "responseHeaderModifier": {"set": [{"name": "x-rule", "value": name}]},
        }],
        "backendRefs": [{"name": "checkout", "port": 80}],
    })
}

/// Which rule led a request, and the status that came.
async fn led(shop: &Shop, kind: Kind, customer: &Customer) -> Result<(String, String)> {
    let head = ask(shop, kind, customer).await?.head;
    let of = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let status = of("grpc-status").unwrap_or_else(|| head.status.as_str().to_owned());
    Ok((of("x-rule").unwrap_or_default(), status))
}

/// Has a shop's route follow these rules, and sees which of them leads each customer.
async fn lead(shop: &Shop, rules: &[Value], cases: &[(Customer, &str)]) -> Result<()> {
    follow(shop, rules).await?;
    for (customer, wanted) in cases {
        let (rule, status) = led(shop, Kind::Short, customer).await?;
        ensure!(rule == *wanted && status == "200", "{customer:?} was led by {rule} instead of {wanted}: {status}");
    }
    Ok(())
}

/// Writes a route's rules, and waits until Envoy follows them.
pub async fn follow(shop: &Shop, rules: &[Value]) -> Result<()> {
    shop.patch_route("test", json!({"spec": {"rules": rules}})).await?;
    let generation = shop.routes().get("checkout").await?.metadata.generation;
    shop.wait("the rules to be in force", SOON, |_| {
        shop.history().last().map(|in_force| in_force.generation) == generation
    })
    .await?;
    Ok(())
}

async fn open(world: &World, name: &str) -> Result<Shop> {
    world.shop(name).replicas(1).load(0.0).other_backend("nobody", 0).without_operator().open().await
}

async fn exact_paths_come_first_and_then_the_longest_prefixes(world: &World) -> Result<()> {
    let shop = open(world, "paths").await?;
    let of = |kind: &str, path: &str| rule(&format!("{kind} {path}"), &json!({"path": {"type": kind, "value": path}}));
    let rules = [
        of("PathPrefix", "/"),
        of("PathPrefix", "/shop"),
        of("PathPrefix", "/shop/cart/"),
        of("RegularExpression", "/shop/cart/[0-9]+"),
        of("Exact", "/shop/cart/7"),
    ];
    let to = |path: &str| Customer::default().asking(Method::GET, path);
    let cases = [
        (to("/"), "PathPrefix /"),
        (to("/shopping"), "PathPrefix /"),
        (to("/shop"), "PathPrefix /shop"),
        (to("/shop/cartoon"), "PathPrefix /shop"),
        (to("/shop/cart"), "PathPrefix /shop/cart/"),
        (to("/shop/cart/mine"), "PathPrefix /shop/cart/"),
        (to("/shop/cart/12"), "RegularExpression /shop/cart/[0-9]+"),
        (to("/shop/cart/12/items"), "PathPrefix /shop/cart/"),
        (to("/shop/cart/7"), "Exact /shop/cart/7"),
        (to("/shop/cart/7").with_query("color", "red"), "Exact /shop/cart/7"),
    ];
    lead(&shop, &rules, &cases).await
}

async fn methods_come_before_headers_and_those_before_parameters(world: &World) -> Result<()> {
    let shop = open(world, "order").await?;
    let headers =
        |names: &[&str]| -> Value { names.iter().map(|name| json!({"name": name, "value": "yes"})).collect() };
    let rules = [
        rule("all", &json!({})),
        rule("two parameters", &json!({"queryParams": headers(&["a", "b"])})),
        rule("a header", &json!({"headers": headers(&["x-a"])})),
        rule("two headers", &json!({"headers": headers(&["x-a", "x-b"])})),
        rule("a header and a parameter", &json!({"headers": headers(&["x-a"]), "queryParams": headers(&["a"])})),
        rule("a method", &json!({"method": "DELETE"})),
        rule("a longer path", &json!({"path": {"type": "PathPrefix", "value": "/cart"}})),
    ];
    let nobody = Customer::default;
    let everything =
        || nobody().with_header("x-a", "yes").with_header("x-b", "yes").with_query("a", "yes").with_query("b", "yes");
    let cases = [
        (nobody(), "all"),
        (nobody().with_header("x-a", "no").with_query("a", "yes"), "all"),
        (nobody().with_query("b", "yes").with_query("a", "yes"), "two parameters"),
        (nobody().with_header("X-A", "yes").with_query("b", "yes"), "a header"),
        (nobody().with_header("x-a", "yes").with_query("a", "yes").with_query("b", "yes"), "a header and a parameter"),
        (everything(), "two headers"),
        (everything().asking(Method::DELETE, "/"), "a method"),
        (everything().asking(Method::DELETE, "/cart"), "a longer path"),
    ];
    lead(&shop, &rules, &cases).await
}

async fn regular_expressions_have_to_match_all_of_a_value(world: &World) -> Result<()> {
    let shop = open(world, "expressions").await?;
    let like = |name: &str, value: &str| json!([{"type": "RegularExpression", "name": name, "value": value}]);
    let rules = [
        rule("all", &json!({})),
        rule("header", &json!({"headers": like("x-user", "ann?a|bert")})),
        rule("cookie", &json!({"headers": like("Cookie", r"^(.*;\s*)?tester=(yes|1)(;.*)?$")})),
        rule("parameter", &json!({"queryParams": like("v", "[0-9]+")})),
    ];
    let nobody = Customer::default;
    let cases = [
        (nobody().with_header("x-user", "anna"), "header"),
        (nobody().with_header("x-user", "bert"), "header"),
        (nobody().with_header("x-user", "hannah"), "all"),
        (nobody().with_cookie("tester", "yes"), "cookie"),
        (nobody().with_cookie("a", "b").with_cookie("tester", "1").with_cookie("z", "no"), "cookie"),
        (nobody().with_cookie("tester", "yesterday"), "all"),
        (nobody().with_cookie("nottester", "yes"), "all"),
        (nobody().with_query("v", "12"), "parameter"),
        (nobody().with_query("v", "12b"), "all"),
    ];
    lead(&shop, &rules, &cases).await?;
    let (rule, _) = led(&shop, Kind::Http2, &cases[4].0).await?;
    ensure!(rule == "cookie", "over HTTP/2 it was led by {rule}");
    Ok(())
}

async fn of_equal_rules_the_first_wins_and_of_equal_names_the_first_is_heeded(world: &World) -> Result<()> {
    let shop = open(world, "equal").await?;
    let user = |name: &str, value: &str| json!({"name": name, "value": value});
    let rules = [
        rule("all", &json!({})),
        rule("the first", &json!({"headers": [user("x-user", "anna")]})),
        rule("the second", &json!({"headers": [user("x-user", "anna")]})),
        rule("bert", &json!({"headers": [user("x-user", "bert"), user("X-User", "carla")]})),
    ];
    let nobody = Customer::default;
    let cases = [
        (nobody().with_header("x-user", "anna"), "the first"),
        (nobody().with_header("x-user", "bert"), "bert"),
        (nobody().with_header("x-user", "carla"), "all"),
    ];
    lead(&shop, &rules, &cases).await
}

async fn services_and_methods_and_headers_lead_calls(world: &World) -> Result<()> {
    let shop = open(world, "calls").await?;
    let beta = json!([{"name": "x-beta", "value": "yes"}]);
    let order = json!({"service": "shop.Checkout", "method": "Order"});
    let mut closed = rule("closed", &json!({"method": {"type": "RegularExpression", "method": "Fol+ow"}}));
    closed["backendRefs"][0]["weight"] = json!(0);
    grpc_route(
        &shop,
        &[
            rule("service", &json!({"method": {"service": "shop.Checkout"}, "headers": beta})),
            rule("method alone", &json!({"method": {"method": "Order"}, "headers": beta})),
            rule("method", &json!({"method": order})),
            rule("method and header", &json!({"method": order, "headers": beta})),
            closed,
        ],
    )
    .await?;
    let (nobody, tester) = (Customer::default(), Customer::default().with_header("x-beta", "yes"));
    until("the method to be led", SOON, || async {
        led(&shop, Kind::Unary, &nobody).await.ok().filter(|(rule, _)| rule == "method")
    })
    .await?;
    let cases = [
        (Kind::Unary, &tester, "method and header", "200"),
        (Kind::Stream, &nobody, "closed", "14"),
        (Kind::Http2, &tester, "", "200"),
    ];
    for (kind, customer, rule, status) in cases {
        let came = led(&shop, kind, customer).await?;
        ensure!(came == (rule.to_owned(), status.to_owned()), "{kind:?} was led by {came:?}, not {rule}");
    }
    let reply = ask(&shop, Kind::Unary, &nobody).await?;
    let status = reply.body.trailers().and_then(|trailers| trailers.get("grpc-status")).context("no status")?;
    ensure!(status == "0", "the call ended with {status:?}");
    Ok(())
}

/// Adds a GRPCRoute to a shop.
async fn grpc_route(shop: &Shop, rules: &[Value]) -> Result<()> {
    let route = json!({
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GRPCRoute",
        "metadata": {"name": "calls", "namespace": shop.namespace},
        "spec": {"parentRefs": [{"name": "public"}], "rules": rules},
    });
    cluster::create(&shop.client, route).await
}

async fn rules_that_lead_nowhere_answer_with_errors(world: &World) -> Result<()> {
    let shop = open(world, "nowhere").await?;
    let backends = |backends: &Value, path: &str| {
        let mut rule = rule(path, &json!({"path": {"type": "Exact", "value": path}}));
        rule["backendRefs"] = backends.clone();
        rule
    };
    let weighing = |name: &str, weight: u64| json!({"name": name, "port": 80, "weight": weight});
    let rules = [
        backends(&json!([]), "/without"),
        backends(&json!([weighing("checkout", 0), weighing("nobody", 0)]), "/weightless"),
        backends(&json!([weighing("checkout", 0), weighing("nobody", 1)]), "/unready"),
        backends(&json!([weighing("checkout", 1), weighing("nobody", 0)]), "/ready"),
    ];
    follow(&shop, &rules).await?;
    let wanted = [("/without", "500"), ("/weightless", "500"), ("/unready", "503"), ("/ready", "200"), ("/", "404")];
    for (path, wanted) in wanted {
        let (_, status) = led(&shop, Kind::Short, &Customer::default().asking(Method::GET, path)).await?;
        ensure!(status == wanted, "{path} was answered {status} instead of {wanted}");
    }
    Ok(())
}
