//! The client by which the operator talks to the API server.

use std::{sync::Arc, time::Duration};

use anyhow::Context;
use kube::{Client, Config, client::ClientBuilder};
use serde_json::json;
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
    built(config().await?, metrics).context("the kubeconfig or ServiceAccount does not make a client")
}

/// Where the cluster is, and by what credentials it is reached.
pub async fn config() -> anyhow::Result<Config> {
    let mut config =
        Config::infer().await.context("there is neither a kubeconfig nor a ServiceAccount to find the cluster by")?;
    config.default_retry = false;
    config.connect_timeout = Some(CONNECT);
    config.write_timeout = Some(CALL);
    Ok(config)
}

/// A client of the same cluster for whoever has `token`, and with nothing of what `config` may do.
pub fn client_as(config: &Config, token: &str, metrics: Arc<Metrics>) -> Result<Client, kube::Error> {
    let mut config = config.clone();
    config.auth_info = serde_json::from_value(json!({"token": token})).map_err(kube::Error::SerdeError)?;
    built(config, metrics)
}

/// A client by `config`.
pub fn built(config: Config, metrics: Arc<Metrics>) -> Result<Client, kube::Error> {
    let client = ClientBuilder::try_from(config)?
        .with_layer(&TimeoutLayer::new(CALL))
        .with_layer(&TelemetryLayer::new(metrics))
        .build();
    Ok(client)
}
