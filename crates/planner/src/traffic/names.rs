//! What the Services are called that exist only while a rollout runs.

use tidegate_api::metadata::object::{CANARY_SUFFIX, STABLE_SUFFIX};

use crate::workload::template::safe_hash;

/// The longest name that a Service may have: it is a DNS label.
///
/// <https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names>
const LONGEST: usize = 63;

/// The three Services of a rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The Service that clients use, and that the user wrote into the route.
    pub service: String,
    /// Selects the stable revision while a rollout runs.
    pub stable: String,
    /// Selects the new revision while a rollout runs.
    pub canary: String,
}

impl Names {
    /// `<service>`, `<service>-stable` and `<service>-canary`.
    ///
    /// A Service whose name leaves no room for the suffix is shortened to its beginning and a hash of the whole
    /// name, so that two long names with the same beginning do not meet. The result depends on the name alone.
    #[must_use]
    pub fn of(service: &str) -> Self {
        let [stable, canary] = [STABLE_SUFFIX, CANARY_SUFFIX].map(|suffix| suffixed(service, suffix));
        Self { service: service.to_owned(), stable, canary }
    }
}

fn suffixed(service: &str, suffix: &str) -> String {
    if service.len() + suffix.len() <= LONGEST {
        return format!("{service}{suffix}");
    }
    let hash = safe_hash(service.as_bytes());
    let room = LONGEST - suffix.len() - hash.len() - 1;
    let beginning: String = service.chars().take(room).collect();
    format!("{}-{hash}{suffix}", beginning.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_gets_its_suffix() {
        let names = Names::of("checkout");
        assert_eq!((names.stable.as_str(), names.canary.as_str()), ("checkout-stable", "checkout-canary"));
    }

    #[test]
    fn the_longest_name_that_has_room_is_kept() {
        let service = "a".repeat(56);
        assert_eq!(Names::of(&service).stable, format!("{service}-stable"));
    }

    #[test]
    fn long_names_with_the_same_beginning_stay_apart_and_fit() {
        let (one, other) = (Names::of(&format!("{}x", "a".repeat(62))), Names::of(&format!("{}y", "a".repeat(62))));
        assert_ne!(one.stable, other.stable);
        assert_eq!(one.canary.len(), LONGEST);
        assert!(one.canary.ends_with("-canary"));
    }

    #[test]
    fn a_name_is_never_cut_into_a_double_hyphen() {
        let service = format!("{}-{}", "a".repeat(44), "b".repeat(18));
        assert!(!Names::of(&service).stable.contains("--"));
    }
}
