//! temp
#![allow(dead_code)]
mod cluster;
mod crowd;
mod operator;
use anyhow::Result;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

fn main() -> Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(temp())
}
async fn temp() -> Result<()> {
    let n: usize = std::env::var("N").ok().and_then(|n| n.parse().ok()).unwrap_or(10_000);
    let cluster = cluster::Cluster::start().await?;
    let server = &cluster.server;
    server.create(serde_json::to_value(<tidegate::api::Rollout as kube::CustomResourceExt>::crd())?, "x")?;
    let text = std::fs::read_to_string("../shared/crds/gateway-api.yaml")?;
    for doc in text.split("\n---") {
        if doc.contains("\n  name: httproutes.gateway.networking.k8s.io\n") {
            let v: Value = serde_saphyr::from_str(doc)?;
            server.create(v, "x")?;
        }
    }
    let lists: Vec<Value> = serde_json::from_str(&std::fs::read_to_string("/tmp/specimen.json")?)?;
    server.create(json!({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"specimen"}}), "x")?;
    let mut objects = vec![];
    for l in lists {
        for mut i in l["items"].as_array().unwrap().clone() {
            i["kind"] = json!(l["kind"].as_str().unwrap().trim_end_matches("List"));
            i["apiVersion"] = if l["apiVersion"] == "discovery.k8s.io/v1beta1" {
                json!("discovery.k8s.io/v1")
            } else {
                l["apiVersion"].clone()
            };
            if l["apiVersion"] == "discovery.k8s.io/v1beta1" {
                for e in i["endpoints"].as_array_mut().unwrap() {
                    let m = e.as_object_mut().unwrap();
                    m.remove("topology");
                }
            }
            let t = i.to_string().replace("shop-zz-dump", "specimen");
            objects.push(serde_json::from_str(&t)?);
        }
    }
    let specimen = crowd::Specimen { objects };
    let t = Instant::now();
    let before = operator::resident("self")?;
    specimen.copy(server, n)?;
    println!("filled {n} in {:?}: server {before} -> {} MiB", t.elapsed(), operator::resident("self")?);
    cluster.take_writes();
    let op = operator::Operator::start(&cluster, "http://127.0.0.1:9")?;
    let took = op.reconciled(n as u64, Duration::from_secs(120)).await;
    println!(
        "start {took:?} cpu {:?}, operator {} MiB, server {} MiB",
        op.cpu()?,
        op.resident()?,
        operator::resident("self")?
    );
    tokio::time::sleep(Duration::from_secs(10)).await;
    println!(
        "writes {:?}; operator {} MiB, server {} MiB",
        cluster.take_writes(),
        op.resident()?,
        operator::resident("self")?
    );
    let log = std::fs::read_to_string(cluster.directory.path().join("operator.log"))?;
    println!("{}", log.lines().take(10).collect::<Vec<_>>().join("\n"));
    if let Ok(s) = std::env::var("HOLD") {
        tokio::time::sleep(Duration::from_secs(s.parse()?)).await;
    }
    Ok(())
}
