//! Which Rollout a command is about, and the way to it.

use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use kube::{Api, Client};
use tidegate_api::Rollout;
use tidegate_operator::{controller::CallError, serve::Metrics};

use super::connect;

/// Which Rollout.
#[derive(Debug, Args)]
pub struct Target {
    /// The Rollout
    #[arg(value_name = "NAME")]
    pub name: String,

    /// Its namespace; the one of the kubeconfig, where it is left out
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
}

/// A Rollout within reach.
pub struct Reached {
    /// The cluster.
    pub client: Client,
    /// The Rollout's namespace.
    pub namespace: String,
    /// All Rollouts of that namespace.
    pub rollouts: Api<Rollout>,
}

impl Target {
    /// Finds the cluster by the kubeconfig.
    ///
    /// # Errors
    /// There is none.
    pub async fn reach(&self) -> anyhow::Result<Reached> {
        // One that is there already is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = connect::client(Arc::new(Metrics::default())).await?;
        let namespace = self.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned());
        let rollouts = Api::namespaced(client.clone(), &namespace);
        Ok(Reached { client, namespace, rollouts })
    }
}

impl Reached {
    /// Reads it.
    ///
    /// # Errors
    /// It cannot be read, or is not there.
    pub async fn read(&self, name: &str) -> anyhow::Result<Rollout> {
        let rollout = self.rollouts.get(name).await.map_err(CallError::from);
        rollout.with_context(|| format!("Rollout {}/{name} cannot be read", self.namespace))
    }
}
