//! The structural schema of CRDs: what it prunes, what it fills in, what it refuses.
//!
//! <https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/>

mod defaults;
mod format;
mod known;
mod mentioned;
mod node;
mod prune;
mod rules;
#[cfg(test)]
mod tests;
mod validate;

use serde_json::Value;

use super::{Cause, patch::Structure};
use node::Node;

/// What rules presume of an object: they are not asked about one that is wrong in such a way.
const PRESUMED: [&str; 5] =
    ["FieldValueRequired", "FieldValueTypeInvalid", "FieldValueNotSupported", "FieldValueTooLong", "FieldValueTooMany"];

/// What is said then, in Kubernetes' words, of no field.
const NOT_CHECKED: &str = "some validation rules were not checked because the object was invalid; correct the existing \
                           errors to complete validation";

/// The schema of one version of a custom resource, made ready once for all of its objects.
#[derive(Debug)]
pub struct Schema {
    tree: Value,
    root: Node,
}

impl Schema {
    /// Makes an `openAPIV3Schema` ready.
    #[must_use]
    pub fn new(tree: Value) -> Self {
        let root = Node::compile(&tree);
        Self { tree, root }
    }

    /// How the lists and maps of its objects merge.
    #[must_use]
    pub fn structure(&self) -> Structure<'_> {
        Structure::of_schema(&self.tree)
    }

    /// Drops the fields that the schema does not know, and tells their paths, such as `spec.stages[0].wait`.
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        prune::prune(&self.root, object)
    }

    /// Fills in what is missing, and drops a `null` where none may be.
    pub fn fill_in(&self, object: &mut Value) {
        defaults::fill_in_root(&self.root, object);
    }

    /// What is wrong with `object`, if anything; what it takes over unchanged from `before` is not asked about again.
    #[must_use]
    pub fn validate(&self, object: &Value, before: Option<&Value>) -> Vec<Cause> {
        let mut causes = validate::validate_root(&self.root, object, before);
        if !self.root.has_rules {
            return causes;
        }
        if causes.iter().any(|cause| PRESUMED.contains(&cause.reason)) {
            causes.push(Cause::invalid("<nil>", &Value::Null, NOT_CHECKED));
        } else {
            causes.extend(rules::check_root(&self.root, object, before));
        }
        causes
    }
}
