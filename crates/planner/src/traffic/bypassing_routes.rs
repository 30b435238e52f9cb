//! Routes that point at a Rollout's Service without its knowing of them.

use std::fmt::Display;

use super::RouteId;

/// How many of them a sentence names.
const NAMED: usize = 3;

/// What the requests of `routes`, which a Rollout does not name, do during its rollouts, and what to do about it;
/// nothing without any.
#[must_use]
pub fn past_the_weights(routes: &[RouteId], service: &str) -> Option<String> {
    let (first, more) = routes.split_first()?;
    if more.is_empty() {
        return Some(format!(
            "{first} points at Service {service} and is not named in spec.traffic: during a rollout its requests go to the pods of both versions, past the weights; name it there"
        ));
    }
    Some(format!(
        "{} point at Service {service} and are not named in spec.traffic: during a rollout their requests go to the pods of both versions, past the weights; name them there",
        listed(routes)
    ))
}

/// The first of several objects, and how many more there are.
pub(super) fn listed(objects: &[impl Display]) -> String {
    let mut listed: Vec<_> = objects.iter().take(NAMED).map(ToString::to_string).collect();
    if objects.len() > NAMED {
        listed.push(format!("{} more", objects.len() - NAMED));
    }
    let last = listed.pop().unwrap_or_default();
    format!("{} and {last}", listed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(names: &[&str]) -> String {
        let routes: Vec<_> = names.iter().map(|name| RouteId::http_route(name)).collect();
        past_the_weights(&routes, "checkout").unwrap_or_default()
    }

    #[test]
    fn the_sentence_names_the_routes_and_what_to_do() {
        assert_eq!(
            said(&["admin"]),
            "HTTPRoute admin points at Service checkout and is not named in spec.traffic: during a rollout its requests go to the pods of both versions, past the weights; name it there"
        );
        assert!(
            said(&["a", "b"]).starts_with("HTTPRoute a and HTTPRoute b point at Service checkout and are not named")
        );
        assert_eq!(said(&[]), "");
    }

    #[test]
    fn a_sentence_about_many_routes_stays_short() {
        assert!(
            said(&["a", "b", "c", "d", "e"]).starts_with("HTTPRoute a, HTTPRoute b, HTTPRoute c and 2 more point at")
        );
    }
}
