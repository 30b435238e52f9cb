//! Policies that name the Service of a Rollout. They are asked for when a Rollout is met, when its Deployment changes, and
//! else once an hour: no watch is worth what is told once and refuses nothing.

use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use foldhash::fast::FixedState;
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams},
};
use serde_json::Value;
use tidegate_api::{AdoptionStep, Causes, Phase, Rollout};
use tidegate_planner::traffic::{Names, POLICY_KINDS, Policy, PolicyKind};
use tokio::time::Instant;

use super::Context;

/// For how long an answer is good while nothing is released.
const GOOD_FOR: Duration = Duration::from_hours(1);

/// What was asked within this time is not asked again, whatever happens; and when it is tried again after an error.
const AT_MOST_EVERY: Duration = Duration::from_mins(1);

/// How many policies of a kind in one namespace are looked at.
const MOST: u32 = 500;

/// Which policies are left behind, by their kind and name.
type LeftBehind = Vec<String>;

/// What is known of one Rollout.
struct Known {
    asked: Option<Instant>,
    due: Instant,
    /// Of the Deployment.
    generation: Option<i64>,
    left_behind: Option<LeftBehind>,
}

/// The answers so far. All of them can be lost.
#[derive(Default)]
pub struct Policies {
    /// The kinds that the API server serves, and until when that is good.
    served: tokio::sync::Mutex<Option<(Instant, Vec<ApiResource>)>>,
    /// By the Rollout's UID.
    known: Mutex<HashMap<String, Known>>,
}

impl Policies {
    /// The policies that requests do without during a rollout; nothing while it is not known. Asked only where nothing is
    /// under way, so that nothing that must be fast waits for it.
    pub(super) async fn left_behind(&self, context: &Context, rollout: &Rollout) -> Option<LeftBehind> {
        if !rollout.spec.is_routed() {
            return Some(Vec::new());
        }
        let status = rollout.status.as_ref();
        let generation = generation(context, rollout);
        let uid = rollout.metadata.uid.clone()?;
        if !is_at_rest(rollout) || self.is_fresh(&uid, generation) {
            return self.with(&uid, |known| known.left_behind.clone())?;
        }
        let kinds = self.served(&context.client).await;
        if kinds.as_ref().is_some_and(Vec::is_empty) {
            self.forget(&uid);
            return Some(Vec::new());
        }
        let adoption = status.and_then(|status| status.adoption.as_ref());
        let is_adopted = adoption.is_some_and(|adoption| adoption.step == AdoptionStep::Adopted);
        let seen = status.and_then(|status| status.workload.as_ref()).and_then(|workload| workload.observed_generation);
        if is_adopted && seen == generation && self.with(&uid, |_| ()).is_none() {
            // Of thousands that a new process meets, each in its turn, but for those with a release.
            let due = Instant::now() + spread(&uid);
            self.insert(&uid, Known { asked: None, due, generation, left_behind: None });
            return None;
        }
        let before = self.with(&uid, |known| known.left_behind.clone()).flatten();
        let asked = match kinds {
            Some(kinds) => ask(&context.client, rollout, &kinds).await.inspect_err(log).ok(),
            None => None,
        };
        let now = Instant::now();
        let due = now + if asked.is_some() { GOOD_FOR } else { AT_MOST_EVERY };
        let left_behind = asked.or(before);
        self.insert(&uid, Known { asked: Some(now), due, generation, left_behind: left_behind.clone() });
        left_behind
    }

    /// How long until they should be asked for again, if nothing happens before.
    pub(super) fn due(&self, rollout: &Rollout) -> Option<Duration> {
        let uid = rollout.metadata.uid.as_deref().filter(|_| is_at_rest(rollout))?;
        let due = self.with(uid, |known| known.due)?;
        Some(due.saturating_duration_since(Instant::now()).max(Duration::from_secs(1)))
    }

