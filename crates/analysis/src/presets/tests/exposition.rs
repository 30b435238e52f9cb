//! What each preset counts of what libraries and gateways really expose: `expositions` has the text of each, shortened to
//! the series that tell something, as it was scraped of the version that `docs/checks.md` names.

mod documented;

use std::{borrow::Cow, collections::BTreeMap};

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_api::Preset;
use tidegate_judge::{Arm, Block, Meaning, Measure, Sample, Series, TimeRange};
use tidegate_promql::{Labels, Prometheus, Settings};

use super::{asked, source, source_with, spec};
use crate::{
    answer::Row,
    error::QueryError,
    source::{Selector, Source},
};

/// When it was scraped, in milliseconds since 1970.
const SCRAPED_AT: i64 = 1_800_000_000_000;

/// What Prometheus adds to each series of a pod of the new version.
const POD: [(&str, &str); 3] = [("job", "pods"), ("namespace", "shop"), ("pod", "checkout-new-abcde")];

/// The text of a library, and what stands in it.
struct Exposition {
    series: Vec<(Vec<(String, String)>, f64)>,
}

impl Exposition {
    fn read(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
        Self { series: lines.map(series).collect() }
    }

    /// A Prometheus that scraped it, with `added` on each series that has no label of that name.
    fn scraped(&self, added: &[(&str, &str)]) -> Prometheus {
        let mut prometheus = Prometheus::new(Settings::default());
        self.scrape(&mut prometheus, added);
        prometheus
    }

    fn scrape(&self, prometheus: &mut Prometheus, added: &[(&str, &str)]) {
        let labelled = |labels: &[(String, String)]| {
            let own = labels.iter().filter(|(_, value)| !value.is_empty());
            let own: BTreeMap<String, String> = own.cloned().collect();
            let added = added.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let all: BTreeMap<_, _> = added.chain(own).collect();
            Labels::new(all)
        };
        let samples: Vec<_> = self.series.iter().map(|(labels, value)| (labelled(labels), *value)).collect();
        prometheus.append(SCRAPED_AT, added.last().unwrap().1, &samples);
    }
}

/// The labels and the value of a line, whose names may stand between quotes, as those do that are none of PromQL.
fn series(line: &str) -> (Vec<(String, String)>, f64) {
    let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap());
    let mut labels = Vec::new();
    if !name.is_empty() {
        labels.push(("__name__".to_owned(), name.to_owned()));
    }
    let Some(mut rest) = rest.strip_prefix('{') else { return (labels, rest.trim().parse().unwrap()) };
    while !rest.starts_with('}') {
        let name: String;
        (name, rest) = word(rest);
        if let Some(quoted) = rest.strip_prefix('=') {
            let value;
            (value, rest) = word(quoted);
            labels.push((name, value));
        } else {
            labels.push(("__name__".to_owned(), name));
        }
        rest = rest.trim_start_matches([',', ' ']);
    }
    (labels, rest.trim_start_matches('}').trim().parse().unwrap())
}

/// What stands at the beginning of `text`, with or without quotes, and what stands behind it.
fn word(text: &str) -> (String, &str) {
    let Some(inside) = text.strip_prefix('"') else {
        let (word, behind) = text.split_at(text.find(['=', ',', '}']).unwrap());
        return (word.to_owned(), behind);
    };
    let mut word = String::new();
    let mut letters = inside.char_indices();
    while let Some((place, letter)) = letters.next() {
        match letter {
            '"' => return (word, &inside[place + 1..]),
            '\\' => word.push(letters.next().unwrap().1),
            letter => word.push(letter),
        }
    }
    panic!("{text} has no end");
}

/// What `source` finds in `prometheus`.
fn found(source: &Source, prometheus: &mut Prometheus) -> Result<Vec<Series>, QueryError> {
    let rows = source.selectors.iter().map(|selector| {
        let answer = prometheus.samples(&selector.promql, 60_000, SCRAPED_AT).unwrap();
        let row = |series: tidegate_promql::Series<'_>| Row {
            labels: series.labels.shared(),
            samples: Cow::as_ref(&series.points)
                .iter()
                .map(|point| Sample { at: Timestamp::from_millisecond(point.at).unwrap(), value: point.value })
                .collect(),
            histograms: Vec::new(),
        };
        answer.into_iter().map(row).collect()
    });
    Ok(source.gathered(rows.collect())?.counted(&[])?.0)
}

