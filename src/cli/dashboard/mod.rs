//! `tidegate dashboard`, and the dashboard of `tidegate run`: all Rollouts in a browser.

mod in_cluster;

use std::{net::Ipv4Addr, process::ExitCode, sync::Arc};

use clap::Args;
use tidegate_dashboard::{Access, Dashboard, Explain, Laptop, Part, Scope, Server, Store, follow};
use tidegate_operator::serve::Metrics;

use super::{called, cluster_clock::ClusterClock, connect, explain, print, shutdown, target::ended};

pub use in_cluster::InCluster;

/// The arguments of `tidegate dashboard`.
#[derive(Debug, Args)]
pub struct Options {
    /// Only the Rollouts of this namespace; may be given several times. Without it all, or those of the kubeconfig's
    /// namespace where no more may be listed
    #[arg(long, short, value_name = "NAME")]
    namespace: Vec<String>,

    /// The port on this machine; 0 takes any that is free
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    port: u16,
}

/// Shows them until Ctrl-C. The code is 0, and 2 where that cannot begin.
pub fn main(options: &Options) -> ExitCode {
    ended(shown(options))
}

async fn shown(options: &Options) -> anyhow::Result<()> {
    // One that is there already is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = connect::client(Arc::new(Metrics::default())).await?;
    let server = Server::bind((Ipv4Addr::LOCALHOST, options.port).into()).await?;
    let laptop = Laptop::new(client.clone(), server.address()?.port());
    let link = laptop.link();
    let scope = match options.namespace.as_slice() {
        [] => Scope::AllOr(client.default_namespace().to_owned()),
        named => Scope::Namespaces(named.to_vec()),
    };
    let store = Arc::new(Store::default());
    let clock = ClusterClock::follow(client.clone());
    let now = Arc::new(move || clock.now());
    let dashboard = Dashboard::new(store.clone(), Access::Laptop(laptop), now.clone(), explained());
    let requested = shutdown::requested()?;
    print(&format!("The dashboard, for this machine alone, until Ctrl-C:\n\n    {link}\n"))?;
    tokio::select! {
        outcome = server.run(Arc::new(dashboard)) => Ok(outcome?),
        () = follow(client, scope, store, now) => Ok(()),
        () = requested => Ok(()),
    }
}

/// What `tidegate explain` says.
pub fn explained() -> Explain {
    Arc::new(|rollout, now| {
        let parts = explain::parts(rollout, called::name(), now).into_iter();
        parts.map(|(head, lines)| Part { head: head.to_owned(), lines }).collect()
    })
}
