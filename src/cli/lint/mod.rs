//! `tidegate lint`: everything about manifests that can be known without a cluster.

mod autoscalers;
mod cadence;
mod circles;
mod configuration;
mod degrade;
mod evidence;
mod finding;
mod gates;
mod hours;
mod input;
mod metricsql;
mod notifications;
mod plans;
mod policies;
mod ports;
mod queries;
mod references;
mod rules;
mod schema;
mod selectors;
mod shares;
pub mod stages;
mod suspects;
mod templates;
mod unmeasured;
mod workload;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;
use clap::Args;
use serde_json::Value;
use tidegate_analysis::Templates;
use tidegate_api::{
    Causes, GatewayRouteKind, Rollout,
    manifest::{Document, NO_ITEMS, field},
    nearest::nearest,
};
use tidegate_endpoints::Endpoints;
use tidegate_planner::traffic::GATEWAY_API;

use self::{
    finding::{Finding, Format, LocatedDocument, Severity, printed},
    input::Text,
};
use super::plain::plain;

const GROUP: &str = "tidegate.dev";
const API_VERSION: &str = "tidegate.dev/v1alpha1";
const KINDS: [&str; 3] = ["Rollout", "CheckTemplate", "ClusterCheckTemplate"];

/// The arguments of `tidegate lint`.
#[derive(Debug, Args)]
pub struct Options {
    /// YAML files, folders of them, or - for the standard input
    #[arg(required_unless_present = "notifications", value_name = "FILES")]
    paths: Vec<PathBuf>,

    /// How many requests the application serves in a second, to tell whether the stages are long enough for a verdict
    #[arg(long, value_name = "COUNT", value_parser = positive)]
    requests_per_second: Option<f64>,

    /// The operator's list of webhooks, to tell whether the endpoints that gates ask are in it
    #[arg(long, value_name = "FILE")]
    webhooks_config: Option<PathBuf>,

    /// The operator's list of who is told what Rollouts do, to be looked at, too
    #[arg(long, value_name = "FILE")]
    notifications: Option<PathBuf>,

    /// Count warnings as errors
    #[arg(long)]
    strict: bool,

    /// How the findings are printed
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    output: Format,
}

