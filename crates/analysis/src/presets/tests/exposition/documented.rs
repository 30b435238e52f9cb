//! What presets count of libraries and meshes that only their documentation tells of: series with the names and labels that it
//! gives them, of eight requests, one of which failed, and six of which took no longer than half a second.

use serde_json::json;
use tidegate_api::Preset;
use tidegate_judge::Meaning;

use super::{Counted, Exposition, POD, asked, counted, found, sum};

const EIGHT: Counted = Counted { requests: 8.0, failed: 1.0, timed: Some([6.0, 8.0]) };

/// A histogram whose requests have a label with their status: seven with the first of `statuses`, and one with the second.
fn histogram(name: &str, labels: &str, statuses: [&str; 2], half: &str) -> String {
    let of = |status: &str, fast: u32, all: u32| {
        format!(
            "{name}_bucket{{{labels},{status},le=\"{half}\"}} {fast}\n\
             {name}_bucket{{{labels},{status},le=\"+Inf\"}} {all}\n\
             {name}_count{{{labels},{status}}} {all}\n"
        )
    };
    of(statuses[0], 6, 7) + &of(statuses[1], 0, 1)
}

/// A counter beside a histogram, which has no status.
fn counter_and_histogram([counter, histogram]: [&str; 2], labels: &str, statuses: [&str; 2], half: &str) -> String {
    format!(
        "{counter}{{{labels},{}}} 7\n{counter}{{{labels},{}}} 1\n\
         {histogram}_bucket{{{labels},le=\"{half}\"}} 6\n{histogram}_bucket{{{labels},le=\"+Inf\"}} 8\n\
         {histogram}_count{{{labels}}} 8\n",
        statuses[0], statuses[1]
    )
}

