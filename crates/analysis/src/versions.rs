//! How the series of the two versions are told apart.

use tidegate_api::RevisionStatus;
use tidegate_judge::Arm;
use tidegate_planner::{pattern::exactly, workload::naming::pod_beginning};

use super::{
    answer::Row,
    error::QueryError,
    escape::{escape_string, is_comparable, is_pod_of, unescape_string},
    pattern::Pattern,
    template::{Matcher, Piece, Place, Scope, pieces, render},
};

/// A selector for the versions, and whose series it selects.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Selection {
    pub(super) promql: String,
    pub(super) arms: Arms,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Arms {
    /// Both versions at once, by the value of a label.
    ByLabel { label: String, canary: Side, stable: Side },
    /// One of them.
    One(Arm),
}

/// What the label of one version looks like.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Side {
    /// The name of one of its pods: this, and five letters.
    Pods(String),
    Matches(Pattern),
}

impl Arms {
    /// Whose series `row` is; nothing if it is neither's.
    pub(super) fn of(&self, row: &Row) -> Result<Option<Arm>, QueryError> {
        let (label, canary, stable) = match self {
            Self::One(arm) => return Ok(Some(*arm)),
            Self::ByLabel { label, canary, stable } => (label, canary, stable),
        };
        let Some(value) = row.label(label) else { return Ok(None) };
        match (canary.is(value)?, stable.is(value)?) {
            (true, true) => Err(QueryError::VersionsIndistinguishable),
            (true, false) => Ok(Some(Arm::Canary)),
            (false, true) => Ok(Some(Arm::Stable)),
            (false, false) => Ok(None),
        }
    }
}

impl Side {
    fn is(&self, value: &str) -> Result<bool, QueryError> {
        match self {
            Self::Pods(prefix) => Ok(is_pod_of(prefix, value)),
            Self::Matches(pattern) => pattern.matches(value),
        }
    }
}

/// The two versions that are compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Versions<'a> {
    pub(super) scope: &'a Scope<'a>,
    pub(super) canary: &'a RevisionStatus,
    pub(super) stable: &'a RevisionStatus,
}

impl Versions<'_> {
    /// The selector `template` for both versions: in one, if one label tells them apart. One that selects the same
    /// for both is the canary's alone.
    pub(super) fn selections(&self, template: &str) -> Result<Vec<Selection>, QueryError> {
        let pieces = pieces(template)?;
        let fill = |revision| {
            let scope = Scope { revision, ..*self.scope };
            pieces.iter().map(|piece| piece.filled(&scope)).collect::<Result<Vec<_>, _>>()
        };
        let (canary, stable) = (fill(self.canary)?, fill(self.stable)?);
        let differing: Vec<_> = (0..pieces.len()).filter(|place| canary.get(*place) != stable.get(*place)).collect();
        match differing.as_slice() {
            [] => Ok(vec![self.alone(template, self.canary, Arm::Canary)?]),
            [place] => match self.together(&pieces, *place, [&canary, &stable]) {
                Some(both) => Ok(vec![both]),
                None => self.apart(template, template),
            },
            _ => self.apart(template, template),
        }
    }

    /// A selector for each version of its own.
    pub(super) fn apart(&self, canary: &str, stable: &str) -> Result<Vec<Selection>, QueryError> {
        Ok(vec![self.alone(canary, self.canary, Arm::Canary)?, self.alone(stable, self.stable, Arm::Stable)?])
    }

    fn alone(&self, template: &str, revision: &RevisionStatus, arm: Arm) -> Result<Selection, QueryError> {
        let promql = render(template, &Scope { revision, ..*self.scope })?;
        Ok(Selection { promql, arms: Arms::One(arm) })
    }

    /// One selector for both, where the string at `place` is what a label has to be, and all else is the same.
    fn together(&self, pieces: &[Piece<'_>], place: usize, filled: [&[String]; 2]) -> Option<Selection> {
        let before = place.checked_sub(1)?;
        let Piece { text, place: Place::String(quote, matcher) } = pieces.get(place)? else { return None };
        let comparison = filled.first()?.get(before)?.trim_end();
        let head = match matcher {
            Matcher::Equal => comparison.strip_suffix('=')?,
            Matcher::Pattern => comparison.strip_suffix("=~")?,
            Matcher::None => return None,
        };
        let label = name_at_the_end(head)?;
        let regex = |filled: &[String]| {
            let inside = filled.get(place)?;
            let plain = if *quote == '`' { inside.clone() } else { unescape_string(inside)? };
            Some(if *matcher == Matcher::Equal { exactly(&plain) } else { plain })
        };
        let [canary, stable] = filled.map(regex);
        let (canary, stable) = (canary?, stable?);
        let mut promql = String::new();
        for (index, (piece, text)) in pieces.iter().zip(*filled.first()?).enumerate() {
            if index == before {
                promql.extend([head, "=~"]);
            } else if index == place {
                promql.extend(["\"", &escape_string(&format!("{canary}|{stable}"), '"'), "\""]);
            } else {
                piece.put(text, &mut promql);
            }
        }
        let side = |regex, revision: &RevisionStatus| {
            // Most are pods, and a comparison costs less than a regular expression.
            let is_pods = text.trim_matches(['{', '}', ' ']) == "pods" && is_comparable(&revision.replica_set);
            if is_pods { Side::Pods(pod_beginning(&revision.replica_set)) } else { Side::Matches(Pattern::new(regex)) }
        };
        let (canary, stable) = (side(canary, self.canary), side(stable, self.stable));
        Some(Selection { promql, arms: Arms::ByLabel { label: label.to_owned(), canary, stable } })
    }
}

