//! The same raw requests to a real API server and to the embedded one: the answers are the same, word by word, but for
//! the differences that are listed with their reasons.

mod differences;
mod known;
mod requests;
mod session;
mod step;

use std::{collections::BTreeMap, fmt::Write as _};

use anyhow::ensure;
use kube::Client;
use serde_json::{Value, json};
use tidegate_testkit::{
    Result, cluster,
    control_plane::{ControlPlane, Kind},
    world::World,
};

use crate::behaviour::behaviours;

use self::{
    differences::{Class, differences},
    known::known,
    session::Session,
    step::Step,
};

behaviours![
    both_servers_answer_alike_to_creations,
    both_servers_answer_alike_to_reads,
    both_servers_answer_alike_to_updates,
    both_servers_answer_alike_to_custom_resources,
    both_servers_answer_alike_to_scales,
    both_servers_answer_alike_to_patches,
    both_servers_answer_alike_to_strategic_patches,
    both_servers_answer_alike_to_server_side_apply,
    both_servers_answer_alike_to_deletions,
    both_servers_answer_alike_to_watches,
];

async fn both_servers_answer_alike_to_creations(world: &World) -> Result<()> {
    compare(world, "creations", &requests::creations()).await
}

async fn both_servers_answer_alike_to_reads(world: &World) -> Result<()> {
    compare(world, "reads", &requests::reads()).await
}

async fn both_servers_answer_alike_to_updates(world: &World) -> Result<()> {
    compare(world, "updates", &requests::updates()).await
}

async fn both_servers_answer_alike_to_custom_resources(world: &World) -> Result<()> {
    compare(world, "custom-resources", &requests::custom_resources()).await
}

async fn both_servers_answer_alike_to_scales(world: &World) -> Result<()> {
    compare(world, "scales", &requests::scales()).await
}

async fn both_servers_answer_alike_to_patches(world: &World) -> Result<()> {
    compare(world, "patches", &requests::patches()).await
}

async fn both_servers_answer_alike_to_strategic_patches(world: &World) -> Result<()> {
    compare(world, "strategic-patches", &requests::strategic_patches()).await
}

async fn both_servers_answer_alike_to_server_side_apply(world: &World) -> Result<()> {
    compare(world, "applied", &requests::applied()).await
}

async fn both_servers_answer_alike_to_deletions(world: &World) -> Result<()> {
    compare(world, "deletions", &requests::deletions()).await
}

async fn both_servers_answer_alike_to_watches(world: &World) -> Result<()> {
    compare(world, "watches", &requests::watches()).await
}

/// Sends `steps` to both servers, one after the other, and tells all differences that are not known, and all that are
/// known and are no more.
async fn compare(world: &World, topic: &str, steps: &[Step]) -> Result<()> {
    let namespace = format!("conformance-{topic}");
    let embedded = world.control_plane.another(Kind::Embedded).await?;
    cluster::furnish(&embedded.client).await?;
    let mut real = open(&world.control_plane, &namespace).await?;
    let mut embedded = open(&embedded, &namespace).await?;
    let (mut unknown, mut no_more) = (String::new(), BTreeMap::new());
    for step in steps {
        let (theirs, ours) = (real.send(step).await?, embedded.send(step).await?);
        let (request, places) = (step.request(), differences(step, &theirs, &ours));
        let known = known(topic, &request);
        let as_known = known == Some(Class::of(&theirs, &ours, &places));
        if known.is_some() {
            *no_more.entry(request.clone()).or_insert(true) &= places.is_empty();
        }
        if !places.is_empty() && !as_known {
            let _ = writeln!(unknown, "{request}");
            for (place, theirs, ours) in places {
                let _ = writeln!(unknown, "  {place}: {} but embedded {}", word(theirs.as_ref()), word(ours.as_ref()));
            }
        }
    }
    for (request, _) in no_more.into_iter().filter(|(_, no_more)| *no_more) {
        let _ = writeln!(unknown, "{request}\n  does not differ any more: take it off the list");
    }
    ensure!(unknown.is_empty(), "the answers differ:\n{unknown}");
    Ok(())
}

fn word(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}

async fn open(control_plane: &ControlPlane, namespace: &str) -> Result<Session> {
    let client: Client = control_plane.client.clone();
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    cluster::create(&client, object).await?;
    Ok(Session::new(client, namespace))
}
