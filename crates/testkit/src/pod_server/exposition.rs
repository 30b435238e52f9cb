//! What a pod says of itself, in the text format of Prometheus.

use std::{fmt::Write as _, sync::atomic::Ordering, time::Duration};

use super::{Application, BUCKETS};

/// The statuses by which requests of a route are told apart, and one in how many has each; all others have the first.
const STATUSES: [(&str, u64); 3] = [("200", 1), ("404", 20), ("503", 50)];

impl Application {
    /// As a client library would: a counter appears with its first increment, a histogram is there from the start.
    pub(super) fn exposition(&self) -> String {
        let labels = &self.labels;
        let mut text = "# TYPE http_requests_total counter\n".to_owned();
        for (code, counter) in [(200, &self.ok), (500, &self.errors)] {
            let count = counter.load(Ordering::Relaxed);
            if count > 0 {
                let _ = writeln!(text, "http_requests_total{{{labels},code=\"{code}\"}} {count}");
            }
        }
        text.push_str("# TYPE http_request_duration_seconds histogram\n");
        let mut total = 0;
        let up_to = self.buckets.each_ref().map(|bucket| {
            total += bucket.load(Ordering::Relaxed);
            total
        });
        let sum = Duration::from_micros(self.sum_in_microseconds.load(Ordering::Relaxed)).as_secs_f64();
        let routes = self.faults().routes;
        if routes == 0 {
            histogram(&mut text, labels, &up_to, sum);
        }
        for route in 0..routes {
            for (code, _) in STATUSES {
                let labels = format!("{labels},code=\"{code}\",handler=\"/api/v1/resource-{route}/items\"");
                let part = up_to.map(|count| of_status(of_route(count, route, routes), code));
                histogram(&mut text, &labels, &part, sum / (routes as f64) / (STATUSES.len() as f64));
            }
        }
        text
    }
}

fn histogram(text: &mut String, labels: &str, up_to: &[u64], sum: f64) {
    let bounds = BUCKETS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
    for (bound, count) in bounds.zip(up_to) {
        let _ = writeln!(text, "http_request_duration_seconds_bucket{{{labels},le=\"{bound}\"}} {count}");
    }
    let total = up_to.last().copied().unwrap_or_default();
    let _ = writeln!(text, "http_request_duration_seconds_sum{{{labels}}} {sum}");
    let _ = writeln!(text, "http_request_duration_seconds_count{{{labels}}} {total}");
}

/// The requests of one route, where each route has its turn.
fn of_route(requests: u64, route: u64, routes: u64) -> u64 {
    (requests + routes - 1 - route) / routes
}

/// Those of them that have this status. No request has two: the places of the rare ones never meet.
fn of_status(requests: u64, code: &str) -> u64 {
    let [_, missing, unavailable] = STATUSES.map(|(_, one_in)| one_in);
    let (missing, unavailable) = (requests / missing, (requests + 7) / unavailable);
    match code {
        "404" => missing,
        "503" => unavailable,
        _ => requests - missing - unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_is_in_one_route_and_has_one_status_and_nothing_ever_goes_down() {
        let parts = |requests| {
            let routes = (0..30).flat_map(move |route| STATUSES.map(|(code, _)| (route, code)));
            routes.map(|(route, code)| of_status(of_route(requests, route, 30), code)).collect::<Vec<_>>()
        };
        let mut before = parts(0);
        for requests in 1..20_000 {
            let now = parts(requests);
            assert_eq!(now.iter().sum::<u64>(), requests);
            assert!(before.iter().zip(&now).all(|(before, now)| before <= now), "at {requests}");
            before = now;
        }
    }
}
