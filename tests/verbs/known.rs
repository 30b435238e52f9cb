//! In what the embedded server is known to make kubectl print something else.

/// Why what is typed there prints something else, if it is known to.
pub fn known(typed: &str) -> Option<&'static str> {
    KNOWN.iter().find(|(line, _)| *line == typed).map(|(_, reason)| *reason)
}

const KNOWN: &[(&str, &str)] = &[
    ("auth whoami", "the embedded server asks nobody who they are"),
    ("label ingress web 'not a label'=x", "names of labels are not checked"),
    ("get hpa web", "the embedded autoscaler tells no count before it has scaled"),
    (
        "get configmap colours -o yaml --show-managed-fields",
        "the entry of client-side apply stays, and its annotation: a list of managed fields that is sent is not taken",
    ),
    ("logs single", "no container runs in a simulated pod, which is said; on a real one none has started yet"),
    (
        r#"patch deployment web --type=json -p '[{"op":"remove","path":"/spec/nothing"}]'"#,
        "the embedded server says which operation failed, and where",
    ),
];
