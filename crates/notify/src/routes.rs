//! Who is told what.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{notice::Notice, severity::Severity};

/// One line of the list of routes: the first that fits decides, unless it says `continue`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Route {
    /// The names of those who are told.
    pub receivers: Vec<String>,
    /// The severities that it is for; empty: all of them.
    pub severity: Vec<Severity>,
    /// The reasons that it is for; empty: all of them.
    pub reasons: Vec<String>,
    /// The Rollouts that it is for.
    pub rollouts: Selection,
    /// The namespaces that it is for.
    pub namespaces: Selection,
    /// Later routes are looked at, too.
    #[serde(rename = "continue")]
    pub goes_on: bool,
}

/// Which objects are meant: those with one of the names, and with all of the labels. Of nothing that is said, all.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Selection {
    /// Their names.
    pub names: Vec<String>,
    /// Labels that they have.
    pub labels: BTreeMap<String, String>,
}

impl Selection {
    fn fits(&self, name: &str, labels: &BTreeMap<String, String>) -> bool {
        let is_named = self.names.is_empty() || self.names.iter().any(|wanted| wanted == name);
        is_named && self.labels.iter().all(|(label, value)| labels.get(label) == Some(value))
    }
}

impl Route {
    /// Whether `notice` goes this way; `namespace` are the labels of its namespace.
    fn fits(&self, notice: &Notice, namespace: &BTreeMap<String, String>) -> bool {
        (self.severity.is_empty() || self.severity.contains(&notice.severity))
            && (self.reasons.is_empty() || self.reasons.contains(&notice.reason))
            && self.rollouts.fits(&notice.rollout, &notice.labels)
            && self.namespaces.fits(&notice.namespace, namespace)
    }
}

/// The receivers that `notice` is for, each once, in the order of the routes.
#[must_use]
pub fn receivers<'a>(routes: &'a [Route], notice: &Notice, namespace: &BTreeMap<String, String>) -> Vec<&'a str> {
    let mut told: Vec<&str> = Vec::new();
    for route in routes.iter().filter(|route| route.fits(notice, namespace)) {
        for receiver in &route.receivers {
            if !told.contains(&receiver.as_str()) {
                told.push(receiver);
            }
        }
        if !route.goes_on {
            break;
        }
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    fn routes(text: &str) -> Vec<Route> {
        serde_saphyr::from_str(text).unwrap()
    }

    fn told(text: &str, reason: &str, namespace: &[(&str, &str)]) -> Vec<String> {
        let namespace = namespace.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect();
        let routes = routes(text);
        receivers(&routes, &sample::notice(reason), &namespace).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn the_first_route_that_fits_decides_unless_it_says_continue() {
        let once = "[{receivers: [a], severity: [Page]}, {receivers: [b]}]";
        assert_eq!(told(once, "Reverted", &[]), ["a"]);
        assert_eq!(told(once, "StageEntered", &[]), ["b"]);
        let both = "[{receivers: [a], severity: [Page], continue: true}, {receivers: [b, a]}]";
        assert_eq!(told(both, "Reverted", &[]), ["a", "b"]);
    }

    #[test]
    fn rollouts_and_namespaces_are_chosen_by_name_and_by_labels() {
        assert_eq!(told("[{receivers: [a], rollouts: {labels: {team: payments}}}]", "Reverted", &[]), ["a"]);
        assert!(told("[{receivers: [a], rollouts: {labels: {team: search}}}]", "Reverted", &[]).is_empty());
        assert_eq!(told("[{receivers: [a], namespaces: {names: [shop, cart]}}]", "Reverted", &[]), ["a"]);
        let labelled = "[{receivers: [a], namespaces: {labels: {tier: '1'}}}]";
        assert_eq!(told(labelled, "Reverted", &[("tier", "1")]), ["a"]);
        assert!(told(labelled, "Reverted", &[]).is_empty());
    }

    #[test]
    fn a_route_may_be_for_some_reasons_alone() {
        let text = "[{receivers: [a], reasons: [Promoted, Reverted]}]";
        assert_eq!(told(text, "Promoted", &[]), ["a"]);
        assert!(told(text, "Aborted", &[]).is_empty());
    }
}
