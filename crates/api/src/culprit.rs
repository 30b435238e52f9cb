//! Which fields break a CEL rule that is about several.
//!
//! Where it is always the same field, the rule says so to the API server by its `fieldPath`, and `kubectl` names it. A
//! path of a schema leads to no item of a list, and knows nothing of what is there: for such rules it stands here, by the
//! sentence that the rule at the type has from here. A test finds rules of which neither is said.

/// The fields that break a rule, seen from the one that the rule is reported for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Culprit {
    /// The field itself, or something that is missing in it.
    Itself,
    /// Of these fields all that are there but the first, which is as good as any.
    AllButFirst(&'static [&'static str]),
    /// Of these fields all that are there.
    AnyOf(&'static [&'static str]),
    /// The weights of stages that are lower than the one before.
    FallingWeights,
    /// The `after` of steps of a cadence that is no later than the one before.
    FallingCadence,
    /// The weight of the last stage.
    LastWeight,
    /// The `drill` of the first stage, and of the last.
    DrillAtAnEnd,
    /// What stages ask for that only routes can tell: `match` and `mirror`.
    RoutelessRequests,
    /// What stages have that takes routes where nobody is to get requests: a weight of 0%, or `preview`.
    RoutelessNothing,
    /// The `stableReplicas` of stages.
    RoutelessWarmth,
    /// The previews that are called as the Rollout's Service, or as one that a rollout makes.
    PreviewedService,
    /// The names of overrides that no check has.
    UnknownOverrides,
    /// The names of checks of a stage's own that a check of the Rollout has.
    OwnChecks,
    /// The `min` of overrides whose check has none.
    OverriddenMins,
    /// The `max` of overrides that has another form than the check's own.
    OverriddenMaxes,
}

pub(crate) const CHECK_ASKS: &str = "a check asks exactly one of errorRate, latency and query";
pub(crate) const ERROR_RATE_TAKES: &str =
    "an errorRate takes exactly one of a preset, your own counters, and a template";
pub(crate) const ERROR_RATE_LIMIT: &str = "an errorRate needs a limit: max and relative decide, warn only tells";
pub(crate) const LATENCY_TAKES: &str = "a latency takes exactly one of a preset, your own histogram, and a template";
pub(crate) const LATENCY_LIMIT: &str = "a latency needs a limit: max decides, warn only tells";
pub(crate) const QUERY_TAKES: &str = "a query takes either an expr or a template";
pub(crate) const QUERY_LIMIT: &str = "a query needs a limit: max, min and relative decide, warn only tells";
pub(crate) const COMPARISON_LIMIT: &str = "a comparison needs max or min: how many times stable's value";
pub(crate) const GATE_ASKS: &str = "a gate asks exactly one of approval, query, webhook, job and rollouts";
pub(crate) const SWITCH_TAKES: &str = "what a version may do without is switched off either by a webhook or by a job";
pub(crate) const JOB_OF: &str = "a gate's job takes exactly one of template and cronJob";
pub(crate) const GATE_LIMIT: &str = "a gate's query needs a limit: min or max";
pub(crate) const TEMPLATE_ANSWERS: &str = "a template needs at least one of requests, latency and query";
pub(crate) const REQUESTS_TAKE: &str = "requests are counted either by selector and status, or by errors and total";
pub(crate) const SELECTOR_TELLS: &str =
    "a selector has to tell the versions apart: use {{pods}}, {{backend}} or {{revision}} in it";
pub(crate) const MATCH_ASKS: &str = "a match of a stage asks for nothing: give it headers, a cookie or queryParams";
pub(crate) const NAMED_TAKES: &str = "a header, cookie or parameter of a match needs either value or regex";
pub(crate) const NO_ROUTE: &str = "spec.traffic names no route: name one under gatewayAPI, routes or custom, or leave out spec.traffic to split by the number of pods";
pub(crate) const HTTP_ROUTE_OF: &str =
    "an HTTPRoute under routes needs a group, such as policy.linkerd.io; name one of the Gateway API under gatewayAPI";