/// Looks at the files and prints what is wrong with them. The code is 0 when there are no errors, 1 when there are,
/// and 2 when something cannot be read.
pub fn main(options: &Options) -> anyhow::Result<ExitCode> {
    let (texts, known, notifications) = match read(options) {
        Ok(read) => read,
        Err(error) => {
            eprintln!("tidegate: {}", plain(&Causes(&*error).to_string()));
            return Ok(ExitCode::from(2));
        }
    };
    let mut findings = check(&texts, &known);
    findings.extend(notifications.iter().flat_map(notifications::check));
    if options.strict {
        for finding in &mut findings {
            finding.severity = Severity::Error;
        }
    }
    super::print(&printed(&findings, options.output))?;
    let failed = findings.iter().any(|finding| finding.severity == Severity::Error);
    Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// What is known besides the manifests.
#[derive(Debug, Default)]
struct Known {
    /// How many requests the application serves in a second.
    requests_per_second: Option<f64>,
    /// What gates may ask.
    webhooks: Option<Endpoints>,
}

fn read(options: &Options) -> anyhow::Result<(Vec<Text>, Known, Option<Text>)> {
    let webhooks = options.webhooks_config.as_deref().map(Endpoints::load).transpose()?;
    let known = Known { requests_per_second: options.requests_per_second, webhooks };
    let notifications = options.notifications.as_ref().map(|file| input::read(std::slice::from_ref(file)));
    let notifications = notifications.transpose()?.and_then(|mut texts| texts.pop());
    Ok((input::read(&options.paths)?, known, notifications))
}

/// All Rollouts of a file or folder with the templates beside them, for commands that need one that the cluster would take.
///
/// # Errors
/// What cannot be read, or the first mistake that the cluster would refuse.
pub fn rollouts(path: &Path) -> anyhow::Result<Vec<(Rollout, Templates)>> {
    let texts = input::read(&[path.to_owned()])?;
    let findings = check(&texts, &Known::default());
    if let Some(error) = findings.iter().find(|finding| finding.severity == Severity::Error) {
        anyhow::bail!("{error}");
    }
    let documents = texts.iter().flat_map(|text| Document::all(&text.text).0);
    let all: Vec<_> = documents.map(|document| LocatedDocument { file: String::new(), document }).collect();
    let rollout = |written: &LocatedDocument| {
        let rollout = serde_json::from_value(written.document.value().clone())?;
        Ok((rollout, templates::among(written, &all)))
    };
    all.iter().filter(|written| is_rollout(written)).map(rollout).collect()
}

/// An application that a file names.
#[derive(Debug)]
pub struct NamedApplication {
    /// What the document is called.
    pub name: String,
    /// Its Deployment.
    pub workload: String,
    /// Its namespace, where the file says it.
    pub namespace: Option<String>,
    /// The endpoint that it asks, where it is a Rollout that says so.
    pub prometheus: Option<String>,
}

/// The Rollouts in a file or folder, or, where there is none, the Deployments. They may have mistakes: nothing is done by them.
///
/// # Errors
/// What cannot be read.
pub fn applications(path: &Path) -> anyhow::Result<Vec<NamedApplication>> {
    let texts = input::read(&[path.to_owned()])?;
    let documents = texts.iter().flat_map(|text| Document::all(&text.text).0);
    let all: Vec<_> = documents.map(|document| LocatedDocument { file: String::new(), document }).collect();
    let of = |written: &LocatedDocument| {
        let text = |pointer| written.document.value().pointer(pointer)?.as_str().map(str::to_owned);
        let name = text("/metadata/name")?;
        let workload = text("/spec/workload/name").unwrap_or_else(|| name.clone());
        let (namespace, prometheus) = (text("/metadata/namespace"), text("/spec/analysis/prometheus"));
        Some(NamedApplication { name, workload, namespace, prometheus })
    };
    let rollouts: Vec<_> = all.iter().filter(|written| is_rollout(written)).filter_map(of).collect();
    let is_deployment = |written: &&LocatedDocument| written.kind() == "Deployment" && written.group() == "apps";
    let deployments = || all.iter().filter(is_deployment).filter_map(of).collect();
    Ok(if rollouts.is_empty() { deployments() } else { rollouts })
}

/// What is wrong with the documents in `texts`, in the order of reading.
fn check(texts: &[Text], known: &Known) -> Vec<Finding> {
    let mut findings = BTreeSet::new();
    let mut all = Vec::new();
    for Text { file, text } in texts {
        let (documents, malformed) = Document::all(text);
        all.extend(documents.into_iter().map(|document| LocatedDocument { file: file.clone(), document }));
        findings.extend(malformed.map(|malformed| Finding {
            file: file.clone(),
            line: malformed.place.line,
            column: malformed.place.column,
            severity: Severity::Error,
            message: format!("this is not YAML: {}", malformed.message),
            field: String::new(),
        }));
    }
    for written in &all {
        findings.extend(kind(written));
        if is_rollout(written) {
            findings.extend(rollout(written, &all, known));
        } else if templates::is_template(written) {
            findings.extend(template(written));
        }
    }
    findings.into_iter().collect()
}

fn is_rollout(written: &LocatedDocument) -> bool {
    written.group() == GROUP && written.kind() == "Rollout"
}

/// What of the kind is misspelt. Other projects' kinds are none of our business.
fn kind(written: &LocatedDocument) -> Option<Finding> {
    if written.document.is_list_without_items() {
        return Some(written.error("items", NO_ITEMS));
    }
    let version = written.document.text(&["apiVersion"]).unwrap_or_default();
    if written.group() == GATEWAY_API {
        return route_version(written, version);
    }
    if written.group() != GROUP {
        return foreign(written, version);
    }
    if !KINDS.contains(&written.kind()) {
        let meant = nearest(written.kind(), KINDS).unwrap_or("Rollout");
        let message = format!("{GROUP} has no kind {}; did you mean {meant}?", written.kind());
        return Some(written.error("kind", message));
    }
    let message = format!("{version} is unknown; write {API_VERSION}");
    (version != API_VERSION).then(|| written.error("apiVersion", message))
}

/// A kind of ours that is in no group, as kinds of other projects never are, or in one that is nearly ours.
fn foreign(written: &LocatedDocument, version: &str) -> Option<Finding> {
    if !KINDS.contains(&written.kind()) {
        return None;
    }
    let message = match written.document.value().get("apiVersion") {
        None | Some(Value::Null) => format!("apiVersion is missing; write {API_VERSION}"),
        Some(Value::String(empty)) if empty.trim().is_empty() => format!("apiVersion is empty; write {API_VERSION}"),
        Some(Value::String(_)) if written.group().is_empty() => {
            format!("{version} has no group that {} is in; write {API_VERSION}", written.kind())
        }
        Some(Value::String(_)) => {
            nearest(written.group(), [GROUP])?;
            format!("{version} is unknown; did you mean {API_VERSION}?")
        }
        Some(other) => format!("{other} is not a text; write {API_VERSION}"),
    };
    Some(written.error("apiVersion", message))
}

/// A route that no cluster takes, since its kind never had that version.
fn route_version(written: &LocatedDocument, version: &str) -> Option<Finding> {
    let kind = GatewayRouteKind::ALL.into_iter().find(|kind| kind.to_string() == written.kind())?;
    let versions = kind.versions();
    let known = version.rsplit('/').next().is_some_and(|version| versions.contains(&version));
    let message = format!("{kind} has no version {version}; write {GATEWAY_API}/{}", versions.join(" or "));
    (!known).then(|| written.error("apiVersion", message))
}

fn rollout(written: &LocatedDocument, all: &[LocatedDocument], known: &Known) -> Vec<Finding> {
    let mut findings = name(written);
    findings.extend(schema::check(written));
    findings.extend(rules::check(written));
    let refused = !findings.is_empty();
    findings.extend(queries::check(written));
    findings.extend(references::check(written, all));
    // What the cluster refuses will be written anew; there is nothing yet to reason about.
    if refused {
        return findings;
    }
    if let Ok(rollout) = serde_json::from_value::<Rollout>(written.document.value().clone()) {
        findings.extend(templates::uses(written, &rollout, all));
        findings.extend(stages::check(written, &rollout));
        findings.extend(cadence::check(written, &rollout));
        findings.extend(plans::check(written, &rollout.spec));
        findings.extend(hours::check(written, &rollout.spec));
        findings.extend(gates::check(written, &rollout.spec, known.webhooks.as_ref()));
        findings.extend(degrade::check(written, &rollout.spec));
        findings.extend(circles::check(written, &rollout.spec, all));
        findings.extend(shares::check(written, &rollout.spec));
        findings.extend(suspects::check(written, &rollout.spec, all));
        findings.extend(unmeasured::check(written, &rollout.spec));
        if let Some(rate) = known.requests_per_second {
            findings.extend(evidence::check(written, &rollout, rate));
        }
    }
    findings
}

fn template(written: &LocatedDocument) -> Vec<Finding> {
    let mut findings = name(written);
    findings.extend(schema::check(written));
    findings.extend(rules::check(written));
    // What the cluster refuses will be written anew; there is nothing yet to fill in.
    if findings.is_empty() {
        findings.extend(templates::check(written));
    }
    findings
}

fn name(written: &LocatedDocument) -> Vec<Finding> {
    let named = ["name", "generateName"].iter().any(|name| written.document.text(&["metadata", name]).is_some());
    let message = format!("the {} has no name", written.kind());
    if named { Vec::new() } else { vec![written.error(field("metadata", "name"), message)] }
}

fn positive(text: &str) -> anyhow::Result<f64> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0);
    number.context("a number above 0, such as 25 or 0.5, is needed")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    /// Manifests, some of whose bytes are replaced by a text.
    fn damaged() -> impl Strategy<Value = String> {
        let files =
            ["examples/minimal/checkout.yaml", "examples/phased/rollout.yaml", "examples/without-a-route/rollout.yaml"];
        let texts = files.map(|file| fs::read_to_string(format!("{}/{file}", env!("CARGO_MANIFEST_DIR"))).unwrap());
        let patch = r#"[ \n:\[\]{}&*!|>'"%@a-z0-9-]{0,12}|null|-1|1e999|\{\{pods\}\}|.{0,4}"#;
        (prop::sample::select(texts.to_vec()), any::<prop::sample::Index>(), 0..40usize, patch).prop_map(
            |(text, place, length, patch)| {
                let letters: Vec<char> = text.chars().collect();
                let start = place.index(letters.len());
                let end = (start + length).min(letters.len());
                letters[..start].iter().copied().chain(patch.chars()).chain(letters[end..].iter().copied()).collect()
            },
        )
    }

    fn found(text: String) -> Vec<Finding> {
        let known = Known { requests_per_second: Some(5.0), ..Known::default() };
        check(&[Text { file: "it".to_owned(), text }], &known)
    }

    proptest! {
        #[test]
        fn no_damaged_manifest_makes_it_panic(text in damaged()) {
            for finding in found(text) {
                prop_assert!(!finding.message.is_empty() && finding.line > 0 && finding.column > 0);
            }
        }

        #[test]
        fn no_query_makes_it_panic(expr in r#"(\PC{0,40}|[-+*/(){}\[\]"'a-z0-9=~!,:@ ]{0,40}|(sum|rate|on|by|offset|[({]){0,12})"#) {
            let query = serde_json::json!({"expr": expr, "max": 1});
            let checks = serde_json::json!([{"name": "it", "query": query}]);
            let spec = serde_json::json!({"analysis": {"checks": checks}});
            let rollout = serde_json::json!({"apiVersion": API_VERSION, "kind": "Rollout", "spec": spec});
            found(rollout.to_string());
        }
    }

    #[test]
    fn deeply_nested_queries_are_read_to_their_end() {
        let expr = format!("{}1{}", "(".repeat(2000), ")".repeat(2000));
        let text = format!(
            "apiVersion: {API_VERSION}\nkind: Rollout\nspec: {{analysis: {{checks: [{{name: a, query: {{expr: \"{expr}\"}}}}]}}}}"
        );
        assert!(found(text).iter().all(|finding| !finding.message.contains("PromQL")));
    }

    #[test]
    fn a_kind_of_ours_in_no_group_is_an_error_and_kinds_of_others_are_none_of_our_business() {
        let told = |head: &str, kind: &str| -> Vec<String> {
            let found = found(format!("{head}kind: {kind}\nmetadata: {{name: a}}\n"));
            found
                .iter()
                .map(|finding| format!("{:?} {}: {}", finding.severity, finding.field, finding.message))
                .collect()
        };
        for kind in KINDS {
            for (head, why) in [
                (String::new(), "apiVersion is missing".to_owned()),
                ("apiVersion:\n".to_owned(), "apiVersion is missing".to_owned()),
                ("apiVersion: ''\n".to_owned(), "apiVersion is empty".to_owned()),
                ("apiVersion: v1alpha1\n".to_owned(), format!("v1alpha1 has no group that {kind} is in")),
                ("apiVersion: tidegate.dev\n".to_owned(), format!("tidegate.dev has no group that {kind} is in")),
                ("apiVersion: 1\n".to_owned(), "1 is not a text".to_owned()),
            ] {
                assert_eq!(told(&head, kind), [format!("Error apiVersion: {why}; write tidegate.dev/v1alpha1")]);
            }
            let near = "Error apiVersion: tidegates.dev/v1alpha1 is unknown; did you mean tidegate.dev/v1alpha1?";
            assert_eq!(told("apiVersion: tidegates.dev/v1alpha1\n", kind), [near]);
            assert!(told("apiVersion: argoproj.io/v1alpha1\n", kind).is_empty());
        }
        for kind in ["Service", "Deployment", "RolloutTemplate", "Kustomization"] {
            for head in ["", "apiVersion: ''\n", "apiVersion: v1alpha1\n", "apiVersion: v1\n"] {
                assert!(told(head, kind).is_empty(), "{head}{kind}");
            }
        }
    }
}