/// Whether it is the bound that is meant: Micrometer's are next to round ones.
fn is_near(le: f64, bound: f64) -> bool {
    le.total_cmp(&bound).is_eq() || (le / bound - 1.0).abs() < 0.1
}

fn sum<'a>(series: impl Iterator<Item = &'a Series>) -> f64 {
    series.map(|series| series.samples.last().unwrap().value).sum()
}

/// What a preset counts of an exposition: requests, those of them that failed, and those that took no longer than half a
/// second, or what the nearest bound to it says; nothing where it has no histogram.
#[derive(Debug, PartialEq)]
struct Counted {
    requests: f64,
    failed: f64,
    timed: Option<[f64; 2]>,
}

fn counted(preset: Preset, text: &str, added: &[(&str, &str)]) -> Counted {
    counted_with(preset, &json!({}), text, added)
}

/// The same where the check leaves out what `exclude` says.
fn counted_with(preset: Preset, exclude: &Value, text: &str, added: &[(&str, &str)]) -> Counted {
    let source = |kind| asked(kind, &json!({"preset": preset, "exclude": exclude}));
    let mut prometheus = Exposition::read(text).scraped(added);
    let requests = found(&source("errorRate"), &mut prometheus).unwrap();
    assert!(requests.iter().all(|series| series.arm == Arm::Canary), "{preset:?}");
    let failed = requests.iter().filter(|series| series.meaning == Meaning::FailedRequests);
    let timed = spec(preset).unwrap().latency.is_some().then(|| {
        let buckets = found(&source("latency"), &mut prometheus).unwrap();
        let up_to = |bound: f64| {
            let of = move |series: &&Series| matches!(series.meaning, Meaning::Bucket { le, .. } if is_near(le, bound));
            sum(buckets.iter().filter(of))
        };
        [up_to(5e8), up_to(f64::INFINITY)]
    });
    Counted { requests: sum(requests.iter()), failed: sum(failed), timed: timed.filter(|[_, all]| *all > 0.0) }
}

/// That `$preset` counts so many requests of the library, so many failed, so many no slower than the bound next to half a
/// second, and so many with a time at all; and of these, how many of `$probes` requests, timed and not, are left out by itself.
macro_rules! held {
    ($preset:expr, $library:literal, $requests:literal, $failed:literal, $timed:expr) => {
        held!($preset, $library, $requests, $failed, $timed, without 0.0, 0.0, [0.0, 0.0]);
    };
    ($preset:expr, $library:literal, $requests:literal, $failed:literal, $timed:expr,
     without $probes:literal, $probes_failed:literal, $probes_timed:expr) => {
        let text = include_str!(concat!("expositions/", $library, ".txt"));
        let expected = Counted { requests: $requests, failed: $failed, timed: $timed };
        assert_eq!(counted_with($preset, &json!({"probes": "Count"}), text, &POD), expected, $library);
        let timed = expected.timed.zip(Some::<[f64; 2]>($probes_timed));
        let timed = timed.map(|([fast, all], [probes_fast, probes])| [fast - probes_fast, all - probes]);
        let (requests, failed) = (expected.requests - $probes, expected.failed - $probes_failed);
        let expected = Counted { requests, failed, timed: timed.filter(|[_, all]| *all > 0.0) };
        assert_eq!(counted($preset, text, &POD), expected, "{} without probes", $library);
    };
}

