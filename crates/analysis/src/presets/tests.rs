use kube::{
    CustomResourceExt, ResourceExt,
    core::cel::{compile_schema, validate_compiled},
};
use serde_json::{Value, json};
use tidegate_api::{Check, CheckTemplate, ClusterCheckTemplate, RevisionStatus, Span};
use tidegate_judge::{Arm, Meaning, Sample, Series};
use tidegate_planner::traffic::Names;

mod exposition;

use super::*;
use crate::{
    answer::Row,
    parameters::Parameters,
    recipe::Templates,
    source::Source,
    template::{Backends, Scope},
};

fn schema<K: CustomResourceExt>() -> Value {
    let schema = K::crd().spec.versions[0].schema.clone().unwrap().open_api_v3_schema.unwrap();
    serde_json::to_value(schema).unwrap()
}

/// What a check of `kind` with `preset` reads of a Rollout `checkout` in `shop`, whose route is split.
fn source(preset: Preset, kind: &str) -> Source {
    source_with(preset, kind, &if preset == Preset::EnvoyGateway { json!({"route": "checkout"}) } else { json!({}) })
}

/// The same with these parameters.
fn source_with(preset: Preset, kind: &str, parameters: &Value) -> Source {
    asked(kind, &json!({"preset": preset, "parameters": parameters}))
}

/// The same where the check of `kind` says `question` besides its limit.
fn asked(kind: &str, question: &Value) -> Source {
    let mut question = question.clone();
    question["max"] = if kind == "latency" { "1s" } else { "1%" }.into();
    question["quantile"] = 0.95.into();
    let check: Check = serde_json::from_value(json!({"name": "it", kind: question})).unwrap();
    let [canary, stable] = ["new", "old"].map(|name| RevisionStatus {
        revision: name.to_owned(),
        replica_set: format!("checkout-{name}"),
        ..Default::default()
    });
    let names = Names::of("checkout");
    let scope = Scope {
        namespace: "shop",
        rollout: "checkout",
        service: "checkout",
        backends: Some(Backends { names: &names, canary: &canary }),
        revision: &canary,
        window: Span::seconds(60),
        parameters: Parameters::NONE,
    };
    Source::of(&check, &Templates::default(), &scope, &canary, &stable).unwrap()
}

fn promql(preset: Preset, kind: &str) -> Vec<String> {
    source(preset, kind).judged().map(|selector| selector.promql.clone()).collect()
}

/// What is made of one series with `labels`, as the answer to the first selector.
fn counted(preset: Preset, kind: &str, labels: &[(&str, &str)]) -> Option<Series> {
    let mut labels: Vec<_> = labels.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    labels.sort();
    let samples = vec![Sample { at: jiff::Timestamp::UNIX_EPOCH, value: 1.0 }];
    let row = Row { labels: labels.into(), samples, histograms: Vec::new() };
    source(preset, kind).gathered(vec![vec![row]]).unwrap().counted(&[]).unwrap().0.pop()
}

fn fails(preset: Preset, label: &str, arm: (&str, &str), status: &str) -> bool {
    let series = counted(preset, "errorRate", &[arm, (label, status)]).unwrap();
    assert_eq!(series.arm, Arm::Canary);
    series.meaning == Meaning::FailedRequests
}

#[test]
fn every_preset_is_a_manifest_that_anybody_could_apply() {
    let schema = schema::<ClusterCheckTemplate>();
    for preset in Preset::ALL {
        let template: ClusterCheckTemplate = serde_saphyr::from_str(manifest(preset).unwrap()).unwrap();
        assert_eq!(template.name_any(), preset.to_string());
        assert_eq!(json!(preset), json!(preset.to_string()));
        let written: Value = serde_saphyr::from_str(manifest(preset).unwrap()).unwrap();
        assert_eq!(written["spec"], serde_json::to_value(&template.spec).unwrap(), "a field that no template has");
        validate_compiled(&compile_schema(&schema), &written, None)
            .unwrap_or_else(|error| panic!("{preset:?}: {error:?}"));
        assert!(template.spec.0.description.is_some());
        assert_eq!(spec(preset), Ok(&template.spec.0));
    }
}

#[test]
fn both_kinds_of_template_are_checked_alike() {
    let described = |mut schema: Value| {
        schema.as_object_mut().unwrap().retain(|name, _| !["description", "title"].contains(&name.as_str()));
        schema["properties"]["spec"].as_object_mut().unwrap().remove("description");
        schema
    };
    assert_eq!(described(schema::<CheckTemplate>()), described(schema::<ClusterCheckTemplate>()));
}

#[test]
fn presets_of_the_pods_take_the_pods_of_both_versions_at_once_and_no_others() {
    let pods = r#"namespace=~"shop|",pod=~"checkout-new-[a-z0-9]{5}|checkout-old-[a-z0-9]{5}""#;
    let proxies = r#"direction="inbound",route_name!="probe",srv_port!="4191""#;
    for (preset, requests, buckets) in [
        (
            Preset::PodHttp,
            format!("http_requests_total{{{pods}}}"),
            format!("http_request_duration_seconds_bucket{{{pods}}}"),
        ),
        (
            Preset::Grpc,
            format!("grpc_server_handled_total{{{pods}}}"),
            format!("grpc_server_handled_latency_seconds_bucket{{{pods}}}"),
        ),
        (
            Preset::Istio,
            format!("istio_requests_total{{reporter=\"destination\",{pods}}}"),
            format!("istio_request_duration_milliseconds_bucket{{reporter=\"destination\",{pods}}}"),
        ),
        (
            Preset::Linkerd,
            format!("response_total{{{proxies},{pods}}}"),
            format!("response_latency_ms_bucket{{{proxies},{pods}}}"),
        ),
    ] {
        let last = |kind| promql(preset, kind).pop().unwrap();
        assert_eq!((last("errorRate"), last("latency")), (requests, buckets));
    }
}

