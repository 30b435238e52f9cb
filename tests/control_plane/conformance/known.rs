//! Where the embedded server is known to answer otherwise than Kubernetes 1.37.

use super::differences::Class;

/// In what the answers to a request of that topic are known to differ, if they are.
pub fn known(topic: &str, request: &str) -> Option<Class> {
    let lists = [
        (Class::Lenient, LENIENT),
        (Class::Refusal, REFUSAL),
        (Class::Owned, OWNED),
        (Class::Written, WRITTEN),
        (Class::Content, CONTENT),
        (Class::Strict, STRICT),
    ];
    let line = format!("{topic}: {request}");
    lists.into_iter().find(|(_, list)| list.contains(&line.as_str())).map(|(class, _)| class)
}

/// Taken, although Kubernetes refuses it: the embedded server checks names, selectors and the shape of what users
/// define, not every field of built-in kinds.
const LENIENT: &[&str] = &[
    "scales: GET /apis/tidegate.dev/v1alpha1/namespaces/{ns}/rollouts/a/scale",
    r#"strategic-patches: PATCH /apis/apps/v1/namespaces/{ns}/deployments/d {"spec":{"replicas":"many"}}"#,
    r#"strategic-patches: PATCH /api/v1/namespaces/{ns}/services/s {"spec":{"ports":[]}}"#,
    r#"applied: PATCH /api/v1/namespaces/{ns}/configmaps/a?fieldManager=one {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b"}}"#,
    r#"applied: PATCH /api/v1/namespaces/{ns}/configmaps/a?fieldManager=one {"data":{"one":"1"}}"#,
    "custom-resources: GET /apis/tidegate.dev/v1alpha1/namespaces/{ns}/rollouts?fieldSelector=spec.service%3Dnone",
    r#"patches: PATCH /api/v1/namespaces/{ns}/configmaps/a {"metadata":{"name":"b"}}"#,
    r#"patches: PATCH /api/v1/namespaces/{ns}/configmaps/a {"data":{"one":1}}"#,
    r#"patches: PATCH /api/v1/namespaces/{ns}/configmaps/a {"data":"no map"}"#,
    r#"creations: POST /api/v1/namespaces/{ns}/configmaps {"apiVersion":"v1","kind":"ConfigMap","metadata":{"labels":{"not a label":"x"},"name":"e"}}"#,
    r#"creations: POST /api/v1/namespaces/{ns}/configmaps {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"f"}}"#,
    r#"creations: POST /api/v1/namespaces/{ns}/configmaps {"apiVersion":"v1","kind":"ConfigMap","metadata":{"finalizers":["unqualified"],"name":"j"}}"#,
    r#"creations: POST /api/v1/namespaces/{ns}/configmaps {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"k","ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"a"}]}}"#,
    "reads: GET /api/v1/namespaces/{ns}/configmaps?labelSelector=%3Dshop",
    "reads: GET /api/v1/namespaces/{ns}/configmaps?fieldSelector=data.key%3Da",
    "reads: GET /api/v1/namespaces/{ns}/configmaps?fieldSelector=%3D%3D%3D",
    "reads: GET /api/v1/namespaces/{ns}/configmaps/a",
];

/// Refused by both, with another code, reason or detail: a person reads on, and no program here tells these apart.
const REFUSAL: &[&str] = &[
    r#"scales: PATCH /apis/tidegate.dev/v1alpha1/namespaces/{ns}/rollouts/a/scale {"spec":{"replicas":-1}}"#,
    r#"updates: PUT /api/v1/namespaces/{ns}/configmaps/a {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","resourceVersion":"garbled"}}"#,
    r#"applied: PATCH /api/v1/namespaces/{ns}/configmaps/a {"data":{"one":"1"}}"#,
    r#"custom-resources: POST /apis/tidegate.dev/v1alpha1/namespaces/{ns}/rollouts {"metadata":{"name":"c"}}"#,
    r#"custom-resources: PUT /apis/tidegate.dev/v1alpha1/namespaces/{ns}/rollouts/a {"apiVersion":"tidegate.dev/v1alpha1","kind":"Rollout","metadata":{"name":"a"},"spec":{"service":"none","workload":{"kind":"Deployment","name":"none"}}}"#,
    "custom-resources: GET /apis/tidegate.dev/v1alpha1/namespaces/{ns}/rollouts/a/nothing",
    r#"patches: PATCH /api/v1/namespaces/{ns}/configmaps/a {"metadata":{"uid":"another"}}"#,
    r#"patches: PATCH /api/v1/namespaces/{ns}/configmaps/a {"kind":"Secret"}"#,
    "patches: PATCH /api/v1/namespaces/{ns}/configmaps/a {}",
    r#"patches: PATCH /api/v1/namespaces/{ns}/configmaps/a [{"op":"dance","path":"/data"}]"#,
    r#"creations: POST /api/v1/namespaces/{ns}/configmaps {"apiVersion":"v1","kind":"ConfigMap","metadata":{}}"#,
    r#"creations: POST /api/v1/namespaces/{ns}/configmaps {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","resourceVersion":"7"}}"#,
    r#"creations: POST /api/v1/namespaces/{ns}/configmaps {"apiVersion":"v1","kind":"ConfigMap","metadata":{"labels":{"label":"not a value!"},"name":"e"}}"#,
    r#"creations: POST /api/v1/namespaces/{ns}/configmaps?dryRun=Some {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"g"}}"#,
    "reads: GET /api/v1/namespaces/{ns}/configmaps?resourceVersionMatch=Exact",
    "reads: GET /api/v1/namespaces/{ns}/configmaps?resourceVersion=0&resourceVersionMatch=Exact",
    r#"deletions: DELETE /api/v1/namespaces/{ns}/configmaps/a {"preconditions":{"uid":"another"}}"#,
    r#"deletions: DELETE /api/v1/namespaces/{ns}/configmaps/a {"preconditions":{"resourceVersion":"1"}}"#,
    r#"deletions: DELETE /api/v1/namespaces/{ns}/configmaps/a {"propagationPolicy":"Sideways"}"#,
    r#"deletions: DELETE /api/v1/namespaces/{ns}/configmaps/a {"orphanDependents":true,"propagationPolicy":"Orphan"}"#,
    "watches: GET /api/v1/namespaces/{ns}/configmaps?watch=true&timeoutSeconds=1&resourceVersion=nonsense",
];

