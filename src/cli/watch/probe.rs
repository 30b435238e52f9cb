//! Whether the cluster still answers. A watch does not say: while nothing changes it is silent, as is one of a cluster that hangs;
//! and one that was taken up again begins where it ended, with nothing.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures::{Stream, StreamExt, stream};
use kube::{Api, api::DynamicObject};
use tidegate_api::Causes;
use tokio::time::{sleep, timeout};

use super::{Change, seen::Seen};

/// So often the cluster is asked.
const PAUSE: Duration = Duration::from_secs(5);

/// For so long it is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the cluster was last heard to be in trouble.
#[derive(Debug, Clone, Default)]
pub struct Trouble(Arc<AtomicBool>);

impl Trouble {
    /// Takes what was heard.
    pub fn see(&self, change: &Change) {
        self.0.store(matches!(change, Change::Unreachable(_)), Ordering::Relaxed);
    }

    fn is_over(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Asks for the Rollout again and again: that the cluster does not answer, and how the Rollout is once it does again.
pub fn probed(api: Api<DynamicObject>, name: String, trouble: Trouble) -> impl Stream<Item = Change> {
    let asked = stream::unfold((api, name), |(api, name)| async {
        sleep(PAUSE).await;
        let found = timeout(PATIENCE, api.get_opt(&name)).await;
        let change = match found {
            Ok(Ok(Some(object))) => Change::Seen(Box::new(Seen::of(&object))),
            Ok(Ok(None)) => Change::Gone,
            Ok(Err(fault)) => Change::Unreachable(Causes(&fault).to_string()),
            Err(_) => Change::Unreachable(format!("no answer within {} s", PATIENCE.as_secs())),
        };
        Some((change, (api, name)))
    });
    asked.filter_map(move |change| {
        let is_news = match &change {
            // The watch tells what changes.
            Change::Seen(_) => trouble.is_over(),
            Change::Gone => true,
            Change::Unreachable(_) => {
                trouble.see(&change);
                true
            }
        };
        std::future::ready(is_news.then_some(change))
    })
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use http::{Request, Response};
    use kube::{Client, api::ApiResource, client::Body};
    use serde_json::json;
    use tidegate_api::Rollout;
    use tower::service_fn;

    use super::*;

    /// A cluster that hangs while `hangs`.
    fn cluster(hangs: &Trouble) -> Api<DynamicObject> {
        let hangs = hangs.clone();
        let answer = move |_: Request<Body>| {
            let hangs = hangs.0.load(Ordering::Relaxed);
            async move {
                if hangs {
                    std::future::pending::<()>().await;
                }
                let rollout = json!({
                    "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout",
                    "metadata": {"name": "checkout", "namespace": "shop"}, "spec": {},
                });
                Ok::<_, std::convert::Infallible>(Response::new(Body::from(rollout.to_string().into_bytes())))
            }
        };
        Api::namespaced_with(Client::new(service_fn(answer), "shop"), "shop", &ApiResource::erase::<Rollout>(&()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_cluster_that_hangs_is_told_and_so_is_that_it_answers_again() {
        let hangs = Trouble(Arc::new(AtomicBool::new(true)));
        let mut changes = pin!(probed(cluster(&hangs), "checkout".to_owned(), Trouble::default()));
        let told = changes.next().await;
        assert!(matches!(&told, Some(Change::Unreachable(why)) if why == "no answer within 5 s"), "{told:?}");
        hangs.0.store(false, Ordering::Relaxed);
        let told = changes.next().await;
        assert!(matches!(told, Some(Change::Seen(_))), "{told:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_cluster_answers_only_the_watch_tells() {
        let changes = probed(cluster(&Trouble::default()), "checkout".to_owned(), Trouble::default());
        let told = timeout(Duration::from_mins(10), pin!(changes).next()).await;
        assert!(told.is_err(), "{told:?}");
    }
}
