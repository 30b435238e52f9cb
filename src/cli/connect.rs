//! The client by which the operator talks to the API server.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use kube::{Client, Config, client::ClientBuilder};
use tidegate_operator::{
    controller::{
        request_metrics::TelemetryLayer,
        timeout::{CALL, TimeoutLayer},
    },
    serve::Metrics,
};

/// A connection that takes longer is given up, so that there is time left for the call itself.
const CONNECT: Duration = Duration::from_secs(5);

/// A client from the kubeconfig or the pod's service account, with a time limit on each call and without kube's own
/// retries: those would hold a reconcile for minutes, while the controller retries with what it knows then.
pub async fn client(metrics: Arc<Metrics>) -> anyhow::Result<Client> {
    let mut config =
        Config::infer().await.context("there is neither a kubeconfig nor a ServiceAccount to find the cluster by")?;
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT);
    config.write_timeout = Some(CALL);
    let client = ClientBuilder::try_from(config)
        .context("the kubeconfig or ServiceAccount does not make a client")?
        .with_layer(&TimeoutLayer::new(CALL))
        .with_layer(&TelemetryLayer::new(metrics))
        .build();
    Ok(client)
}