/// Nothing but the owned fields differ: an earlier request of the same topic was answered otherwise, and has left other
/// owners behind.
const OWNED: &[&str] = &[
    "scales: GET /apis/tidegate.dev/v1alpha1/namespaces/{ns}/rollouts/a",
    r#"patches: PATCH /api/v1/namespaces/{ns}/configmaps/a {"data":{"one":null,"six":"6"}}"#,
    r#"patches: PATCH /api/v1/namespaces/{ns}/configmaps/a {"metadata":{"labels":{"$patch":"replace","only":"this"}}}"#,
    r#"patches: PATCH /api/v1/namespaces/{ns}/configmaps/a {"metadata":{"finalizers":["rig/one"]}}"#,
    r#"patches: PATCH /api/v1/namespaces/{ns}/configmaps/a {"metadata":{"$deleteFromPrimitiveList/finalizers":["rig/one","rig/two"]}}"#,
    r#"patches: PATCH /api/v1/namespaces/{ns}/configmaps/a?dryRun=All {"data":{"dry":"run"}}"#,
    "patches: GET /api/v1/namespaces/{ns}/configmaps/a",
];

/// Which version or generation it leaves: that of a kind without generations may be made up by its creator, and an
/// object that goes for good has its last version or one more.
const WRITTEN: &[&str] = &[
    r#"creations: POST /api/v1/namespaces/{ns}/configmaps {"apiVersion":"v1","kind":"ConfigMap","metadata":{"creationTimestamp":"2020-01-01T00:00:00Z","deletionTimestamp":"2020-01-01T00:00:00Z","generation":7,"name":"d","uid":"mine"}}"#,
    r#"deletions: PATCH /api/v1/namespaces/{ns}/configmaps/held {"metadata":{"finalizers":null}}"#,
];

/// What it says differs: controllers have got to the object at another moment, a number that is 0 is left out, or a page for
/// people stands in place of a `Status`.
const CONTENT: &[&str] = &[
    "scales: GET /apis/apps/v1/namespaces/{ns}/deployments/d/scale",
    r#"strategic-patches: POST /api/v1/namespaces/{ns}/services {"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"ports":[{"name":"http","port":80},{"name":"grpc","port":90}],"selector":{"app":"s"}}}"#,
    r#"strategic-patches: PATCH /api/v1/namespaces/{ns}/services/s {"spec":{"ports":[{"name":"h2c","port":90},{"name":"admin","port":100}]}}"#,
    r#"strategic-patches: PATCH /api/v1/namespaces/{ns}/services/s {"spec":{"selector":{"app":null,"tier":"front"}}}"#,
    r#"strategic-patches: PATCH /api/v1/namespaces/{ns}/services/s {"spec":{"ports":[{"$patch":"delete","port":90}]}}"#,
    "custom-resources: GET /apis/tidegate.dev/v1/namespaces/{ns}/rollouts/a",
    "custom-resources: GET /apis/tidegate.dev/v1alpha1/namespaces/{ns}/rollout/a",
    r#"patches: PATCH /api/v1/namespaces/{ns}/configmaps/a {"metadata":{"finalizers":["rig/two"]}}"#,
    r#"creations: POST /apis/no.such.group/v1/namespaces/{ns}/configmaps {"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"i"}}"#,
    "reads: GET /no/such/path",
    "watches: GET /api/v1/namespaces/{ns}/configmaps/first?watch=true&timeoutSeconds=1&resourceVersion=0",
];

/// Refused, although Kubernetes takes it.
const STRICT: &[&str] = &[
    r#"patches: PATCH /api/v1/namespaces/{ns}/configmaps/a [{"op":"add","path":"/data/four","value":"4"}]"#,
    r#"patches: PATCH /api/v1/namespaces/{ns}/configmaps/a [{"op":"test","path":"/data/four","value":"4"},{"op":"remove","path":"/data/four"}]"#,
    "reads: GET /api/v1/namespaces/{ns}/configmaps?limit=-1",
];
