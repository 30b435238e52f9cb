//! What ReplicaSets and their pods are called, and whose pod a name is.
//!
//! Kubernetes names a pod after its ReplicaSet, and cuts what is too long: of a long name the hash of the pod template is
//! lost in part or altogether, and the pods of two revisions look alike. So a ReplicaSet that Tidegate makes has a name
//! that is short enough to stay whole, and one that it took over is told from others by what Kubernetes left of its name.

use super::template::safe_hash;

/// The longest name of a pod: it becomes the name of a host.
const LONGEST_POD: usize = 63;

/// How many letters follow on the beginning of a generated name.
/// <https://github.com/kubernetes/apiserver/blob/master/pkg/storage/names/generate.go>
const RANDOM: usize = 5;

/// How long the hash of a pod template is at most.
const HASH: usize = 10;

/// What the names of all pods of a ReplicaSet begin with; five letters or digits follow.
#[must_use]
pub fn pod_beginning(replica_set: &str) -> String {
    format!("{replica_set}-").chars().take(LONGEST_POD - RANDOM).collect()
}

/// Whether Kubernetes cuts the name of a ReplicaSet in the names of its pods.
#[must_use]
pub fn is_cut(replica_set: &str) -> bool {
    replica_set.len() + 1 > LONGEST_POD - RANDOM
}

/// Whether a pod of that name may be one of the ReplicaSet's: surely so, unless there is another one whose
/// [`pod_beginning`] is the same.
#[must_use]
pub fn is_pod_of(replica_set: &str, pod: &str) -> bool {
    let random = if is_cut(replica_set) {
        pod.strip_prefix(pod_beginning(replica_set).as_str()).filter(|random| random.len() == RANDOM)
    } else {
        pod.strip_prefix(replica_set).and_then(|rest| rest.strip_prefix('-'))
    };
    random.is_some_and(|random| !random.is_empty() && !random.contains('-'))
}

/// What a ReplicaSet is called that holds `revision` of the Deployment `workload`: `<workload>-<revision>`, as Kubernetes
/// names its own.
///
/// Of a name that leaves no room for the revision in the names of pods, the beginning stays, and a hash of the whole, so
/// that two long names with the same beginning do not meet.
#[must_use]
pub fn replica_set(workload: &str, revision: &str) -> String {
    if leaves_room(workload) {
        return format!("{workload}-{revision}");
    }
    let hash = safe_hash(workload.as_bytes());
    let beginning: String = workload.chars().take(longest_workload() - hash.len() - 1).collect();
    format!("{}-{hash}-{revision}", beginning.trim_end_matches(['-', '.']))
}

/// Whether the names of the pods of `workload` have room for the whole hash of their template.
#[must_use]
pub fn leaves_room(workload: &str) -> bool {
    workload.len() <= longest_workload()
}

/// The longest name of a Deployment whose pods have the whole hash of their template in their names.
const fn longest_workload() -> usize {
    LONGEST_POD - RANDOM - HASH - 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pod_is_told_by_the_name_of_its_replica_set() {
        assert!(is_pod_of("checkout-7f9c6b54d", "checkout-7f9c6b54d-x2x9k"));
        assert!(!is_pod_of("checkout", "checkout-7f9c6b54d-x2x9k"));
        assert!(!is_pod_of("checkout-7f9c6b54d", "checkout-7f9c6b54d2-x2x9k"));
        assert!(!is_pod_of("checkout-7f9c6b54d", "checkout-7f9c6b54d"));
    }

    #[test]
    fn a_pod_is_told_by_what_kubernetes_left_of_a_long_name() {
        for length in 40..=63 {
            let workload = "a".repeat(length);
            let set = format!("{workload}-7f9c6b54d");
            let pod = format!("{}x2x9k", pod_beginning(&set));
            assert!(pod.len() <= LONGEST_POD && is_pod_of(&set, &pod), "{pod}");
            let others = [format!("{pod}k"), pod[..pod.len() - 1].to_owned()];
            assert!(!is_cut(&set) || others.iter().all(|other| !is_pod_of(&set, other)), "{pod}");
        }
    }

    #[test]
    fn the_pods_of_two_revisions_that_tidegate_names_never_look_alike() {
        for length in 1..=63 {
            let workload = "a".repeat(length);
            let [old, new] = ["bcdfghjklm", "bcdfghjkln"].map(|hash| replica_set(&workload, hash));
            let pod = format!("{}x2x9k", pod_beginning(&new));
            assert!(pod.len() <= LONGEST_POD && is_pod_of(&new, &pod) && !is_pod_of(&old, &pod), "{pod}");
        }
    }

    #[test]
    fn a_short_name_is_the_one_that_kubernetes_would_give_and_long_ones_stay_apart() {
        assert_eq!(replica_set("checkout", "7f9c6b54d"), "checkout-7f9c6b54d");
        let [one, other] = ["x", "y"].map(|end| replica_set(&format!("{}{end}", "a".repeat(62)), "bcdfghjklm"));
        assert_ne!(one, other);
        let dotted = replica_set(&format!("{}-.{}", "a".repeat(33), "b".repeat(20)), "bcdfghjklm");
        assert!(!dotted.contains("--") && !dotted.contains(".-"), "{dotted}");
    }
}
