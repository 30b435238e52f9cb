//! The dashboard of the operator, for everybody who reaches its Service.

use std::{
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    sync::Arc,
    thread,
};

use anyhow::Context;
use clap::{ArgAction, Args};
use http::HeaderName;
use jiff::Timestamp;
use tidegate_api::Causes;
use tidegate_dashboard::{Access, Cluster, Dashboard, Proxy, Scope, Server, Store, follow};
use tidegate_operator::serve::Metrics;
use tokio::runtime::Builder;

use super::{connect, explained};

/// The flags of `tidegate run` that are about the dashboard.
#[derive(Debug, Clone, Args)]
pub struct InCluster {
    /// Where the dashboard is served; without it, there is none
    #[arg(long, env = "TIDEGATE_DASHBOARD", value_name = "ADDRESS")]
    dashboard: Option<SocketAddr>,

    /// Let people act in the dashboard, each with their own bearer token; without it, they look
    #[arg(long, env = "TIDEGATE_DASHBOARD_ACTIONS", action = ArgAction::SetTrue, requires = "dashboard")]
    dashboard_actions: bool,

    /// The header in which an authenticating proxy in front of the dashboard names the user
    #[arg(
        long,
        env = "TIDEGATE_DASHBOARD_USER_HEADER",
        value_name = "HEADER",
        requires = "dashboard_proxy_secret_file"
    )]
    dashboard_user_header: Option<HeaderName>,

    /// The header in which it names the user's groups, with commas between them
    #[arg(long, env = "TIDEGATE_DASHBOARD_GROUPS_HEADER", value_name = "HEADER", requires = "dashboard_user_header")]
    dashboard_groups_header: Option<HeaderName>,

    /// The file with the secret that the proxy sends in X-Tidegate-Proxy-Secret: who does not send it is not the proxy
    #[arg(long, env = "TIDEGATE_DASHBOARD_PROXY_SECRET_FILE", value_name = "FILE", requires = "dashboard_user_header")]
    dashboard_proxy_secret_file: Option<PathBuf>,
}

impl InCluster {
    /// Opens it, if it is wanted, on a thread and runtime of its own: however many people look, the operator's tasks wait
    /// for none of them. It goes with the process; where it breaks down, the operator goes on.
    pub fn open(&self, namespace: Option<String>, metrics: Arc<Metrics>) -> anyhow::Result<()> {
        let Some(address) = self.dashboard else { return Ok(()) };
        let taken = || format!("cannot listen on {address} for the dashboard; choose another address with --dashboard");
        let listener = TcpListener::bind(address).with_context(taken)?;
        listener.set_nonblocking(true)?;
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let options = self.clone();
        thread::Builder::new().name("dashboard".to_owned()).spawn(move || {
            if let Err(error) = runtime.block_on(options.serve(listener, namespace, metrics)) {
                tracing::error!(error = %Causes(&*error), "the dashboard broke down; the operator goes on without it");
            }
        })?;
        tracing::info!(%address, actions = self.dashboard_actions, "the dashboard is open");
        Ok(())
    }

    async fn serve(
        self,
        listener: TcpListener,
        namespace: Option<String>,
        metrics: Arc<Metrics>,
    ) -> anyhow::Result<()> {
        let server = Server::on(listener)?;
        let config = connect::config().await?;
        let client = connect::built(config.clone(), metrics.clone())?;
        let store = Arc::new(Store::default());
        let now = Arc::new(Timestamp::now);
        let proxy = self.proxy();
        let acting = self.dashboard_actions.then(|| -> tidegate_dashboard::access::cluster::ClientOf {
            Arc::new(move |token| connect::client_as(&config, token, metrics.clone()))
        });
        let access = Access::Cluster(Box::new(Cluster::new(client.clone(), proxy, acting)));
        let dashboard = Dashboard::new(store.clone(), access, now.clone(), explained());
        let scope = namespace.map_or(Scope::All, |namespace| Scope::Namespaces(vec![namespace]));
        tokio::select! {
            ended = server.run(Arc::new(dashboard)) => Ok(ended?),
            () = follow(client, scope, store, now) => Ok(()),
        }
    }

    fn proxy(&self) -> Option<Proxy> {
        let (user, secret_file) = (self.dashboard_user_header.clone()?, self.dashboard_proxy_secret_file.clone()?);
        Some(Proxy { user, groups: self.dashboard_groups_header.clone(), secret_file })
    }
}