/// The label that stands at the end of `code`, before its comparison.
fn name_at_the_end(code: &str) -> Option<&str> {
    let code = code.trim_end();
    // `!=` and `!~` leave out instead of choosing.
    let start = code.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |place| place + 1);
    let name = code.get(start..)?;
    let delimited = code.get(..start)?.trim_end().ends_with(['{', ',']);
    (delimited && !name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use tidegate_api::Span;
    use tidegate_planner::traffic::Names;

    use super::*;
    use crate::{parameters::Parameters, template::Backends};

    fn selections(template: &str, [canary, stable]: [&str; 2]) -> Result<Vec<Selection>, QueryError> {
        let revision = |name: &str| RevisionStatus {
            revision: name.to_owned(),
            replica_set: format!("checkout-{name}"),
            ..Default::default()
        };
        let (canary, stable, names) = (revision(canary), revision(stable), Names::of("checkout"));
        let scope = Scope {
            namespace: "shop",
            rollout: "checkout",
            service: "checkout",
            backends: Some(Backends { names: &names, canary: &canary }),
            revision: &canary,
            window: Span::seconds(60),
            parameters: Parameters::NONE,
        };
        Versions { scope: &scope, canary: &canary, stable: &stable }.selections(template)
    }

    fn promql(template: &str) -> Vec<String> {
        selections(template, ["new", "old"]).unwrap().into_iter().map(|selection| selection.promql).collect()
    }

    fn row(label: &str, value: &str) -> Row {
        Row { labels: [(label.into(), value.into())].into(), samples: Vec::new(), histograms: Vec::new() }
    }

    #[test]
    fn one_label_that_tells_the_versions_apart_is_asked_for_both_at_once() {
        for (template, query) in [
            (r#"x{pod=~"{{pods}}"}"#, r#"x{pod=~"checkout-new-[a-z0-9]{5}|checkout-old-[a-z0-9]{5}"}"#),
            (
                r#"x{a="b", pod =~ '{{pods}}'}"#,
                r#"x{a="b", pod =~"checkout-new-[a-z0-9]{5}|checkout-old-[a-z0-9]{5}"}"#,
            ),
            (r#"x{service="{{backend}}"}"#, r#"x{service=~"checkout-canary|checkout-stable"}"#),
            (r#"x{c=~"a_{{backend}}_\\d"} "#, r#"x{c=~"a_checkout-canary_\\d|a_checkout-stable_\\d"} "#),
            (r"x{c=~`\d{{revision}}`}", r#"x{c=~"\\dnew|\\dold"}"#),
        ] {
            assert_eq!(promql(template), [query]);
        }
    }

    #[test]
    fn versions_that_more_than_one_label_tells_apart_are_asked_for_one_after_the_other() {
        for template in [
            r#"x{pod=~"{{pods}}",r="{{revision}}"}"#,
            r#"x{pod!~"{{pods}}"}"#,
            r#"x{r!="{{revision}}"}"#,
            r#"label_replace(x, "a", "b", "c", "{{revision}}")"#,
            r#"x{"pod"=~"{{pods}}"}"#,
        ] {
            assert_eq!(promql(template).len(), 2, "{template}");
        }
        assert_eq!(promql(r#"x{service="{{service}}"}"#), [r#"x{service="checkout"}"#]);
    }

    #[test]
    fn a_series_belongs_to_the_version_that_its_label_names() {
        let arm = |template: &str, label: &str, value: &str| {
            let selections = selections(template, ["new", "old"]).unwrap();
            selections[0].arms.of(&row(label, value)).unwrap()
        };
        let pods = r#"x{pod=~"{{pods}}"}"#;
        assert_eq!(arm(pods, "pod", "checkout-new-abcde"), Some(Arm::Canary));
        assert_eq!(arm(pods, "pod", "checkout-old-abcde"), Some(Arm::Stable));
        assert_eq!(arm(pods, "pod", "checkout-old-abcdef"), None);
        assert_eq!(arm(pods, "container", "checkout-old-abcde"), None);
        let cluster = r#"x{c=~"shop_{{backend}}_[0-9]+"}"#;
        assert_eq!(arm(cluster, "c", "shop_checkout-canary_80"), Some(Arm::Canary));
        assert_eq!(arm(cluster, "c", "shop_checkout-stable_80"), Some(Arm::Stable));
        assert_eq!(arm(cluster, "c", "shop_checkout_80"), None);
    }

    #[test]
    fn versions_whose_labels_look_alike_are_not_compared() {
        let long = "a".repeat(60);
        let alike = selections(r#"x{pod=~"{{pods}}"}"#, [&format!("{long}b"), &format!("{long}c")]).unwrap();
        assert_eq!(alike.iter().map(|selection| &selection.arms).collect::<Vec<_>>(), [&Arms::One(Arm::Canary)]);
        let both = selections(r#"x{pod=~"{{pods}}|other"}"#, ["new", "old"]).unwrap();
        assert_eq!(both[0].arms.of(&row("pod", "other")), Err(QueryError::VersionsIndistinguishable));
    }
}
