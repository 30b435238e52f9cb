//! Texts as PromQL writes them, and the names of pods as regular expressions.

use tidegate_planner::{
    pattern::exactly,
    workload::naming::{self, pod_beginning},
};

/// The hash of a pod template that stands for any: no object's name has it.
pub(super) const ANY: &str = "*";

/// What the hash of any pod template looks like.
pub(super) const ANY_HASH: &str = "[a-z0-9]+";

/// What is left of the hash, and of the dash after it, in the names of pods whose ReplicaSet has a long name.
const CUT_HASH: &str = "[a-z0-9-]*";

/// A regular expression that matches the names of just the pods of a ReplicaSet.
pub(super) fn pods(replica_set: &str) -> String {
    if let Some(workload) = replica_set.strip_suffix(ANY) {
        return pods_of_any(workload.trim_end_matches('-'));
    }
    format!("{}[a-z0-9]{{5}}", exactly(&pod_beginning(replica_set)))
}

/// The same for the pods of every ReplicaSet that `workload` ever had, whoever named it.
fn pods_of_any(workload: &str) -> String {
    let whole = format!("{}[a-z0-9]{{5}}", exactly(&format!("{}-", naming::replica_set(workload, ANY))));
    let whole = whole.replace(&exactly(ANY), ANY_HASH);
    if naming::leaves_room(workload) {
        return whole;
    }
    format!("{whole}|{}{CUT_HASH}[a-z0-9]{{5}}", exactly(&pod_beginning(workload)))
}

/// Whether [`is_pod_of`] tells the pods of a ReplicaSet: not those of all that a workload with a long name ever had.
pub(super) fn is_comparable(replica_set: &str) -> bool {
    replica_set.strip_suffix(ANY).is_none_or(|workload| naming::leaves_room(workload.trim_end_matches('-')))
}

/// Whether `pod`, which matches [`pods`] of one of two ReplicaSets, belongs to the one whose pods begin like this.
pub(super) fn is_pod_of(prefix: &str, pod: &str) -> bool {
    match prefix.split_once(ANY) {
        Some((workload, _)) => pod.starts_with(workload),
        None => pod.strip_prefix(prefix).is_some_and(|random| random.len() == 5),
    }
}

/// `text` as it is written between double or single quotes: PromQL refuses an escaped quote of the other kind.
pub(super) fn escape_string(text: &str, quote: char) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => escaped.push_str(r"\n"),
            _ if c == quote || c == '\\' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
    }
    escaped
}

/// What is meant by what stands between double or single quotes; nothing if it has an escape that hardly anybody
/// writes, such as `\u00e9`.
pub(super) fn unescape_string(escaped: &str) -> Option<String> {
    let mut text = String::with_capacity(escaped.len());
    let mut letters = escaped.chars();
    while let Some(c) = letters.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        text.push(match letters.next()? {
            'n' => '\n',
            't' => '\t',
            plain @ ('\\' | '"' | '\'') => plain,
            _ => return None,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pods_of_a_replica_set_with_a_long_name_are_still_matched() {
        let long = "a".repeat(60);
        assert_eq!(pods(&long), format!("{}[a-z0-9]{{5}}", "a".repeat(58)));
    }

    #[test]
    fn any_revision_of_a_workload_can_be_asked_for() {
        assert_eq!(pods("check.out-*"), r"check\.out-[a-z0-9]+-[a-z0-9]{5}");
        let pod = "check.out-7f9c6b54d-x7k2p";
        assert!(is_pod_of(&pod_beginning("check.out-*"), pod) && !is_pod_of(&pod_beginning(""), pod));
    }

    #[test]
    fn the_pods_of_a_workload_with_a_long_name_are_found_whoever_named_their_replica_set() {
        for length in 40..=63 {
            let workload = "a".repeat(length);
            let pattern = regex::Regex::new(&format!("^(?:{})$", pods(&format!("{workload}-*")))).unwrap();
            for set in [format!("{workload}-7f9c6b54d"), naming::replica_set(&workload, "bcdfghjklm")] {
                let pod = format!("{}x2x9k", pod_beginning(&set));
                assert!(pattern.is_match(&pod), "{pattern} does not match {pod}");
            }
            assert!(!pattern.is_match(&format!("{}-x2x9k", "b".repeat(length))));
        }
    }

    proptest! {
        #[test]
        fn a_text_is_read_back_from_its_quotes(text in r#"(\PC|[\n\t"'\\])*"#) {
            for quote in ['"', '\''] {
                prop_assert_eq!(unescape_string(&escape_string(&text, quote)), Some(text.clone()));
            }
        }
    }
}
