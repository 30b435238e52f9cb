//! The PromQL of the checks: whether it can be read once its variables are filled in, and whether it yields what the
//! check needs.

use promql_parser::parser::{Expr, VectorSelector, parse, value::ValueType};
use serde_json::Value;
use tidegate_analysis::{Backends, Parameters, Scope, TemplateError, render, render_pattern, render_text};
use tidegate_api::{
    RevisionStatus, Span,
    manifest::{field, item},
};
use tidegate_planner::traffic::Names;

use super::{
    finding::{Finding, LocatedDocument},
    metricsql,
};

/// Bounds of histograms that are whole numbers, in whichever unit, are rarely larger.
const WHOLE_BOUNDS: u32 = 1_000;

/// What the PromQL of `rollout` has wrong.
pub fn check(rollout: &LocatedDocument) -> Vec<Finding> {
    let is_routed = rollout.document.value().pointer("/spec/traffic/gatewayAPI").is_some();
    let service = rollout.document.text(&["spec", "service"]).unwrap_or_default();
    let queries = Queries { written: rollout, service, is_routed, parameters: Parameters::NONE };
    let mut findings: Vec<_> = gates(rollout).filter_map(|at| queries.number_of_a_gate(&at)).collect();
    for at in checks(rollout.document.value()) {
        let is_promql = at.text(&["query", "provider"]).is_none();
        let number = |(path, expr): (String, _)| {
            if is_promql { queries.value(&path, expr) } else { queries.variables(&path, expr) }
        };
        findings.extend(at.text(&["query", "expr"]).and_then(number));
        let counters = [["errorRate", "counters", "errors"], ["errorRate", "counters", "total"]];
        findings.extend(queries.counters(counters.map(|names| at.text(&names))));
        if let Some((path, buckets)) = at.text(&["latency", "histogram", "buckets"]) {
            findings.extend(queries.histogram(&path, buckets));
            findings.extend(queries.same_for_both(&path, buckets));
        }
        findings.extend(queries.counters([None, at.text(&["latency", "histogram", "total"])]));
    }
    findings
}

/// The gates of a plan, as they are written.
fn gates(rollout: &LocatedDocument) -> impl Iterator<Item = At<'_>> {
    let spec = rollout.document.value().get("spec");
    let stages = spec.and_then(|spec| spec.get("stages")).and_then(Value::as_array).into_iter().flatten().enumerate();
    let places = stages.map(|(index, stage)| (item("spec.stages", index), Some(stage), ["before", "after"]));
    let whole = spec.and_then(|spec| spec.get("gates"));
    let places = places.chain([("spec.gates".to_owned(), whole, ["start", "promote"])]);
    places.flat_map(|(path, place, lists)| {
        lists.into_iter().flat_map(move |list| {
            let path = field(&path, list);
            let gates = place.and_then(|place| place.get(list)).and_then(Value::as_array).into_iter().flatten();
            gates.enumerate().map(move |(index, value)| At { path: item(&path, index), value })
        })
    })
}

/// The checks of a Rollout, those of its stages, and those of its watch.
fn checks(object: &Value) -> Vec<At<'_>> {
    let mut all = items("spec.analysis.checks", object.pointer("/spec/analysis/checks"));
    for At { path, value } in items("spec.stages", object.pointer("/spec/stages")) {
        all.extend(items(&field(&path, "checks"), value.get("checks")));
    }
    all.extend(items("spec.watch.checks", object.pointer("/spec/watch/checks")));
    all
}

fn items<'a>(path: &str, list: Option<&'a Value>) -> Vec<At<'a>> {
    let items = list.and_then(Value::as_array).into_iter().flatten().enumerate();
    items.map(|(index, value)| At { path: item(path, index), value }).collect()
}

/// Something in a document, and where it stands.
pub struct At<'a> {
    pub path: String,
    pub value: &'a Value,
}

impl<'a> At<'a> {
    /// The text below by the names of fields, and its path, unless it is empty.
    pub fn text(&self, names: &[&str]) -> Option<(String, &'a str)> {
        let value = names.iter().try_fold(self.value, |value, name| value.get(name))?;
        let path = names.iter().fold(self.path.clone(), |path, name| field(&path, name));
        Some((path, value.as_str().filter(|text| !text.is_empty())?))
    }
}

/// What the queries of a document are filled in with.
pub struct Queries<'a> {
    pub written: &'a LocatedDocument,
    pub service: &'a str,
    pub is_routed: bool,
    pub parameters: &'a Parameters,
}

