//! Which server answers behind an endpoint, and what it has to be told so that it answers as the others do.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use serde_json::Value;
use tidegate_endpoints::Store;
use tokio::time::Instant;

/// How soon it is asked again who did not say what it is.
const AGAIN: Duration = Duration::from_mins(1);

/// What a server is sent with each query, unless the endpoint's `params` say otherwise.
pub(super) const fn parameters(store: Store) -> &'static [(&'static str, &'static str)] {
    match store {
        // By default the answer to a query is what was 30 s ago, under the time that was asked for. 1 ms is the least that it
        // takes. <https://docs.victoriametrics.com/victoriametrics/keyconcepts/#query-latency>
        // And of 50 instants and more it answers for others than those that were asked for, so that it can keep the answers.
        Store::VictoriaMetrics => &[("latency_offset", "1ms"), ("nocache", "1")],
        // What is downsampled are no counters any more. <https://thanos.io/tip/components/query.md/#auto-downsampling>
        Store::Thanos => &[("max_source_resolution", "0s")],
        Store::Prometheus | Store::Mimir => &[],
    }
}

/// Which server says this of itself, at `/api/v1/status/buildinfo`.
///
/// Mimir names itself. Thanos has the fields of Prometheus, and no version from 1 on. `VictoriaMetrics` says that it is
/// Prometheus 2.24, and none of the other fields.
pub(super) fn of_build_information(answer: &[u8]) -> Option<Store> {
    let answer: Value = serde_json::from_slice(answer).ok()?;
    let data = answer.get("data")?;
    let version = data["version"].as_str()?;
    Some(match data["application"].as_str() {
        Some(application) if application.to_ascii_lowercase().contains("mimir") => Store::Mimir,
        _ if version.trim_start_matches('v').starts_with("0.") => Store::Thanos,
        _ if data.get("revision").is_none() && data.get("goVersion").is_none() => Store::VictoriaMetrics,
        _ => Store::Prometheus,
    })
}

/// What is known of the server behind one endpoint.
#[derive(Debug)]
pub(super) struct Recognition(Mutex<State>);

#[derive(Debug, Clone, Copy)]
enum State {
    Known(Store),
    /// It is asked from then on.
    Unknown(Instant),
}

impl Recognition {
    /// `told` is what the platform team says.
    pub(super) fn new(told: Option<Store>) -> Self {
        Self(Mutex::new(told.map_or_else(|| State::Unknown(Instant::now()), State::Known)))
    }

    /// What is known.
    pub(super) fn store(&self) -> Option<Store> {
        match *self.lock() {
            State::Known(store) => Some(store),
            State::Unknown(_) => None,
        }
    }

    /// Whether it is to be asked now: nobody else is told so for a while.
    pub(super) fn is_due(&self) -> bool {
        let mut state = self.lock();
        match *state {
            State::Unknown(from) if from <= Instant::now() => {
                *state = State::Unknown(Instant::now() + AGAIN);
                true
            }
            _ => false,
        }
    }

    /// Takes what it said.
    pub(super) fn take(&self, store: Store) {
        *self.lock() = State::Known(store);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recognized(data: &str) -> Option<Store> {
        of_build_information(format!(r#"{{"status":"success","data":{data}}}"#).as_bytes())
    }

    #[test]
    fn each_server_is_known_by_what_it_says_of_itself() {
        let prometheus = r#"{"version":"3.5.3","revision":"1","branch":"HEAD","buildUser":"u","buildDate":"d","goVersion":"go1.24"}"#;
        let thanos = r#"{"version":"0.39.2","revision":"1","branch":"HEAD","buildUser":"u","buildDate":"d","goVersion":"go1.24"}"#;
        let mimir = r#"{"application":"Grafana Mimir","version":"2.17.0","revision":"1","branch":"HEAD","goVersion":"go1.24","features":{}}"#;
        let victoria_metrics = r#"{"version":"2.24.0"}"#;
        let stores = [prometheus, thanos, mimir, victoria_metrics].map(recognized);
        let expected = [Store::Prometheus, Store::Thanos, Store::Mimir, Store::VictoriaMetrics];
        assert_eq!(stores, expected.map(Some));
    }

    #[test]
    fn what_says_nothing_of_itself_is_nobody_known() {
        let answers: [&[u8]; 4] = [b"404 page not found", b"{}", br#"{"data":null}"#, br#"{"data":{"version":2}}"#];
        assert!(answers.iter().all(|answer| of_build_information(answer).is_none()));
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_once_and_again_after_a_minute_until_it_is_known() {
        let recognition = Recognition::new(None);
        assert_eq!((recognition.is_due(), recognition.is_due(), recognition.store()), (true, false, None));
        tokio::time::advance(AGAIN).await;
        assert!(recognition.is_due());
        recognition.take(Store::Thanos);
        tokio::time::advance(AGAIN).await;
        assert_eq!((recognition.is_due(), recognition.store()), (false, Some(Store::Thanos)));
        assert!(!Recognition::new(Some(Store::Mimir)).is_due());
    }
}
