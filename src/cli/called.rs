//! How whoever runs this calls it, so that what it tells them to type works for them.

use std::{env, path::Path};

/// The file that kubectl looks for in the `PATH` when somebody types `kubectl tidegate`.
///
/// <https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/>
const PLUGIN: &str = "kubectl-tidegate";

/// `kubectl tidegate` where this is the plugin, and `tidegate` otherwise.
pub fn name() -> &'static str {
    named(env::args_os().next().as_deref().map(Path::new))
}

fn named(file: Option<&Path>) -> &'static str {
    // On Windows it ends with `.exe`.
    let stem = file.and_then(Path::file_stem);
    if stem.is_some_and(|stem| stem == PLUGIN) { "kubectl tidegate" } else { "tidegate" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plugin_of_kubectl_is_called_as_people_type_it() {
        for (file, called) in [
            ("/usr/local/bin/kubectl-tidegate", "kubectl tidegate"),
            ("kubectl-tidegate.exe", "kubectl tidegate"),
            ("./tidegate", "tidegate"),
        ] {
            assert_eq!(named(Some(Path::new(file))), called);
        }
        assert_eq!(named(None), "tidegate");
    }
}