    /// Forgets a Rollout that is gone.
    pub(super) fn forget(&self, uid: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    fn is_fresh(&self, uid: &str, generation: Option<i64>) -> bool {
        let is_recent = |known: &Known| known.asked.is_some_and(|asked| asked.elapsed() < AT_MOST_EVERY);
        let is_good = |known: &Known| Instant::now() < known.due && known.generation == generation;
        self.with(uid, |known| is_recent(known) || is_good(known)).unwrap_or(false)
    }

    fn with<T>(&self, uid: &str, read: impl FnOnce(&Known) -> T) -> Option<T> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).get(uid).map(read)
    }

    fn insert(&self, uid: &str, known: Known) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).insert(uid.to_owned(), known);
    }

    /// The kinds that the API server serves; nothing where it does not say.
    async fn served(&self, client: &Client) -> Option<Vec<ApiResource>> {
        // Held while it is asked: the others wait for the same answer.
        let mut served = self.served.lock().await;
        if let Some((_, kinds)) = served.as_ref().filter(|(until, _)| Instant::now() < *until) {
            return Some(kinds.clone());
        }
        let kinds = discover(client).await.inspect_err(log).ok()?;
        *served = Some((Instant::now() + GOOD_FOR, kinds.clone()));
        Some(kinds)
    }
}

/// It is tried again a minute later, and no release waits for it.
fn log(error: &kube::Error) {
    tracing::debug!("policies were asked for in vain: {}", Causes(error));
}

/// Whether nothing is under way that a slow answer would hold up.
fn is_at_rest(rollout: &Rollout) -> bool {
    let phase = rollout.status.as_ref().map(|status| status.phase).unwrap_or_default();
    matches!(phase, Phase::Pending | Phase::Stable | Phase::Reverted)
}

/// Of each kind that the API server serves, the version that it prefers among those that have it.
async fn discover(client: &Client) -> Result<Vec<ApiResource>, kube::Error> {
    let mut found: Vec<ApiResource> = Vec::new();
    for group in client.list_api_groups().await?.groups {
        let kinds: Vec<_> = POLICY_KINDS.iter().filter(|kind| kind.group == group.name).collect();
        if kinds.is_empty() {
            continue;
        }
        let preferred = group.preferred_version.iter().chain(&group.versions);
        for version in preferred.map(|version| version.group_version.as_str()) {
            let is_missing = |kind: &&&PolicyKind| !found.iter().any(|known| is_of(known, kind));
            let missing: Vec<_> = kinds.iter().filter(is_missing).copied().collect();
            if missing.is_empty() {
                break;
            }
            let resources = client.list_api_group_resources(version).await?.resources;
            for resource in resources.iter().filter(|it| missing.iter().any(|kind| kind.plural == it.name)) {
                let (_, version) = version.split_once('/').unwrap_or_default();
                found.push(ApiResource {
                    group: group.name.clone(),
                    version: version.to_owned(),
                    api_version: format!("{}/{version}", group.name),
                    kind: resource.kind.clone(),
                    plural: resource.name.clone(),
                });
            }
        }
    }
    Ok(found)
}

fn is_of(resource: &ApiResource, kind: &PolicyKind) -> bool {
    (resource.group.as_str(), resource.plural.as_str()) == (kind.group, kind.plural)
}

/// Those of all `kinds` that are left behind. A kind that the operator may not read has none.
async fn ask(client: &Client, rollout: &Rollout, kinds: &[ApiResource]) -> Result<LeftBehind, kube::Error> {
    let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
    let names = Names::of(&rollout.spec.service);
    let mut left_behind = Vec::new();
    for kind in kinds {
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, kind);
        let objects = match api.list(&ListParams::default().limit(MOST)).await {
            Ok(list) => list.items,
            Err(kube::Error::Api(status)) if status.is_forbidden() || status.is_not_found() => continue,
            Err(error) => return Err(error),
        };
        let policies: Vec<_> = objects.iter().map(|object| policy(kind, namespace, object)).collect();
        let those = policies.iter().filter(|policy| policy.is_left_behind(&policies, &names));
        left_behind.extend(those.map(|policy| format!("{} {}", policy.kind, policy.name)));
    }
    left_behind.sort();
    Ok(left_behind)
}

fn policy<'a>(kind: &'a ApiResource, namespace: &'a str, object: &'a DynamicObject) -> Policy<'a> {
    Policy {
        group: &kind.group,
        kind: &kind.kind,
        namespace,
        name: object.metadata.name.as_deref().unwrap_or_default(),
        spec: object.data.get("spec").unwrap_or(&Value::Null),
    }
}

fn generation(context: &Context, rollout: &Rollout) -> Option<i64> {
    let namespace = rollout.metadata.namespace.as_deref().unwrap_or_default();
    context.caches.deployments.get(namespace, &rollout.spec.workload.name)?.metadata.generation
}