#[test]
fn applications_that_follow_the_clients_of_prometheus_are_counted() {
    held!(Preset::PodHttp, "promhttp", 4.0, 1.0, Some([4.0, 4.0]));
    held!(Preset::PodHttp, "fastapi-instrumentator", 4596.0, 178.0, Some([4418.0, 4418.0]), without 304.0, 0.0, [304.0, 304.0]);
    held!(Preset::PodHttp, "express-prometheus-middleware", 4541.0, 184.0, Some([4414.0, 4541.0]));
    held!(Preset::PodHttp, "hono", 4793.0, 184.0, Some([4793.0, 4793.0]), without 380.0, 0.0, [380.0, 380.0]);
    held!(Preset::PodHttpHistogram, "express-prom-bundle", 4539.0, 183.0, Some([0.0, 4539.0]));
    held!(Preset::PodHttpHistogram, "prometheus-api-metrics", 4541.0, 184.0, Some([4414.0, 4541.0]));
    held!(Preset::PodHttpHistogram, "fastify", 19762.0, 835.0, Some([19762.0, 19762.0]), without 312.0, 0.0, [312.0, 312.0]);
    held!(Preset::PodHttpHistogram, "prom-client", 649.0, 26.0, Some([631.0, 649.0]));
}

#[test]
fn what_opentelemetry_measures_is_counted_in_every_spelling() {
    held!(Preset::OtelHttp, "otel-fastapi", 4537.0, 183.0, Some([4410.0, 4537.0]));
    held!(Preset::OtelHttp, "otel-fastapi-before", 4537.0, 183.0, Some([4410.0, 4537.0]));
    held!(Preset::OtelHttp, "otel-flask", 4538.0, 183.0, Some([4411.0, 4538.0]));
    held!(Preset::OtelHttp, "otel-flask-before", 4538.0, 183.0, Some([4411.0, 4538.0]));
    held!(Preset::OtelHttp, "otel-go", 4.0, 1.0, Some([4.0, 4.0]));
    held!(Preset::OtelHttp, "otel-node", 4853.0, 184.0, Some([4726.0, 4853.0]));
    held!(Preset::OtelHttp, "otel-untranslated", 4853.0, 184.0, Some([4726.0, 4853.0]));
}

#[test]
fn frameworks_that_call_their_metrics_by_their_own_name_are_counted() {
    held!(Preset::FrameworkHttp, "actix", 4.0, 1.0, Some([4.0, 4.0]));
    held!(Preset::FrameworkHttp, "aiohttp", 4721.0, 183.0, Some([4721.0, 4721.0]), without 312.0, 0.0, [312.0, 312.0]);
    held!(Preset::FrameworkHttp, "axum", 4.0, 1.0, Some([4.0, 4.0]));
    held!(Preset::FrameworkHttp, "echo", 4.0, 1.0, Some([4.0, 4.0]));
    held!(Preset::FrameworkHttp, "flask", 648.0, 26.0, Some([630.0, 648.0]));
    held!(Preset::FrameworkHttp, "litestar", 646.0, 26.0, Some([646.0, 646.0]), without 44.0, 0.0, [44.0, 44.0]);
    held!(Preset::FrameworkHttp, "starlette-exporter", 4419.0, 178.0, Some([4419.0, 4419.0]), without 304.0, 0.0, [304.0, 304.0]);
    held!(Preset::FrameworkHttp, "starlette-prometheus", 674.0, 26.0, Some([648.0, 648.0]), without 45.0, 0.0, [45.0, 45.0]);
    held!(Preset::FrameworkHttp, "swagger-stats", 649.0, 26.0, Some([631.0, 649.0]));
    held!(Preset::Django, "django", 4661.0, 181.0, Some([4661.0, 4786.0]), without 308.0, 0.0, [0.0, 0.0]);
    held!(Preset::Micrometer, "spring-boot", 10.0, 6.0, Some([10.0, 10.0]));
}

/// How many requests of an exposition `preset` counts that are in no histogram; nothing where it does not hold one against the
/// other.
fn unseen(preset: Preset, text: &str) -> Option<f64> {
    let series = found(&source(preset, "latency"), &mut Exposition::read(text).scraped(&POD)).unwrap();
    let expected: Vec<_> = series.iter().filter(|series| series.meaning == Meaning::Expected).collect();
    let gains: Vec<_> = series.iter().map(|series| series.samples.last().unwrap().value).collect();
    let stretch = TimeRange { start: Timestamp::MIN, end: Timestamp::MAX };
    let block = Block::of(stretch, Measure::SlowerThan(5e8), &series, &gains).unwrap();
    (!expected.is_empty()).then_some(block.canary.unseen)
}