#[test]
fn presets_of_a_gateway_tell_the_versions_apart_by_their_services() {
    assert_eq!(
        promql(Preset::Contour, "errorRate"),
        [r#"envoy_cluster_upstream_rq{envoy_cluster_name=~"shop_checkout-canary_[0-9]+|shop_checkout-stable_[0-9]+"}"#]
    );
    assert_eq!(
        promql(Preset::Traefik, "latency"),
        [concat!(
            r#"traefik_service_request_duration_seconds_bucket{service=~""#,
            "((http|grpc)route-shop-.+-svc-)?shop-checkout-canary-((http|grpc)-)?[0-9]+@kubernetes(gateway|crd)|",
            r#"((http|grpc)route-shop-.+-svc-)?shop-checkout-stable-((http|grpc)-)?[0-9]+@kubernetes(gateway|crd)"}"#
        )]
    );
    assert_eq!(
        promql(Preset::EnvoyGateway, "errorRate"),
        [
            r#"envoy_cluster_upstream_rq{envoy_cluster_name="httproute/shop/checkout/rule/0/backend/1"}"#,
            r#"envoy_cluster_upstream_rq{envoy_cluster_name="httproute/shop/checkout/rule/0/backend/0"}"#,
        ]
    );
    assert_eq!(
        promql(Preset::NginxIngress, "errorRate"),
        [
            r#"nginx_ingress_controller_requests{exported_namespace="shop",canary=~"shop-checkout-canary-([0-9]+|[a-z][a-z0-9]*)"}"#,
            r#"nginx_ingress_controller_requests{exported_namespace="shop",exported_service=~"checkout|checkout-stable",canary=""}"#,
        ]
    );
}

#[test]
fn a_series_of_a_gateway_belongs_to_the_version_behind_its_service() {
    for (preset, label, canary, stable, other) in [
        (
            Preset::Contour,
            "envoy_cluster_name",
            "shop_checkout-canary_80",
            "shop_checkout-stable_80",
            "shop_checkout_80",
        ),
        (
            Preset::Traefik,
            "service",
            "shop-checkout-canary-http-80@kubernetesgateway",
            "shop-checkout-stable-80@kubernetesgateway",
            "shop-checkout-http-80@kubernetesgateway",
        ),
        (
            Preset::Traefik,
            "service",
            "httproute-shop-checkout-gw-infra-main-ep-web-0-2f1bc4c1c1f5d9f0a3b2-svc-shop-checkout-canary-1@kubernetesgateway",
            "httproute-shop-checkout-gw-infra-main-ep-web-0-2f1bc4c1c1f5d9f0a3b2-svc-shop-checkout-stable-0@kubernetesgateway",
            "httproute-shop-checkout-gw-infra-main-ep-web-0-2f1bc4c1c1f5d9f0a3b2-wrr@kubernetesgateway",
        ),
    ] {
        let arm = |value| counted(preset, "latency", &[(label, value), ("le", "0.1")]).map(|series| series.arm);
        assert_eq!([canary, stable, other].map(arm), [Some(Arm::Canary), Some(Arm::Stable), None], "{preset:?}");
    }
}

#[test]
fn server_errors_and_missing_answers_are_failures() {
    let pod = ("pod", "checkout-new-abcde");
    for (preset, label) in [(Preset::PodHttp, "code"), (Preset::PodHttp, "status"), (Preset::Istio, "response_code")] {
        assert_eq!(["500", "503", "5xx", "0"].map(|status| fails(preset, label, pod, status)), [true; 4]);
        assert_eq!(["200", "301", "404", "499"].map(|status| fails(preset, label, pod, status)), [false; 4]);
    }
    let grpc = |status| fails(Preset::Grpc, "grpc_code", pod, status);
    let server =
        ["Unknown", "DeadlineExceeded", "DEADLINE_EXCEEDED", "Internal", "Unavailable", "DATA_LOSS", "Unimplemented"];
    assert_eq!(server.map(grpc), [true; 7]);
    assert_eq!(["OK", "NotFound", "InvalidArgument", "Canceled", "Unauthenticated"].map(grpc), [false; 5]);
    assert_eq!(
        ["failure", "success"].map(|status| fails(Preset::Linkerd, "classification", pod, status)),
        [true, false]
    );
    let cluster = ("envoy_cluster_name", "shop_checkout-canary_80");
    let envoy = |status| fails(Preset::Contour, "envoy_response_code", cluster, status);
    assert_eq!(["503", "404"].map(envoy), [true, false]);
}

#[test]
fn what_one_unit_of_a_bound_means_is_known() {
    for (preset, label, le) in [
        (Preset::PodHttp, ("pod", "checkout-new-abcde"), "0.5"),
        (Preset::Grpc, ("pod", "checkout-new-abcde"), "0.5"),
        (Preset::Istio, ("pod", "checkout-new-abcde"), "500"),
        (Preset::Linkerd, ("pod", "checkout-new-abcde"), "500"),
        (Preset::Contour, ("envoy_cluster_name", "shop_checkout-canary_80"), "500"),
        (Preset::EnvoyGateway, ("envoy_cluster_name", "it"), "500"),
        (Preset::NginxIngress, ("canary", "it"), "0.5"),
        (Preset::Traefik, ("service", "shop-checkout-canary-80@kubernetesgateway"), "0.5"),
    ] {
        let series = counted(preset, "latency", &[label, ("le", le)]).unwrap();
        let Meaning::Bucket { le, .. } = series.meaning else { panic!("{preset:?}") };
        assert!((le - 5e8).abs() < 1.0, "{preset:?}: {le}");
    }
}
