use serde_json::{Value, json};

use super::*;

fn exclude(given: &Value) -> Exclude {
    serde_json::from_value(given.clone()).unwrap()
}

/// What is left out of what `selector` selects at the pods.
fn of_pods(given: &Value, selector: &str) -> Exclusion {
    let given = (!given.is_null()).then(|| exclude(given));
    Exclusion::of(given.as_ref(), Counting::Pods, [selector].into_iter(), false)
}

fn usual() -> Exclusion {
    of_pods(&Value::Null, "http_requests_total")
}

fn labels(labels: &[(&str, &str)]) -> Labels {
    labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect()
}

fn is_left_out(exclusion: &Exclusion, label: &str, value: &str) -> bool {
    exclusion.leaves_out(&labels(&[("code", "200"), (label, value), ("pod", "a")])).is_some()
}

#[test]
fn what_is_searched_stands_in_the_order_of_letters() {
    assert!(PROBED.is_sorted());
}

#[test]
fn the_documentation_has_all_that_is_usual() {
    let told = include_str!("../../../../docs/checks.md");
    let below = PROBED_BELOW.iter().chain(&PROBERS_BELOW).map(|beginning| format!("`{beginning}*`"));
    let whole = PROBED.iter().chain(&PROBERS).map(|whole| format!("`{whole}`"));
    let missing: Vec<_> = whole.chain(below).filter(|name| !told.contains(name)).collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn probes_and_scrapes_are_left_out_by_whatever_label_says_it() {
    for label in ["handler", "path", "route", "http_route", "http.route", "uri", "exported_endpoint", "url.path"] {
        assert!(is_left_out(&usual(), label, "/metrics"), "{label}");
    }
    for (label, value) in [
        ("grpc_service", "grpc.health.v1.Health"),
        ("exported_service", "grpc.health.v1.Health"),
        ("rpc_method", "grpc.health.v1.Health/Check"),
        ("grpc_path", "/grpc.health.v1.Health/Watch"),
        ("view", "prometheus-django-metrics"),
        ("user_agent", "kube-probe/1.29"),
        ("user_agent.original", "Prometheus/3.5.3"),
    ] {
        assert!(is_left_out(&usual(), label, value), "{label} {value}");
    }
}

#[test]
fn what_users_ask_for_counts() {
    for value in ["/", "", "/metrics2", "/health/plans", "/live/42", "/pings", "/orders/metrics", "metrics", "/Metrics"]
    {
        assert!(!is_left_out(&usual(), "path", value), "{value}");
    }
    for (label, value) in
        [("pod", "/metrics"), ("code", "/metrics"), ("__name__", "/metrics"), ("user_agent", "curl/8")]
    {
        assert!(!is_left_out(&usual(), label, value), "{label} {value}");
    }
    assert!(!is_left_out(&usual(), "endpoint", "metrics"), "the port of a ServiceMonitor");
}

#[test]
fn neither_a_query_nor_a_slash_at_the_end_matters() {
    for value in ["/healthz/", "/healthz?verbose", "/healthz/?verbose=1", "/readyz/etcd", "/actuator/health/**"] {
        assert!(is_left_out(&usual(), "path", value), "{value}");
    }
    let own = of_pods(&json!({"paths": ["/warm-up/", "/"]}), "up");
    for value in ["/warm-up", "/warm-up/", "/warm-up?pages=3", "/"] {
        assert!(is_left_out(&own, "path", value), "{value}");
    }
    assert!(!is_left_out(&own, "path", "/warm-up/3") && !is_left_out(&own, "path", ""));
}

#[test]
fn what_is_given_is_meant_to_the_letter_and_comes_besides_what_is_usual() {
    let own = json!({"paths": ["/orders/{id}", "/a.b", "/static/*file", "/internal/*"], "userAgents": ["curl/*"]});
    let own = of_pods(&own, "up");
    for value in ["/orders/{id}", "/a.b", "/static/*file", "/internal/a\"b", "/internal/*", "/metrics"] {
        assert!(is_left_out(&own, "route", value), "{value}");
    }
    for value in ["/orders/7", "/a-b", "/static/file", "/internal", "/internals", "curl/8.5"] {
        assert!(!is_left_out(&own, "route", value), "{value}");
    }
    assert!(is_left_out(&own, "user_agent", "curl/8.5") && !is_left_out(&own, "user_agent", "/orders/{id}"));
}

#[test]
fn probes_count_where_that_is_asked_for_and_what_is_given_still_does_not() {
    let own = of_pods(&json!({"probes": "Count", "paths": ["/warm-up"]}), "up");
    assert!(!is_left_out(&own, "path", "/healthz") && is_left_out(&own, "path", "/warm-up"));
}

#[test]
fn a_gateway_sees_no_probes_of_the_kubelet_and_leaves_out_what_it_is_told_to() {
    let at_gateway = |given: Option<&Exclude>| Exclusion::of(given, Counting::Gateway, ["up"].into_iter(), false);
    assert!(!is_left_out(&at_gateway(None), "path", "/healthz"));
    let own = at_gateway(Some(&exclude(&json!({"paths": ["/warm-up"]}))));
    assert!(is_left_out(&own, "path", "/warm-up") && !is_left_out(&own, "path", "/healthz"));
    assert!(is_left_out(&at_gateway(Some(&exclude(&json!({"probes": "Exclude"})))), "path", "/healthz"));
}

#[test]
fn whoever_asks_for_a_label_has_decided_which_of_its_values_count() {
    let by_path = of_pods(&Value::Null, r#"http_requests_total{path=~"/health.*",pod=~"a"}"#);
    assert!(!is_left_out(&by_path, "path", "/healthz") && is_left_out(&by_path, "handler", "/healthz"));
    let told = of_pods(&json!({"paths": ["/healthz"]}), r#"http_requests_total{path!="/metrics"}"#);
    assert!(is_left_out(&told, "path", "/healthz"), "what the check leaves out is decided as well");
}

#[test]
fn errors_of_another_metric_may_lack_the_label_and_then_nothing_is_left_out_by_itself() {
    let of = |given: Option<&Exclude>, selectors: [&str; 2]| {
        Exclusion::of(given, Counting::Pods, selectors.into_iter(), true)
    };
    let same = of(None, [r#"http_requests_total{pod=~"a"}"#, r#"http_requests_total{pod=~"a",code=~"5.."}"#]);
    assert!(is_left_out(&same, "path", "/healthz"));
    let others = [r#"http_requests_total{pod=~"a"}"#, r#"http_errors_total{pod=~"a"}"#];
    assert!(!is_left_out(&of(None, others), "path", "/healthz"));
    assert!(is_left_out(&of(Some(&exclude(&json!({"probes": "Exclude"}))), others), "path", "/healthz"));
}

#[test]
fn what_is_left_out_of_a_version_is_told_with_few_examples() {
    let mut left_out = LeftOut::default();
    for value in ["/metrics", "/healthz", "/metrics", "/readyz", "/livez"] {
        left_out.insert(Arm::Canary, &value.into());
    }
    let why = left_out.of(Arm::Canary).unwrap();
    assert_eq!(why.reason(), "AllExcluded");
    assert_eq!(
        why.to_string(),
        "no requests yet that count: what there was is left out, \"/healthz\", \"/metrics\", \"/readyz\"; a service that \
         answers nothing else needs exclude: {probes: Count}"
    );
    assert_eq!(left_out.of(Arm::Stable), None);
}

#[test]
fn what_is_left_out_stands_at_nothing_when_it_was_scraped() {
    let at = jiff::Timestamp::UNIX_EPOCH;
    let bucket = crate::answer::Bucket { lower: 0.1, upper: 0.2, count: 3.0 };
    let row = Row {
        labels: labels(&[("path", "/metrics")]),
        samples: vec![Sample { at, value: 3.0 }],
        histograms: vec![Histogram { at, count: 3.0, buckets: vec![bucket] }],
    };
    assert!(row.has_any());
    let silent = row.silent();
    assert_eq!(silent.samples, [Sample { at, value: 0.0 }]);
    assert_eq!(silent.histograms, [Histogram { at, count: 0.0, buckets: Vec::new() }]);
    assert!(!silent.has_any());
}