#[test]
fn requests_that_raised_or_broke_off_are_known_to_be_in_no_histogram() {
    let starlette = include_str!("expositions/starlette-prometheus.txt");
    assert_eq!(unseen(Preset::FrameworkHttp, starlette), Some(26.0), "those that raised");
}

#[test]
fn where_every_request_is_measured_none_is_missed() {
    for (preset, text) in [
        (Preset::FrameworkHttp, include_str!("expositions/actix.txt")),
        (Preset::FrameworkHttp, include_str!("expositions/aiohttp.txt")),
        (Preset::FrameworkHttp, include_str!("expositions/axum.txt")),
        (Preset::FrameworkHttp, include_str!("expositions/echo.txt")),
        (Preset::FrameworkHttp, include_str!("expositions/flask.txt")),
        (Preset::FrameworkHttp, include_str!("expositions/litestar.txt")),
        (Preset::FrameworkHttp, include_str!("expositions/starlette-exporter.txt")),
        (Preset::FrameworkHttp, include_str!("expositions/swagger-stats.txt")),
        (Preset::Grpc, include_str!("expositions/go-grpc.txt")),
        (Preset::Grpc, include_str!("expositions/java-grpc.txt")),
        (Preset::Grpc, include_str!("expositions/py-grpc.txt")),
        (Preset::Grpc, include_str!("expositions/nice-grpc.txt")),
        (Preset::Contour, include_str!("expositions/contour.txt")),
        (Preset::Traefik, include_str!("expositions/traefik.txt")),
    ] {
        assert_eq!(unseen(preset, text), Some(0.0), "{preset} {}", text.lines().next().unwrap());
    }
}

#[test]
fn a_counter_that_has_probes_which_its_histogram_lacks_or_the_other_way_round_tells_nothing_of_it() {
    let told = |[of_users, of_probes]: [&str; 2], [users, probes]: [&str; 2]| {
        let bucket = |(labels, count): (&str, u32)| {
            ["0.5", "+Inf"]
                .map(|le| {
                    format!("starlette_requests_processing_time_seconds_bucket{{{labels},le=\"{le}\"}} {count}\n")
                })
                .concat()
        };
        let counter = |(labels, count)| format!("starlette_responses_total{{status_code=\"200\",{labels}}} {count}\n");
        let text =
            [(users, 6), (probes, 4)].map(bucket).concat() + &[(of_users, 6), (of_probes, 4)].map(counter).concat();
        unseen(Preset::FrameworkHttp, &text)
    };
    let (by_path, by_method) = (["path=\"/cart\"", "path=\"/metrics\""], ["method=\"GET\"", "method=\"HEAD\""]);
    assert_eq!(told(by_path, by_path), Some(0.0));
    assert_eq!([told(by_path, by_method), told(by_method, by_path)], [None; 2]);
}

#[test]
fn a_counter_that_is_the_histograms_own_is_not_asked_for_twice() {
    for preset in
        [Preset::OtelHttp, Preset::Micrometer, Preset::PodHttpHistogram, Preset::OtelGrpc, Preset::MicrometerGrpc]
    {
        assert!(!source(preset, "latency").selectors.iter().any(Selector::is_expected), "{preset}");
    }
    for preset in [Preset::Django, Preset::PodHttp] {
        let has_any = source(preset, "latency").selectors.iter().any(Selector::is_expected);
        assert!(!has_any, "{preset}: its histogram may be of other requests");
    }
}

