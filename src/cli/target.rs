//! Which Rollout a command is about, and the way to it.

use std::{process::ExitCode, sync::Arc};

use anyhow::Context;
use clap::Args;
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{SelfSubjectReview, UserInfo};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, PostParams},
};
use tidegate_api::{Causes, Rollout};
use tidegate_operator::{controller::CallError, serve::Metrics};

use super::{cluster_clock, connect, plain::plain_lines, print, rollout_file::wait};

/// Which Rollout.
#[derive(Debug, Args)]
pub struct Target {
    /// The Rollout
    #[arg(value_name = "NAME", value_parser = name)]
    pub name: String,

    #[command(flatten)]
    scope: Scope,
}

/// In which namespace.
#[derive(Debug, Args)]
pub struct Scope {
    /// The namespace; the one of the kubeconfig, where it is left out
    #[arg(long, short, value_name = "NAME")]
    namespace: Option<String>,
}

/// The name of a Rollout, as `kubectl` takes it as well: `checkout` or `rollout/checkout`.
///
/// # Errors
/// It is no name: it would lead elsewhere in the path of the request.
pub fn name(given: &str) -> Result<String, String> {
    let name = given.strip_prefix("rollout/").or(given.strip_prefix("rollouts/")).unwrap_or(given);
    let is_name = !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, '-' | '.'))
        && name.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    if is_name { Ok(name.to_owned()) } else { Err("a Rollout is named with small letters, digits, - and .".to_owned()) }
}

impl Scope {
    /// Finds the cluster by the kubeconfig.
    ///
    /// # Errors
    /// There is none.
    pub async fn client(&self) -> anyhow::Result<Client> {
        // One that is there already is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        connect::client(Arc::new(Metrics::default())).await
    }

    /// The namespace that is meant.
    pub fn namespace(&self, client: &Client) -> String {
        self.namespace.clone().unwrap_or_else(|| client.default_namespace().to_owned())
    }
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
        let client = self.scope.client().await?;
        let namespace = self.scope.namespace(&client);
        let rollouts = Api::namespaced(client.clone(), &namespace);
        Ok(Reached { client, namespace, rollouts })
    }
}

/// Prints what a verb has to tell of the Rollout at this time of the cluster; the code as of [`ended`].
pub fn told(target: &Target, tell: impl FnOnce(&Rollout, Timestamp) -> String) -> ExitCode {
    ended(async {
        let (rollout, now) = target.reach().await?.read_now(&target.name).await?;
        print(&plain_lines(&tell(&rollout, now)))
    })
}

/// Does the work of a verb: the code is 0 when it is done, and 2 when it is not, which is said.
pub fn ended(work: impl Future<Output = anyhow::Result<()>>) -> ExitCode {
    wait(work).and_then(std::convert::identity).map_or_else(
        |error| {
            eprintln!("tidegate: {}", Causes(&*error));
            ExitCode::from(2)
        },
        |()| ExitCode::SUCCESS,
    )
}

impl Reached {
    /// Rollouts as they are: one that a newer version wrote can be shown and written as well.
    pub fn untyped(&self) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &ApiResource::erase::<Rollout>(&()))
    }

    /// Whoever runs this, as the cluster knows them.
    ///
    /// # Errors
    /// It does not say.
    pub async fn who(&self) -> anyhow::Result<UserInfo> {
        let review: Api<SelfSubjectReview> = Api::all(self.client.clone());
        let review = review.create(&PostParams::default(), &SelfSubjectReview::default()).await;
        let review = review
            .map_err(CallError::from)
            .context("the cluster does not say who you are: it takes Kubernetes 1.28")?;
        review.status.and_then(|status| status.user_info).context("the cluster does not say who you are")
    }

    /// Reads it, and what time it is where it is.
    ///
    /// # Errors
    /// It cannot be read, or is not there.
    pub async fn read_now(&self, name: &str) -> anyhow::Result<(Rollout, Timestamp)> {
        let rollout = self.read(name).await?;
        Ok((rollout, cluster_clock::now(&self.client).await))
    }

    /// Reads it.
    ///
    /// # Errors
    /// It cannot be read, or is not there.
    pub async fn read(&self, name: &str) -> anyhow::Result<Rollout> {
        let rollout = self.rollouts.get(name).await.map_err(CallError::from);
        rollout.with_context(|| format!("Rollout {}/{name} cannot be read", self.namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_leads_elsewhere_in_the_path() {
        for given in ["checkout", "rollout/checkout", "rollouts/checkout"] {
            assert_eq!(name(given).as_deref(), Ok("checkout"), "{given}");
        }
        for given in ["", "checkout/status", "../../namespaces/default", "rollout/", "..", "Checkout", "check out"] {
            assert!(name(given).is_err(), "{given}");
        }
    }
}
