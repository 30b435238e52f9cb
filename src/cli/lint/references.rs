//! What the documents say of each other: a Rollout, its Deployment, its Service, its routes, an autoscaler.
//!
//! Only what is there is looked at. A Rollout that stands alone may well have its Deployment somewhere else.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use tidegate_api::{Percent, RolloutSpec, Route, Traffic, manifest::item, nearest::did_you_mean};
use tidegate_planner::traffic::{
    GATEWAY_API, Kind, Names, Quirks, Revisions, RouteId, Split, named_twice, past_the_weights, references, router,
};

use super::{
    autoscalers, configuration,
    finding::{Finding, LocatedDocument},
    policies, ports, selectors, workload,
};

/// Where `rollout` and the other documents do not fit together.
pub fn check(rollout: &LocatedDocument, all: &[LocatedDocument]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let spec = |path: &[&str]| rollout.document.text(&[&["spec"], path].concat()).unwrap_or_default();
    let (kind, name) = (("apps", "Deployment"), spec(&["workload", "name"]));
    let deployment = find(rollout, all, kind, name, "spec.workload.name", &mut findings);
    let service = find(rollout, all, ("", "Service"), spec(&["service"]), "spec.service", &mut findings);
    findings.extend(workload::long_name(rollout));
    if let Some(deployment) = deployment {
        findings.extend(workload::check(rollout, deployment, all));
        findings.extend(configuration::check(rollout, deployment));
        findings.extend(service.and_then(|service| unselected(service, deployment)));
        findings.extend(selectors::check(deployment, service));
    }
    findings.extend(service.into_iter().flat_map(|service| ports::check(service, all)));
    let named = routes(rollout);
    let ids: Vec<_> = named.iter().map(|(_, route)| RouteId::of(route, rollout.namespace())).collect();
    findings.extend(named_twice(&ids).map(|twice| rollout.error("spec.traffic", twice)));
    for (field, route) in named {
        let id = RouteId::of(&route, rollout.namespace());
        // Those of other namespaces are other people's, and seldom beside.
        if id.namespace.is_none() {
            let object = find(rollout, all, (&id.kind.group, &id.kind.kind), &id.name, &field, &mut findings);
            findings.extend(object.and_then(|object| unusable(rollout, &route, object)));
        }
    }
    findings.extend(policies::check(rollout, all));
    findings.extend(unnamed(rollout, all));
    findings.extend(all.iter().filter_map(|scaler| autoscalers::check(rollout, scaler)));
    findings.extend(all.iter().filter_map(|other| rival(rollout, other, all)));
    findings
}

/// The object of that group, kind and name in the Rollout's namespace. When another seems to be meant, that is a finding.
fn find<'a>(
    rollout: &LocatedDocument,
    all: &'a [LocatedDocument],
    (group, kind): (&str, &str),
    name: &str,
    field: &str,
    findings: &mut Vec<Finding>,
) -> Option<&'a LocatedDocument> {
    let of_kind = || {
        let named = all.iter().filter(|written| !written.name().is_empty());
        named.filter(|written| (written.group(), written.kind()) == (group, kind))
    };
    let near: Vec<_> = of_kind().filter(|written| written.namespace() == rollout.namespace()).collect();
    if let Some(found) = near.iter().find(|written| written.name() == name) {
        return Some(found);
    }
    if name.is_empty() {
        return None;
    }
    if let Some(elsewhere) = of_kind().find(|written| written.name() == name) {
        let place = |namespace: &str| if namespace.is_empty() { "none".to_owned() } else { namespace.to_owned() };
        let message = format!(
            "{kind} {name} is in another namespace ({}) than the Rollout ({})",
            place(elsewhere.namespace()),
            place(rollout.namespace())
        );
        findings.push(rollout.warning(field, message));
    } else {
        // Files of other applications may lie beside; one of almost that name, or in the same file, is meant.
        let beside = near.iter().any(|written| written.file == rollout.file);
        let near = did_you_mean(name, near.iter().map(|written| written.name()));
        if beside || !near.is_empty() {
            findings.push(rollout.warning(field, format!("{kind} {name} is not in these files{near}")));
        }
    }
    None
}

/// The routes of a Rollout whose `spec.traffic` can be read, and where each is named.
fn routes(rollout: &LocatedDocument) -> Vec<(String, Route)> {
    let traffic = rollout.document.value().pointer("/spec/traffic").cloned().unwrap_or_default();
    let Ok(traffic) = serde_json::from_value::<Traffic>(traffic) else { return Vec::new() };
    let of_gateway = traffic.gateway_api.as_ref().map_or(0, |gateway| gateway.routes.len());
    let before_custom = of_gateway + traffic.weighted.as_ref().map_or(0, Vec::len);
    let named = |(index, route)| {
        let place = match &route {
            Route::Gateway(_) => item("spec.traffic.gatewayAPI.routes", index),
            Route::Weighted(_) => item("spec.traffic.routes", index - of_gateway),
            Route::Custom(_) => item("spec.traffic.custom", index - before_custom),
        };
        (format!("{place}.name"), route)
    };
    traffic.routes().enumerate().map(named).collect()
}

