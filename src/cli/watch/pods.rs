//! The pods of both versions on the screen.

use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use jiff::Timestamp;
use kube::Client;
use tidegate_dashboard::pods::{self, Shown, Version};
use tidegate_operator::controller::CallError;
use tokio::{sync::watch, time::sleep};

use crate::cli::{columns::aligned, moments};

/// So often they are asked for; sooner where another version has pods.
const PAUSE: Duration = Duration::from_secs(5);

/// So many are shown; those that are not ready come first.
const SHOWN: usize = 12;

/// What was found of the pods: as many as are asked for, or why there is nothing.
pub type Found = Result<Vec<Shown>, String>;

/// Asks for the pods of the versions that are wanted, again and again. A cluster that does not answer leaves what is known.
pub fn followed(
    client: Client,
    namespace: &str,
    wanted: watch::Receiver<Vec<Version>>,
) -> impl Stream<Item = Found> + use<> {
    let namespace = namespace.to_owned();
    stream::unfold((wanted, true), move |(mut wanted, is_first)| {
        let (client, namespace) = (client.clone(), namespace.clone());
        async move {
            if !is_first {
                tokio::select! {
                    () = sleep(PAUSE) => {}
                    // Nobody asks any more when the sender is gone.
                    changed = wanted.changed() => changed.ok()?,
                }
            }
            let versions = wanted.borrow_and_update().clone();
            let found = match pods::list(client, &namespace, &versions).await {
                Ok(pods) => Some(Ok(pods)),
                Err(refused @ kube::Error::Api(_)) => Some(Err(CallError::from(refused).to_string())),
                Err(_) => None,
            };
            Some((found, (wanted, false)))
        }
    })
    .filter_map(std::future::ready)
}

/// The pods as a table, each row with whether it is ready; then, in a line, what there is no place for.
pub fn told(found: &Found, now: Timestamp) -> Vec<(Option<bool>, String)> {
    let pods = match found {
        Ok(pods) if pods.is_empty() => return Vec::new(),
        Ok(pods) => pods,
        Err(why) => return vec![(None, format!("the pods cannot be listed: {why}"))],
    };
    let heads = ["POD", "VERSION", "READY", "STATE", "RESTARTS", "AGE"].map(str::to_owned).to_vec();
    let row = |pod: &Shown| {
        let ready = if pod.is_ready { "✓ yes" } else { "✗ no" }.to_owned();
        let age = pod.since.map(|since| moments::since(since, now).to_string()).unwrap_or_default();
        vec![pod.name.clone(), pod.version.to_owned(), ready, pod.state.clone(), pod.restarts.to_string(), age]
    };
    let (shown, rest) = pods.split_at(pods.len().min(SHOWN));
    let lines = aligned(&[vec![heads], shown.iter().map(row).collect()].concat());
    let is_ready = std::iter::once(None).chain(shown.iter().map(|pod| Some(pod.is_ready)));
    let more = (!rest.is_empty()).then(|| {
        let ready = rest.iter().filter(|pod| pod.is_ready).count();
        (None, format!("and {} more, {ready} of them ready", rest.len()))
    });
    is_ready.zip(lines.lines().map(str::to_owned)).chain(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-03-02T09:05:00Z".parse().unwrap()
    }

    fn pod(name: &str, is_ready: bool, state: &str) -> Shown {
        let since = "2026-03-02T09:00:00Z".parse().ok();
        Shown { version: "new", name: name.to_owned(), is_ready, state: state.to_owned(), restarts: 3, since }
    }

    #[test]
    fn each_pod_is_a_row_with_what_is_wrong_with_it() {
        let pods = vec![pod("new-2", false, "CrashLoopBackOff"), pod("new-1", true, "Running")];
        let told: Vec<_> = told(&Ok(pods), now()).into_iter().map(|(_, line)| line).collect();
        assert_eq!(
            told,
            [
                "POD    VERSION  READY  STATE             RESTARTS  AGE",
                "new-2  new      ✗ no   CrashLoopBackOff  3         5m",
                "new-1  new      ✓ yes  Running           3         5m",
            ]
        );
    }

    #[test]
    fn of_many_pods_some_are_shown_and_the_others_counted() {
        let told = told(&Ok(vec![pod("new-1", true, "Running"); 100]), now());
        assert_eq!(told.len(), SHOWN + 2);
        assert_eq!(told.last().unwrap().1, "and 88 more, 88 of them ready");
    }

    #[test]
    fn whoever_may_not_list_pods_is_told_so() {
        let told = told(&Err("pods is forbidden".to_owned()), now());
        assert_eq!(told, [(None, "the pods cannot be listed: pods is forbidden".to_owned())]);
    }
}