impl Queries<'_> {
    /// A query has to yield one number.
    pub fn value(&self, path: &str, expr: &str) -> Option<Finding> {
        self.number(path, self.parsed(path, expr))
    }

    /// Of a language that nobody reads here, only the variables are looked at.
    fn variables(&self, path: &str, text: &str) -> Option<Finding> {
        let (revision, names) = (version("a"), Names::of(self.service));
        let error = render_text(text, &self.scope(&revision, &revision, &names)).err()?;
        Some(self.written.error(path, error.to_string()))
    }

    /// So has that of a gate, which is asked as it stands.
    fn number_of_a_gate(&self, gate: &At<'_>) -> Option<Finding> {
        let (path, expr) = gate.text(&["query", "expr"])?;
        if expr.contains("{{") {
            let message = "the query of a gate is asked as it stands, without variables: it is about something else than the new version";
            return Some(self.written.error(path, message));
        }
        self.number(&path, self.promql(&path, expr))
    }

    fn number(&self, path: &str, parsed: Result<Expr, Finding>) -> Option<Finding> {
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(finding) => return Some(finding),
        };
        let wanted = match parsed.value_type() {
            ValueType::Vector | ValueType::Scalar => return None,
            ValueType::Matrix => {
                "yields all samples of a time instead of one number; put it into rate() or avg_over_time()"
            }
            ValueType::String => "yields a text instead of a number",
        };
        Some(self.written.error(path, format!("the query {wanted}")))
    }

    /// The counters of failures and of all requests, as far as they are there.
    pub fn counters(&self, [errors, total]: [Option<(String, &str)>; 2]) -> Vec<Finding> {
        let mut findings = Vec::new();
        if let (Some((_, total)), Some((path, errors))) = (&total, &errors)
            && total == errors
        {
            let message = "errors and total select the same series, so every request would count as failed";
            findings.push(self.written.error(path, message));
        }
        for (path, counter) in errors.into_iter().chain(total) {
            findings.extend(self.selector(&path, counter).err());
            findings.extend(self.same_for_both(&path, counter));
        }
        findings
    }

    /// A counter has to be a plain selector: its raw samples are read.
    pub fn selector(&self, path: &str, text: &str) -> Result<VectorSelector, Finding> {
        let refused = || {
            let message = "the raw samples of a counter are read, so this must be a plain selector such as \
                           http_requests_total{pod=~\"{{pods}}\"}, without rate(), sum() or a range";
            self.written.error(path, message)
        };
        match self.parsed(path, text)? {
            Expr::VectorSelector(selector) if selector.offset.is_none() && selector.at.is_none() => Ok(selector),
            _ => Err(refused()),
        }
    }

    /// The buckets of a histogram.
    pub fn histogram(&self, path: &str, text: &str) -> Option<Finding> {
        let selector = match self.selector(path, text) {
            Ok(selector) => selector,
            Err(finding) => return Some(finding),
        };
        if let Some(finding) = self.bounds(path, &selector) {
            return Some(finding);
        }
        let name = selector.name.filter(|name| !name.ends_with("_bucket"))?;
        let message = format!("the buckets of a classic histogram end in _bucket; did you mean {name}_bucket?");
        Some(self.written.warning(path, message))
    }

    /// Matchers for `le` may leave out what no limit needs: `+Inf` counts all requests, and each bound has two spellings.
    fn bounds(&self, path: &str, selector: &VectorSelector) -> Option<Finding> {
        let matchers = || selector.matchers.matchers.iter().filter(|matcher| matcher.name == "le");
        let selects = |le: &str| matchers().all(|matcher| matcher.is_match(le));
        if !selects("+Inf") {
            let message = "the matcher for le leaves +Inf out, which counts all requests: select it as well, as in \
                           le=~\"0.5|[+]Inf\"";
            return Some(self.written.error(path, message));
        }
        let whole = (1..=WHOLE_BOUNDS).find(|bound| selects(&bound.to_string()) != selects(&format!("{bound}.0")))?;
        let message = format!(
            "the matcher for le selects only one of {whole} and {whole}.0, as Prometheus 2 and 3 write the same bound: \
             select both, as in le=~\"{whole}([.]0)?|[+]Inf\""
        );
        Some(self.written.warning(path, message))
    }

    /// A selector that reads the same for two versions judges them as one.
    pub fn same_for_both(&self, path: &str, text: &str) -> Option<Finding> {
        let [canary, stable] = ["a", "b"].map(|revision| self.rendered(text, revision).ok());
        let message = "this selects the same series for both versions, so the new one is judged by the requests of the \
                       old one too; add pod=~\"{{pods}}\"";
        (canary.is_some() && canary == stable).then(|| self.written.warning(path, message))
    }

    /// A regular expression that says which statuses are failures.
    pub fn pattern(&self, path: &str, text: &str) -> Option<Finding> {
        let (revision, names) = (version("a"), Names::of(self.service));
        let pattern = match render_pattern(text, &self.scope(&revision, &revision, &names)) {
            Ok(pattern) => pattern,
            Err(error) => return Some(self.written.error(path, error.to_string())),
        };
        let is_pattern = regex::Regex::new(&pattern).is_ok();
        (!is_pattern).then(|| self.written.error(path, format!("{text:?} is not a regular expression")))
    }

    fn parsed(&self, path: &str, text: &str) -> Result<Expr, Finding> {
        let promql = self.rendered(text, "a").map_err(|error| self.written.error(path, error.to_string()))?;
        self.promql(path, &promql)
    }

    fn promql(&self, path: &str, promql: &str) -> Result<Expr, Finding> {
        parse(promql).map_err(|error| {
            if let Some(word) = metricsql::found(promql) {
                let message = format!(
                    "this is MetricsQL ({word}), which VictoriaMetrics answers and Prometheus refuses; lint does not read it"
                );
                return self.written.warning(path, message);
            }
            let reason = error.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("it cannot be read");
            self.written.error(path, format!("this is not PromQL: {reason}"))
        })
    }

    /// The query as Prometheus would get it for a version; the one called `a` is the new one.
    fn rendered(&self, text: &str, revision: &str) -> Result<String, TemplateError> {
        let (revision, canary, names) = (version(revision), version("a"), Names::of(self.service));
        render(text, &self.scope(&revision, &canary, &names))
    }

    fn scope<'s>(&'s self, revision: &'s RevisionStatus, canary: &'s RevisionStatus, names: &'s Names) -> Scope<'s> {
        Scope {
            namespace: Some(self.written.namespace()).filter(|namespace| !namespace.is_empty()).unwrap_or("default"),
            rollout: self.written.name(),
            service: self.service,
            backends: self.is_routed.then_some(Backends { names, canary }),
            revision,
            window: Span::seconds(60),
            parameters: self.parameters,
        }
    }
}

fn version(name: &str) -> RevisionStatus {
    RevisionStatus { revision: name.to_owned(), replica_set: format!("x-{name}"), ..Default::default() }
}
