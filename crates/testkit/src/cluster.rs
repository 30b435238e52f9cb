//! What a cluster has before anybody installs Tidegate into it, and what the installation adds: CRDs and RBAC.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject, GroupVersionKind, PostParams},
    runtime::wait::{await_condition, conditions},
};
use serde_json::{Value, json};
use tidegate_api::definitions;

use super::{control_plane::Identity, kubelet::NODE};

/// Where the operator is installed.
pub const SYSTEM_NAMESPACE: &str = "tidegate-system";

/// Installs Tidegate's CRDs, its RBAC, and the node that pods are bound to.
pub async fn furnish(client: &Client) -> Result<()> {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}});
    create(client, namespace).await?;
    create(client, json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})).await?;
    for definition in definitions() {
        install_crd(client, definition).await?;
    }
    grant(client).await
}

/// Installs the CRD of that name from a bundle.
pub async fn install_from(client: &Client, bundle: &Path, name: &str) -> Result<()> {
    install_crd(client, definition(bundle, name)?).await
}

/// Creates a CRD and waits until it is served.
pub async fn install_crd(client: &Client, crd: CustomResourceDefinition) -> Result<()> {
    let crds = Api::<CustomResourceDefinition>::all(client.clone());
    let name = crd.name_any();
    crds.create(&PostParams::default(), &crd).await.with_context(|| format!("the CRD {name} was refused"))?;
    let established = await_condition(crds, &name, conditions::is_crd_established());
    tokio::time::timeout(Duration::from_secs(30), established)
        .await
        .with_context(|| format!("the CRD {name} was never established"))??;
    Ok(())
}

/// Has the API server go without the rules of a CRD while something is done, as if an earlier version of it were
/// installed.
pub async fn without_rules<T, F>(client: &Client, name: &str, something: impl FnOnce() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    let crds = Api::<CustomResourceDefinition>::all(client.clone());
    let with_rules = crds.get(name).await?;
    let mut earlier = serde_json::to_value(&with_rules)?;
    drop_rules(&mut earlier);
    let earlier = crds.replace(name, &PostParams::default(), &serde_json::from_value(earlier)?).await?;
    let done = something().await?;
    let mut again = with_rules;
    again.metadata.resource_version = earlier.metadata.resource_version;
    crds.replace(name, &PostParams::default(), &again).await?;
    Ok(done)
}

fn drop_rules(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.remove("x-kubernetes-validations");
            fields.values_mut().for_each(drop_rules);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_rules),
        _ => {}
    }
}

fn definition(bundle: &Path, name: &str) -> Result<CustomResourceDefinition> {
    let text = fs::read_to_string(bundle)?;
    let line = format!("\n  name: {name}\n");
    let document = documents(&text)
        .find(|document| document.contains(&line))
        .with_context(|| format!("{} has no {name}", bundle.display()))?;
    Ok(serde_saphyr::from_str(document)?)
}

/// Grants the operator what `deploy/rbac*.yaml` grants it.
async fn grant(client: &Client) -> Result<()> {
    for object in rbac()? {
        create(client, object).await?;
    }
    Ok(())
}

/// Grants it the lease `name` as well, on the terms of the one that it is installed with: each shop has an operator of
/// its own, and so a lease of its own.
pub async fn grant_lease(client: &Client, name: &str) -> Result<()> {
    for mut object in rbac()?.into_iter().filter(|object| object["kind"] == "Role") {
        let role = format!("lease-of-{name}");
        object["metadata"]["name"] = json!(role);
        for rule in object["rules"].as_array_mut().into_iter().flatten() {
            if rule.get("resourceNames").is_some() {
                rule["resourceNames"] = json!([name]);
            }
        }
        create(client, object).await?;
        create(client, bind(&role)).await?;
    }
    Ok(())
}

/// Grants it the record `name` of what people were told, as the chart does where there are receivers.
pub async fn grant_record(client: &Client, name: &str) -> Result<()> {
    let role = format!("record-of-{name}");
    let object = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": role, "namespace": SYSTEM_NAMESPACE},
        "rules": [
            {"apiGroups": [""], "resources": ["configmaps"], "verbs": ["create"]},
            {"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [name], "verbs": ["get", "update"]},
        ],
    });
    create(client, object).await?;
    create(client, bind(&role)).await
}

fn bind(role: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": role, "namespace": SYSTEM_NAMESPACE},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": Identity::Operator.user()}],
    })
}

/// The objects of `deploy/rbac*.yaml`.
pub fn rbac() -> Result<Vec<Value>> {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    let mut files: Vec<_> = fs::read_dir(&deploy)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            stem.is_some_and(|stem| stem.starts_with("rbac")) && path.extension().is_some_and(|kind| kind == "yaml")
        })
        .collect();
    ensure!(!files.is_empty(), "{} has no rbac*.yaml", deploy.display());
    files.sort();
    let mut objects = Vec::new();
    for file in files {
        objects.extend(read(&file)?);
    }
    Ok(objects)
}

/// The objects of a YAML file.
pub fn read(file: &Path) -> Result<Vec<Value>> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let parse = |document| serde_saphyr::from_str(document).with_context(|| file.display().to_string());
    documents(&text).map(parse).collect()
}

/// Creates any object, of whatever kind.
pub async fn create(client: &Client, object: Value) -> Result<()> {
    let object: DynamicObject = serde_json::from_value(object)?;
    let types = object.types.as_ref().context("an object without a kind")?;
    let resource = ApiResource::from_gvk(&GroupVersionKind::try_from(types)?);
    let namespaced = ["Role", "RoleBinding", "ServiceAccount"].contains(&types.kind.as_str());
    let api = match object.namespace() {
        Some(namespace) => Api::namespaced_with(client.clone(), &namespace, &resource),
        None if namespaced => Api::namespaced_with(client.clone(), SYSTEM_NAMESPACE, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    match api.create(&PostParams::default(), &object).await {
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(()),
        created => created.map(drop).with_context(|| format!("{} {} was refused", types.kind, object.name_any())),
    }
}

/// The documents of a YAML stream that hold more than comments.
fn documents(stream: &str) -> impl Iterator<Item = &str> {
    stream
        .split("\n---")
        .filter(|document| document.lines().any(|line| !matches!(line.trim(), "" | "---") && !line.starts_with('#')))
}