/// A part of an hour: of many Rollouts, each has its own.
fn spread(uid: &str) -> Duration {
    let seconds = u32::try_from(FixedState::default().hash_one(uid) % GOOD_FOR.as_secs()).unwrap_or(0);
    Duration::from_secs(u64::from(seconds))
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};
    use kube::client::Body;
    use serde_json::json;

    use super::*;

    /// An API server with two of the kinds, one of which may not be read.
    fn answer(path: &str) -> (u16, Value) {
        let version = |version: &str| json!({"groupVersion": version, "version": version.rsplit('/').next()});
        let group = |name: &str, versions: &[&str]| {
            let versions: Vec<_> = versions.iter().map(|it| version(&format!("{name}/{it}"))).collect();
            json!({"name": name, "versions": versions, "preferredVersion": versions[0]})
        };
        let resources = |version: &str, plural: &str, kind: &str| {
            let resource =
                json!({"name": plural, "kind": kind, "singularName": "", "namespaced": true, "verbs": ["list"]});
            json!({"kind": "APIResourceList", "groupVersion": version, "resources": [resource]})
        };
        match path {
            "/apis" => {
                let gateway = group("gateway.networking.k8s.io", &["v1", "v1alpha3"]);
                (200, json!({"groups": [gateway, group("networking.istio.io", &["v1"]), group("apps", &["v1"])]}))
            }
            "/apis/gateway.networking.k8s.io/v1" => {
                (200, resources("gateway.networking.k8s.io/v1", "httproutes", "HTTPRoute"))
            }
            "/apis/gateway.networking.k8s.io/v1alpha3" => {
                (200, resources("gateway.networking.k8s.io/v1alpha3", "backendtlspolicies", "BackendTLSPolicy"))
            }
            "/apis/networking.istio.io/v1" => {
                (200, resources("networking.istio.io/v1", "destinationrules", "DestinationRule"))
            }
            "/apis/gateway.networking.k8s.io/v1alpha3/namespaces/shop/backendtlspolicies" => {
                let targets = json!([{"group": "", "kind": "Service", "name": "checkout"}]);
                let policy = json!({"metadata": {"name": "tls"}, "spec": {"targetRefs": targets}});
                (200, json!({"metadata": {}, "items": [policy]}))
            }
            "/apis/networking.istio.io/v1/namespaces/shop/destinationrules" => {
                (403, json!({"kind": "Status", "status": "Failure", "reason": "Forbidden", "code": 403}))
            }
            other => panic!("nobody should ask for {other}"),
        }
    }

    #[tokio::test]
    async fn a_kind_is_found_in_whatever_version_and_one_that_may_not_be_read_is_silence() {
        let service = tower::service_fn(|request: Request<Body>| async move {
            let (status, body) = answer(request.uri().path());
            Ok::<_, std::convert::Infallible>(
                Response::builder().status(status).body(Body::from(body.to_string().into_bytes())).unwrap(),
            )
        });
        let client = Client::new(service, "default");
        let kinds = discover(&client).await.unwrap();
        let found: Vec<_> = kinds.iter().map(|kind| format!("{} {}", kind.api_version, kind.kind)).collect();
        assert_eq!(
            found,
            ["gateway.networking.k8s.io/v1alpha3 BackendTLSPolicy", "networking.istio.io/v1 DestinationRule"]
        );
        assert_eq!(ask(&client, &rollout(Phase::Stable), &kinds).await.unwrap(), ["BackendTLSPolicy tls"]);
    }

    fn rollout(phase: Phase) -> Rollout {
        serde_json::from_value(json!({
            "apiVersion": "tidegate.dev/v1alpha1", "kind": "Rollout",
            "metadata": {"name": "checkout", "namespace": "shop", "uid": "u"},
            "spec": {"workload": {"kind": "Deployment", "name": "checkout"}, "service": "checkout"},
            "status": {"phase": phase},
        }))
        .unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_is_woken_for_them_while_a_rollout_is_under_way() {
        let policies = Policies::default();
        assert_eq!(policies.due(&rollout(Phase::Stable)), None);
        let known = Known { asked: None, due: Instant::now() + GOOD_FOR, generation: None, left_behind: None };
        policies.insert("u", known);
        assert_eq!(policies.due(&rollout(Phase::Stable)), Some(GOOD_FOR));
        assert_eq!(policies.due(&rollout(Phase::Progressing)), None);
        policies.forget("u");
        assert_eq!(policies.due(&rollout(Phase::Stable)), None);
    }
}