/// <https://github.com/prometheus-net/prometheus-net#aspnet-core-http-request-metrics>
#[test]
fn prometheus_net_of_asp_net_core_is_counted() {
    let labels = r#"method="GET",controller="Orders",action="Get",endpoint="orders/{id}""#;
    let text = histogram("http_request_duration_seconds", labels, [r#"code="200""#, r#"code="500""#], "0.512");
    assert_eq!(counted(Preset::PodHttpHistogram, &text, &POD), EIGHT);
}

/// <https://opentelemetry.io/docs/specs/semconv/http/http-metrics/#metric-httpserverrequestduration>
#[test]
fn what_follows_the_conventions_of_opentelemetry_is_counted() {
    let dotnet =
        r#"http_request_method="GET",http_route="orders/{id}",network_protocol_version="1.1",url_scheme="http""#;
    let java = r#"http_request_method="GET",http_route="/orders/{id}",network_protocol_version="1.1",server_port="8080",url_scheme="http""#;
    let php = r#"http_request_method="GET",url_scheme="http""#;
    for labels in [dotnet, java, php] {
        let statuses = [r#"http_response_status_code="200""#, r#"http_response_status_code="500""#];
        let text = histogram("http_server_request_duration_seconds", labels, statuses, "0.5");
        assert_eq!(counted(Preset::OtelHttp, &text, &POD), EIGHT, "{labels}");
    }
}

/// <https://quarkus.io/guides/telemetry-micrometer> and <https://micronaut-projects.github.io/micronaut-micrometer/latest/guide/>
#[test]
fn micrometer_in_quarkus_and_micronaut_is_counted() {
    let quarkus = [
        r#"method="GET",outcome="SUCCESS",uri="/orders/{id}",status="200""#,
        r#"method="GET",outcome="SERVER_ERROR",uri="/orders/{id}",status="500""#,
    ];
    let micronaut = [
        r#"method="GET",uri="/orders/{id}",exception="none",status="200""#,
        r#"method="GET",uri="/orders/{id}",exception="IllegalStateException",status="500""#,
    ];
    for statuses in [quarkus, micronaut] {
        let text = histogram("http_server_requests_seconds", r#"application="checkout""#, statuses, "0.5");
        assert_eq!(counted(Preset::Micrometer, &text, &POD), EIGHT, "{statuses:?}");
    }
}

/// <https://github.com/yabeda-rb/yabeda-rails#metrics>
#[test]
fn rails_is_counted_by_yabeda() {
    let names = ["rails_requests_total", "rails_request_duration_seconds"];
    let text = counter_and_histogram(
        names,
        r#"controller="orders",action="show",format="html",method="get""#,
        [r#"status="200""#, r#"status="500""#],
        "0.5",
    );
    assert_eq!(counted(Preset::FrameworkHttp, &text, &POD), EIGHT);
}

/// <https://github.com/prometheus/client_ruby/blob/main/lib/prometheus/middleware/collector.rb>
#[test]
fn the_collector_for_rack_is_counted_where_the_check_says_how_its_metrics_begin() {
    let names = ["http_server_requests_total", "http_server_request_duration_seconds"];
    let text =
        counter_and_histogram(names, r#"method="get",path="/orders/:id""#, [r#"code="200""#, r#"code="500""#], "0.5");
    let parameters = json!({"preset": Preset::FrameworkHttp, "parameters": {"prefix": "http_server"}});
    let mut prometheus = Exposition::read(&text).scraped(&POD);
    let requests = found(&asked("errorRate", &parameters), &mut prometheus).unwrap();
    let failed = requests.iter().filter(|series| series.meaning == Meaning::FailedRequests);
    assert_eq!([sum(requests.iter()), sum(failed)].map(|sum| sum.to_string()), ["8", "1"]);
    let buckets = found(&asked("latency", &parameters), &mut prometheus).unwrap();
    assert!(buckets.iter().any(|series| matches!(series.meaning, Meaning::Bucket { .. })));
}

/// <https://grpc.io/docs/guides/opentelemetry-metrics/>
#[test]
fn what_grpc_measures_itself_is_counted() {
    let labels = r#"grpc_method="shop.Orders/Get""#;
    let statuses = [r#"grpc_status="OK""#, r#"grpc_status="UNAVAILABLE""#];
    let text = histogram("grpc_server_call_duration_seconds", labels, statuses, "0.5");
    assert_eq!(counted(Preset::OtelGrpc, &text, &POD), EIGHT);
}

/// <https://istio.io/latest/docs/reference/config/metrics/>
#[test]
fn a_sidecar_of_istio_counts_what_it_answered_and_not_what_it_sent() {
    let of = |reporter: &str| {
        let labels = format!(
            r#"reporter="{reporter}",request_protocol="http",connection_security_policy="mutual_tls",destination_workload="checkout",destination_service_name="checkout-canary""#
        );
        let (requests, duration) = ("istio_requests_total", "istio_request_duration_milliseconds");
        let statuses = [r#"response_code="200",response_flags="-""#, r#"response_code="503",response_flags="UF""#];
        // It has the status in both.
        let buckets = histogram(duration, &labels, statuses, "500");
        buckets + &format!("{requests}{{{labels},{}}} 7\n{requests}{{{labels},{}}} 1\n", statuses[0], statuses[1])
    };
    assert_eq!(counted(Preset::Istio, &(of("destination") + &of("source")), &POD), EIGHT);
}

/// <https://linkerd.io/2/reference/proxy-metrics/>
#[test]
fn a_proxy_of_linkerd_counts_what_came_in_but_not_what_was_asked_of_itself() {
    let of = |direction: &str, port: &str| {
        let labels = format!(r#"direction="{direction}",tls="true",target_addr="0.0.0.0:{port}",srv_port="{port}""#);
        let statuses =
            [r#"classification="success",status_code="200""#, r#"classification="failure",status_code="503""#];
        let total =
            format!("response_total{{{labels},{}}} 7\nresponse_total{{{labels},{}}} 1\n", statuses[0], statuses[1]);
        total + &histogram("response_latency_ms", &labels, ["status_code=\"200\"", "status_code=\"503\""], "500")
    };
    let text = of("inbound", "8080") + &of("outbound", "5432") + &of("inbound", "4191");
    assert_eq!(counted(Preset::Linkerd, &text, &POD), EIGHT);
}

/// <https://gateway.envoyproxy.io/docs/tasks/observability/proxy-metric/>
#[test]
fn a_cluster_of_envoy_gateway_for_each_backend_is_counted() {
    let of = |backend: u32| {
        let labels = format!(r#"envoy_cluster_name="httproute/shop/checkout/rule/0/backend/{backend}""#);
        let names = ["envoy_cluster_upstream_rq", "envoy_cluster_upstream_rq_time"];
        let statuses = [r#"envoy_response_code="200""#, r#"envoy_response_code="503""#];
        counter_and_histogram(names, &labels, statuses, "500")
    };
    let parameters = json!({"preset": Preset::EnvoyGateway, "parameters": {"route": "checkout"}});
    let mut prometheus = Exposition::read(&(of(0) + &of(1))).scraped(&[("pod", "envoy-shop-abcde")]);
    let requests = found(&asked("errorRate", &parameters), &mut prometheus).unwrap();
    let of_canary = || requests.iter().filter(|series| series.arm == super::Arm::Canary);
    let failed = of_canary().filter(|series| series.meaning == Meaning::FailedRequests);
    assert_eq!([sum(requests.iter()), sum(of_canary()), sum(failed)].map(|sum| sum.to_string()), ["16", "8", "1"]);
}

/// <https://kubernetes.github.io/ingress-nginx/user-guide/monitoring/>
#[test]
fn the_service_behind_a_canary_of_ingress_nginx_is_counted() {
    let labels = r#"exported_namespace="shop",ingress="checkout-canary",exported_service="checkout-canary",canary="shop-checkout-canary-80",host="shop.example",path="/",method="GET""#;
    let names = ["nginx_ingress_controller_requests", "nginx_ingress_controller_request_duration_seconds"];
    let text = counter_and_histogram(names, labels, [r#"status="200""#, r#"status="503""#], "0.5");
    let controller = [("namespace", "ingress-nginx"), ("pod", "ingress-nginx-controller-abcde")];
    assert_eq!(counted(Preset::NginxIngress, &text, &controller), EIGHT);
}
