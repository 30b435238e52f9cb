//! What users install, against what the code says: definitions, manifests, chart, examples.

mod definitions;
