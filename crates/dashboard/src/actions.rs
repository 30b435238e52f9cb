//! What people may ask of a rollout in the browser: the same as on the command line, by the same annotations.

use axum::body::Bytes;
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{SelfSubjectReview, UserInfo};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, Patch, PatchParams, PostParams},
};
use serde::Deserialize;
use serde_json::{Value, json};
use tidegate_api::{
    Command, Phase, Rollout, Yes,
    metadata::{annotation::APPROVE_ANNOTATION, field_manager::COMMAND_MANAGER},
};

use super::refusal::Refusal;

/// What the page asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// The version that was on the page, and the stage where one was: what was meant, whatever came since.
    revision: String,
    stage: String,
    /// The gate that is approved.
    gate: String,
}

/// The verbs that would be done where `rollout` stands.
pub fn open(rollout: &Rollout) -> Vec<Value> {
    let Some(status) = &rollout.status else { return Vec::new() };
    let canary = status.canary.as_ref().map_or("", |canary| canary.revision.as_str());
    let stage = status.stage.as_ref().map_or("", |stage| stage.name.as_str());
    let is_under_way = matches!(status.phase, Phase::Progressing | Phase::Held) && !canary.is_empty();
    let mut verbs = Vec::new();
    for gate in status.gates.iter().filter(|gate| gate.state.is_open()) {
        if rollout.spec.all_gates().any(|known| known.name == gate.name && known.approval.is_some()) {
            verbs.push(json!({"verb": "approve", "revision": gate.revision, "gate": gate.name}));
        }
    }
    if is_under_way {
        if !rollout.spec.paused {
            verbs.push(json!({"verb": "promote", "revision": canary, "stage": stage}));
        }
        verbs.push(json!({"verb": "abort", "revision": canary}));
    }
    let pause = if rollout.spec.paused { "resume" } else { "pause" };
    verbs.push(json!({"verb": pause, "revision": canary}));
    verbs
}

/// Asks `verb` of the Rollout with the rights of `client`, for the version that the page named. The answer says what was
/// written.
pub async fn carry_out(
    client: &Client,
    namespace: &str,
    name: &str,
    verb: &str,
    body: &Bytes,
) -> Result<String, Refusal> {
    let asked: Asked =
        serde_json::from_slice(body).map_err(|_| Refusal::BadRequest("the body is not what the page sends"))?;
    let rollouts: Api<Rollout> = Api::namespaced(client.clone(), namespace);
    let rollout = rollouts.get(name).await.map_err(|error| refused(&error))?;
    let who = who(client).await;
    let (patch, said) = match verb {
        "pause" | "resume" => paused(&rollout, &asked, verb == "pause")?,
        "abort" => command(&rollout, &asked, Command::Abort, who.as_ref())?,
        "promote" => command(&rollout, &asked, Command::Promote, who.as_ref())?,
        "approve" => approved(&rollout, &asked, who.as_ref())?,
        _ => return Err(Refusal::NotFound),
    };
    let params = PatchParams { field_manager: Some(COMMAND_MANAGER.to_owned()), ..PatchParams::default() };
    // What comes back may be of a newer version than this one, and is written all the same.
    let untyped: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), namespace, &ApiResource::erase::<Rollout>(&()));
    untyped.patch(name, &params, &Patch::Merge(patch)).await.map_err(|error| refused(&error))?;
    Ok(said)
}

/// Whoever `client` is, as the cluster knows them; nothing before Kubernetes 1.28.
async fn who(client: &Client) -> Option<UserInfo> {
    let review: Api<SelfSubjectReview> = Api::all(client.clone());
    let review = review.create(&PostParams::default(), &SelfSubjectReview::default()).await.ok()?;
    review.status?.user_info
}

/// Under the version of the object that was read: whoever writes at the same time is not overwritten.
fn paused(rollout: &Rollout, asked: &Asked, paused: bool) -> Result<(Value, String), Refusal> {
    let canary = rollout.status.as_ref().and_then(|status| status.canary.as_ref());
    let canary = canary.map_or("", |canary| canary.revision.as_str());
    if canary != asked.revision {
        return Err(other(canary));
    }
    let version = &rollout.metadata.resource_version;
    let patch = json!({"metadata": {"resourceVersion": version}, "spec": {"paused": paused}});
    Ok((patch, format!("spec.paused is {paused}")))
}

fn command(
    rollout: &Rollout,
    asked: &Asked,
    command: Command,
    who: Option<&UserInfo>,
) -> Result<(Value, String), Refusal> {
    let status = rollout.status.clone().unwrap_or_default();
    let meant = command.meant(&status).map_err(Refusal::Conflict)?;
    let named = if command == Command::Promote {
        format!("{}/{}", asked.revision, asked.stage)
    } else {
        asked.revision.clone()
    };
    if meant != named {
        return Err(other(&meant));
    }
    let text = command.text(&meant, &who.map(Yes::name).unwrap_or_default(), Timestamp::now());
    let patch = json!({"metadata": {"annotations": {command.annotation(): text}}});
    Ok((patch, format!("{} of {meant} is asked for", command.name())))
}

fn approved(rollout: &Rollout, asked: &Asked, who: Option<&UserInfo>) -> Result<(Value, String), Refusal> {
    let forbidden = |why: &str| Refusal::Forbidden(why.to_owned());
    let who = who.ok_or_else(|| forbidden("the cluster does not say who you are: it takes Kubernetes 1.28"))?;
    let yes = Yes::find(rollout, Some(&asked.gate), Some(&asked.revision)).map_err(Refusal::Conflict)?;
    if !yes.is_for(who) {
        return Err(Refusal::Forbidden(format!("gate {} is not for you to approve", asked.gate)));
    }
    let text = yes.annotation(rollout, who, false, Timestamp::now());
    let version = &rollout.metadata.resource_version;
    let patch = json!({"metadata": {"resourceVersion": version, "annotations": {APPROVE_ANNOTATION: text}}});
    Ok((patch, format!("the approval of {} by {} is given", yes.target(), Yes::name(who))))
}

fn other(meant: &str) -> Refusal {
    let what = if meant.is_empty() {
        "no version is on its way any more".to_owned()
    } else {
        format!("by now it would be meant for {meant}")
    };
    Refusal::Conflict(format!("the page was out of date, and nothing was done: {what}"))
}

/// What the cluster says to the caller, of their own request.
fn refused(error: &kube::Error) -> Refusal {
    match error {
        kube::Error::Api(status) if status.code == 403 || status.code == 401 => {
            Refusal::Forbidden(status.message.clone())
        }
        kube::Error::Api(status) if status.code == 404 => Refusal::NotFound,
        kube::Error::Api(status) if status.code == 409 => {
            Refusal::Conflict("somebody else wrote at the same time, and nothing was done: try again".to_owned())
        }
        kube::Error::Api(status) if status.code == 422 => Refusal::Conflict(status.message.clone()),
        _ => Refusal::Unavailable("the cluster does not answer"),
    }
}