fn unselected(service: &LocatedDocument, deployment: &LocatedDocument) -> Option<Finding> {
    let (name, owner) = (service.name(), deployment.name());
    let selector = service.document.value().pointer("/spec/selector").and_then(Value::as_object);
    let Some(selector) = selector.filter(|selector| !selector.is_empty()) else {
        let message = format!("Service {name} has no selector, so no version can be told apart behind it; give it one");
        return Some(service.error("spec.selector", message));
    };
    let nothing = Map::new();
    let labels = deployment.document.value().pointer("/spec/template/metadata/labels").and_then(Value::as_object);
    let labels = labels.unwrap_or(&nothing);
    let (key, value) = selector.iter().find(|(key, value)| labels.get(*key) != Some(value))?;
    let wanted = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let message =
        format!("Service {name} does not select the pods of Deployment {owner}: they have no label {key}={wanted}");
    Some(service.error(format!("spec.selector.{key}"), message))
}

/// Whatever stands in the way of splitting the route, as the operator would say it.
fn unusable(rollout: &LocatedDocument, route: &Route, written: &LocatedDocument) -> Option<Finding> {
    let names = Names::of(rollout.document.text(&["spec", "service"])?);
    let router = router(route, rollout.namespace(), &names, Revisions::default(), None, Quirks::default());
    let object = written.document.value();
    let spec = serde_json::from_value::<RolloutSpec>(rollout.document.value().get("spec")?.clone());
    let splits = spec.as_ref().map_or_else(|_| vec![Percent::new(50.0).into()], Split::of_stages);
    let reason = router.can_split(object, &splits).and(router.can_restore(object)).err()?;
    let field = if matches!(route, Route::Gateway(_)) { "spec.rules" } else { "spec" };
    Some(written.error(field, reason.to_string()))
}

/// Routes that point at the Service, and that a Rollout with routes does not name.
fn unnamed(rollout: &LocatedDocument, all: &[LocatedDocument]) -> Option<Finding> {
    let (namespace, service) = (rollout.namespace(), rollout.document.text(&["spec", "service"])?);
    let named: BTreeSet<_> =
        routes(rollout).iter().map(|(_, route)| RouteId::of(route, namespace).unversioned()).collect();
    if named.is_empty() {
        return None;
    }
    let points_at_it = |written: &&LocatedDocument| {
        written.group() == GATEWAY_API
            && references(written.namespace(), written.document.value()).contains(&(namespace, service))
    };
    let id = |written: &LocatedDocument| {
        let elsewhere = (written.namespace() != namespace).then(|| written.namespace().to_owned());
        RouteId { kind: Kind::of_gateway_api(written.kind()), namespace: elsewhere, name: written.name().to_owned() }
    };
    let pointing: BTreeSet<_> = all.iter().filter(points_at_it).map(id).collect();
    let unnamed: Vec<_> = pointing.difference(&named).cloned().collect();
    past_the_weights(&unnamed, service).map(|warning| rollout.warning("spec.traffic", warning))
}

/// Of two Rollouts for the same Deployment or Service, the second does nothing.
fn rival(rollout: &LocatedDocument, other: &LocatedDocument, all: &[LocatedDocument]) -> Option<Finding> {
    let place = |written: &LocatedDocument| all.iter().position(|one| std::ptr::eq(one, written));
    let comparable = other.kind() == "Rollout"
        && other.group() == rollout.group()
        && other.namespace() == rollout.namespace()
        && place(other)? < all.iter().position(|one| std::ptr::eq(one, rollout))?;
    if !comparable {
        return None;
    }
    let same = |path: &[&str]| {
        let own = rollout.document.text(path)?;
        (other.document.text(path) == Some(own)).then(|| own.to_owned())
    };
    let (kind, name, field) = if other.name() == rollout.name() {
        // In another file it is another edition of the same: an overlay, or an example.
        if other.file != rollout.file {
            return None;
        }
        ("the name", rollout.name().to_owned(), "metadata.name")
    } else if let Some(name) = same(&["spec", "workload", "name"]) {
        ("Deployment", name, "spec.workload.name")
    } else {
        ("Service", same(&["spec", "service"])?, "spec.service")
    };
    let message =
        format!("{kind} {name} belongs to Rollout {} in {} already: only one may have it", other.name(), other.file);
    Some(rollout.error(field, message))
}
