//! The page over Rollouts that stand still in every state, some of them of another version or with names that try to be
//! markup: for whoever works on it.

use std::{error::Error, net::Ipv4Addr, sync::Arc};

use jiff::Timestamp;
use tidegate_apiserver::ApiServer;
use tidegate_clock::Clock;
use tidegate_dashboard::{Access, Dashboard, Laptop, Server, Store};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::bind((Ipv4Addr::LOCALHOST, 0).into()).await?;
    let client = ApiServer::new(Clock::System, 1).client();
    let laptop = Laptop::new(client, server.address()?.port());
    println!("{}", laptop.link());
    let store = Arc::new(Store::default());
    let rollouts: Vec<serde_json::Value> = serde_json::from_str(include_str!("look.json"))?;
    for rollout in rollouts {
        store.put(rollout, Timestamp::now());
    }
    store.complete();
    let explain = Arc::new(|_: &_, _| Vec::new());
    let dashboard = Dashboard::new(store, Access::Laptop(laptop), Arc::new(Timestamp::now), explain);
    Ok(server.run(Arc::new(dashboard)).await?)
}