/// Where all that was asked for was the health service, nothing is left without it.
#[test]
fn servers_of_grpc_are_counted() {
    held!(Preset::Grpc, "go-grpc", 4.0, 1.0, Some([4.0, 4.0]), without 4.0, 1.0, [4.0, 4.0]);
    held!(Preset::Grpc, "java-grpc", 4.0, 1.0, Some([4.0, 4.0]), without 4.0, 1.0, [4.0, 4.0]);
    held!(Preset::Grpc, "py-grpc", 5709.0, 229.0, Some([5550.0, 5709.0]));
    held!(Preset::Grpc, "nice-grpc", 5569.0, 223.0, Some([0.0, 5569.0]));
    held!(Preset::OtelGrpc, "otel-grpc-go", 4.0, 1.0, Some([4.0, 4.0]), without 4.0, 1.0, [4.0, 4.0]);
    held!(Preset::MicrometerGrpc, "micrometer-grpc", 4.0, 1.0, Some([4.0, 4.0]), without 4.0, 1.0, [4.0, 4.0]);
    held!(Preset::MicrometerGrpc, "micrometer-grpc-observation", 4.0, 1.0, None, without 4.0, 1.0, [0.0, 0.0]);
}

#[test]
fn gateways_that_count_each_service_are_counted() {
    held!(Preset::Contour, "contour", 4085.0, 164.0, Some([3971.0, 4085.0]));
    held!(Preset::Traefik, "traefik", 4085.0, 164.0, Some([0.0, 4085.0]));
    held!(Preset::Traefik, "traefik-crd", 4085.0, 164.0, Some([0.0, 4085.0]));
    held!(Preset::Haproxy, "haproxy", 4085.0, 164.0, None);
}

#[test]
fn a_request_that_is_told_under_two_names_counts_once() {
    held!(Preset::OtelHttp, "otel-fastapi-both", 4.0, 1.0, Some([3.0, 4.0]));
}

#[test]
fn a_version_that_renames_its_metrics_is_compared_with_the_one_before() {
    let exposition = |text| Exposition::read(text);
    let before = exposition(include_str!("expositions/otel-fastapi-before.txt"));
    let after = exposition(include_str!("expositions/otel-fastapi.txt"));
    let mut prometheus = after.scraped(&POD);
    before.scrape(&mut prometheus, &[("job", "pods"), ("namespace", "shop"), ("pod", "checkout-old-abcde")]);
    let series = found(&source(Preset::OtelHttp, "latency"), &mut prometheus).unwrap();
    let of = |arm| series.iter().filter(move |series| series.arm == arm);
    let up_to = |arm, bound| {
        sum(of(arm).filter(|series| matches!(series.meaning, Meaning::Bucket { le, .. } if is_near(le, bound))))
    };
    assert_eq!([Arm::Canary, Arm::Stable].map(|arm| up_to(arm, 5e8).to_string()), ["4410", "4410"]);
    assert_eq!([Arm::Canary, Arm::Stable].map(|arm| up_to(arm, f64::INFINITY).to_string()), ["4537", "4537"]);
}

#[test]
fn pods_are_told_by_another_label_where_metrics_are_pushed() {
    let mut prometheus = Exposition::read(include_str!("expositions/otel-go.txt"))
        .scraped(&[("job", "shop/checkout"), ("k8s_pod_name", "checkout-new-abcde")]);
    let source = source_with(Preset::OtelHttp, "errorRate", &json!({"podLabel": "k8s_pod_name"}));
    let series = found(&source, &mut prometheus).unwrap();
    assert_eq!((series[0].arm, sum(series.iter())), (Arm::Canary, 4.0));
}

#[test]
fn probes_are_left_out_by_labels_with_dots_and_by_those_that_prometheus_renamed() {
    for route in ["\"http.route\"", "http_route", "exported_endpoint"] {
        let of = |path: &str, count: u32| {
            format!(
                "http_server_request_duration_seconds_count{{{route}=\"{path}\",http_response_status_code=\"200\"}} {count}\n"
            )
        };
        let text = of("/orders", 3) + &of("/healthz", 4) + &of("/a\\\"b", 5);
        assert_eq!(counted(Preset::OtelHttp, &text, &POD).requests.to_string(), "8", "{route}");
        let own = json!({"paths": ["/a\"b"]});
        assert_eq!(counted_with(Preset::OtelHttp, &own, &text, &POD).requests.to_string(), "3", "{route}");
    }
}