pub(crate) const ROUTE_TWICE: &str = "spec.traffic.gatewayAPI.routes names the same route twice";
pub(crate) const TRACK_NAMES: &str = "an entry of track names exactly one of configMap and secret";
pub(crate) const TRACKED_TWICE: &str = "track names the same object twice";
pub(crate) const MATCH_WITHOUT_ROUTE: &str = "match and mirror of a stage need routes, since pods are not told which requests they get: name them under traffic, or leave match and mirror out";
pub(crate) const NOTHING_WITHOUT_ROUTE: &str = "a stage of 0% and preview need routes, since without them every pod that is up gets requests: name them under traffic, or give the stage a weight";
pub(crate) const WARM_WITHOUT_ROUTE: &str = "stableReplicas of a stage needs routes, since without them every pod that is up gets requests: name them under traffic, or leave it out";
pub(crate) const PREVIEW_IS_THE_SERVICE: &str = "preview.service is the Service that clients use, or one of those that a rollout makes beside it (-stable, -canary): give it a name of its own";
pub(crate) const STAGE_CHECK_ASKS: &str = "a check of a stage's own asks exactly one of errorRate, latency and query";
pub(crate) const LIMITS_BESIDE: &str = "the limits of a check of a stage's own stand in it, and max, min and warn beside its name are for one of the Rollout's: leave one of them out";
pub(crate) const REQUESTS_BESIDE: &str = "minRequests and maxRequests are for a check of the stage's own: to change them for one of the Rollout's, set them there";
pub(crate) const UNKNOWN_CHECK: &str =
    "a stage overrides a check that analysis.checks does not have, and asks nothing of its own";
pub(crate) const OWN_CHECK_IS_NOT: &str = "a check of a stage's own needs a spec.analysis, and a name that no check in it has: to change limits of one of those, leave out errorRate, latency and query";
pub(crate) const NO_MIN: &str = "a stage overrides min of a check that has none: only a query has min";
pub(crate) const OTHER_FORM: &str = "a stage overrides max in another form than the check's own: a percentage for an errorRate, a length of time for a latency, a number for a query";
pub(crate) const WEIGHTS_FALL: &str =
    "the weights of the stages must rise: no stage may have a lower weight than the one before it";
pub(crate) const CADENCE_FALLS: &str =
    "the steps of a cadence must begin one after another: give each an after that is later than the one before it";
pub(crate) const LAST_IS_NOT_FULL: &str = "the last stage must have weight 100%, so that the full load is judged before the new version becomes the stable one";
pub(crate) const DRILL_AT_AN_END: &str = "a drill goes back to the stage before, and on to the next: the first stage and the last have none; put one of weight 0% before it to go back to";
pub(crate) const WORKLOAD_CHANGES: &str = "the workload cannot be changed, since its pods belong to this Rollout: delete the Rollout, which hands them back, and make another";

/// The fields that break the rule with that sentence; nothing where the rule is about one field, or names it itself.
pub(crate) fn of(sentence: &str) -> Option<Culprit> {
    Some(match sentence {
        CHECK_ASKS | STAGE_CHECK_ASKS => Culprit::AllButFirst(&["errorRate", "latency", "query"]),
        ERROR_RATE_TAKES => Culprit::AllButFirst(&["preset", "counters", "template"]),
        LATENCY_TAKES => Culprit::AllButFirst(&["preset", "histogram", "template"]),
        GATE_ASKS => Culprit::AllButFirst(&["approval", "query", "webhook", "job", "rollouts"]),
        SWITCH_TAKES => Culprit::AllButFirst(&["webhook", "job"]),
        JOB_OF => Culprit::AllButFirst(&["template", "cronJob"]),
        TRACK_NAMES => Culprit::AllButFirst(&["configMap", "secret"]),
        QUERY_TAKES => Culprit::AllButFirst(&["expr", "template"]),
        NAMED_TAKES => Culprit::AllButFirst(&["value", "regex"]),
        MATCH_WITHOUT_ROUTE => Culprit::RoutelessRequests,
        NOTHING_WITHOUT_ROUTE => Culprit::RoutelessNothing,
        WARM_WITHOUT_ROUTE => Culprit::RoutelessWarmth,
        PREVIEW_IS_THE_SERVICE => Culprit::PreviewedService,
        LIMITS_BESIDE => Culprit::AnyOf(&["max", "min", "warn"]),
        REQUESTS_BESIDE => Culprit::AnyOf(&["minRequests", "maxRequests"]),
        UNKNOWN_CHECK => Culprit::UnknownOverrides,
        OWN_CHECK_IS_NOT => Culprit::OwnChecks,
        NO_MIN => Culprit::OverriddenMins,
        OTHER_FORM => Culprit::OverriddenMaxes,
        WEIGHTS_FALL => Culprit::FallingWeights,
        CADENCE_FALLS => Culprit::FallingCadence,
        LAST_IS_NOT_FULL => Culprit::LastWeight,
        DRILL_AT_AN_END => Culprit::DrillAtAnEnd,
        ERROR_RATE_LIMIT | LATENCY_LIMIT | QUERY_LIMIT | COMPARISON_LIMIT | GATE_LIMIT | TEMPLATE_ANSWERS
        | REQUESTS_TAKE | SELECTOR_TELLS | MATCH_ASKS | NO_ROUTE | HTTP_ROUTE_OF | ROUTE_TWICE | TRACKED_TWICE
        | WORKLOAD_CHANGES => Culprit::Itself,
        _ => return None,
    })
}