#[test]
fn what_a_gateway_counts_went_through_it_and_counts_unless_the_check_says_otherwise() {
    let text = r#"nginx_ingress_controller_requests{exported_namespace="shop",canary="shop-checkout-canary-80",path="/healthz",status="200"} 4"#;
    let requests = |exclude: Value| {
        let source = asked("errorRate", &json!({"preset": Preset::NginxIngress, "exclude": exclude}));
        sum(found(&source, &mut Exposition::read(text).scraped(&[("pod", "ingress-abcde")])).unwrap().iter())
    };
    assert_eq!(requests(Value::Null).to_string(), "4");
    assert_eq!(requests(json!({"paths": ["/healthz"]})).to_string(), "0");
}

#[test]
fn a_request_that_ended_without_a_status_failed_if_it_ended_with_an_error() {
    let failed = |labels: &str| {
        let text = format!("http_server_request_duration_seconds_count{{{labels}}} 1");
        found(&source(Preset::OtelHttp, "errorRate"), &mut Exposition::read(&text).scraped(&POD))
            .map(|series| series[0].meaning == Meaning::FailedRequests)
    };
    assert_eq!(failed(r#"error_type="timeout""#), Ok(true));
    assert_eq!(failed(r#"error_type="500",http_response_status_code="500""#), Ok(true));
    assert_eq!(failed(r#"http_response_status_code="404""#), Ok(false));
    assert_eq!(failed("").unwrap_err().reason(), "NoStatusLabel", "nobody knows");
}

/// As Istio's and Cilium's documentation have it.
#[test]
fn proxies_that_are_no_pods_of_the_version_tell_it_by_where_the_request_went() {
    let waypoint = r#"
istio_requests_total{reporter="waypoint",destination_service_namespace="shop",destination_service_name="checkout-canary",response_code="200"} 7
istio_requests_total{reporter="waypoint",destination_service_namespace="shop",destination_service_name="checkout-canary",response_code="503"} 1
istio_requests_total{reporter="source",destination_service_namespace="shop",destination_service_name="checkout-canary",response_code="200"} 8
istio_request_duration_milliseconds_bucket{reporter="waypoint",destination_service_namespace="shop",destination_service_name="checkout-canary",le="500"} 6
istio_request_duration_milliseconds_bucket{reporter="waypoint",destination_service_namespace="shop",destination_service_name="checkout-canary",le="+Inf"} 8
"#;
    let proxy = [("namespace", "istio-system"), ("pod", "waypoint-5d8f7c9b4-abcde")];
    let expected = Counted { requests: 8.0, failed: 1.0, timed: Some([6.0, 8.0]) };
    assert_eq!(counted(Preset::IstioWaypoint, waypoint, &proxy), expected);
    let hubble = r#"
hubble_http_requests_total{destination="shop/checkout-new-abcde",method="GET",protocol="HTTP/1.1",reporter="server",status="200"} 7
hubble_http_requests_total{destination="shop/checkout-new-abcde",method="GET",protocol="HTTP/1.1",reporter="server",status="500"} 1
hubble_http_requests_total{destination="shop/checkout-new-abcde",method="GET",protocol="HTTP/1.1",reporter="client",status="200"} 8
hubble_http_requests_total{destination="other/checkout-new-abcde",method="GET",protocol="HTTP/1.1",reporter="server",status="200"} 8
hubble_http_request_duration_seconds_bucket{destination="shop/checkout-new-abcde",method="GET",reporter="server",le="0.5"} 6
hubble_http_request_duration_seconds_bucket{destination="shop/checkout-new-abcde",method="GET",reporter="server",le="+Inf"} 8
"#;
    let agent = [("namespace", "kube-system"), ("pod", "cilium-abcde")];
    assert_eq!(counted(Preset::Cilium, hubble, &agent), expected);
}
