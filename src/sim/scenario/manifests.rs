//! The users' own manifests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

use super::{
    plain,
    yaml::{self, Mistake, Node},
};
use crate::{
    api::{Rollout, RolloutSpec, validate},
    workload::Deployment,
};

/// The namespace of an object that names none.
const DEFAULT_NAMESPACE: &str = "default";

/// One object as somebody wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The file that it is in; empty if it was made up.
    pub file: String,
    /// What is written.
    pub node: Node,
    /// The same as JSON, with a namespace.
    pub object: Value,
}

/// All objects that a simulation starts with.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Manifests {
    /// The objects, in the order in which they are applied.
    pub objects: Vec<Manifest>,
    /// One sentence for each object that was missing, and was made up.
    pub notes: Vec<String>,
}

impl Manifest {
    /// Its `kind`.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.object.get("kind").and_then(Value::as_str).unwrap_or_default()
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default()
    }

    /// Its namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.object.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or_default()
    }

    fn read(node: Node, file: &str) -> Result<Self, Mistake> {
        for field in ["apiVersion", "kind"] {
            if node.field(field).and_then(Node::text).is_none_or(str::is_empty) {
                let why = format!("an object needs {field}, such as {}", example(field));
                return Err(Mistake::at(file, node.place, field, why));
            }
        }
        let metadata = node.field("metadata");
        if metadata.and_then(|metadata| metadata.field("name")).and_then(Node::text).is_none_or(str::is_empty) {
            let place = metadata.unwrap_or(&node).place;
            return Err(Mistake::at(file, place, "metadata.name", "an object needs a name"));
        }
        let mut object = node.value();
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.entry("namespace").or_insert_with(|| DEFAULT_NAMESPACE.into());
        }
        let manifest = Self { file: file.to_owned(), node, object };
        manifest.check()?;
        Ok(manifest)
    }

    /// What the simulation reads itself has to be readable; the rest is the embedded API server's to judge.
    fn check(&self) -> Result<(), Mistake> {
        match self.kind() {
            "Rollout" => self.rollout().map(|_| ()),
            "Deployment" => self.deployment().map(|_| ()),
            _ => Ok(()),
        }
    }

    /// The Rollout that this is.
    pub fn rollout(&self) -> Result<Rollout, Mistake> {
        let place = self.node.place;
        let Some(spec) = yaml::read_field::<RolloutSpec>(&self.node, "spec", &self.file)? else {
            return Err(Mistake::at(&self.file, place, "spec", "a Rollout needs a spec"));
        };
        let mut rollout = Rollout::new(self.name(), spec);
        rollout.metadata.namespace = Some(self.namespace().to_owned());
        validate(&rollout).map_err(|invalid| Mistake::at(&self.file, place, "spec", invalid.to_string()))?;
        Ok(rollout)
    }

    fn deployment(&self) -> Result<Deployment, Mistake> {
        let wrong = |error: serde_json::Error| Mistake::at(&self.file, self.node.place, "", error.to_string());
        serde_json::from_value(self.object.clone()).map_err(wrong)
    }
}

impl Manifests {
    /// Reads files, and all files in folders that end with `.yaml` or `.yml`; `scenario` is not a manifest.
    pub fn load(paths: &[PathBuf], scenario: &Path) -> Result<Self, Mistake> {
        let mut manifests = Self::default();
        for path in paths {
            for file in files(path)? {
                if !same(&file, scenario) {
                    let name = file.display().to_string();
                    let bytes =
                        fs::read(&file).map_err(|error| Mistake::of(&name, format!("cannot be read: {error}")))?;
                    let text = String::from_utf8(bytes).map_err(|_| Mistake::of(&name, "is not text in UTF-8"))?;
                    manifests.add(&text, &name)?;
                }
            }
        }
        Ok(manifests)
    }

    /// Adds the objects in YAML text; `file` is what mistakes call it.
    pub fn add(&mut self, text: &str, file: &str) -> Result<(), Mistake> {
        for node in yaml::documents(text, file)? {
            let place = node.place;
            let manifest = Manifest::read(node, file)?;
            let same = |other: &&Manifest| {
                (other.kind(), other.namespace(), other.name())
                    == (manifest.kind(), manifest.namespace(), manifest.name())
            };
            if let Some(other) = self.objects.iter().find(same) {
                let why = format!("{} {} is in {} as well", manifest.kind(), manifest.name(), other.file);
                return Err(Mistake::at(file, place, "metadata.name", why));
            }
            self.objects.push(manifest);
        }
        Ok(())
    }

    /// The Rollouts, in the order in which they are written.
    pub fn rollouts(&self) -> Result<Vec<Rollout>, Mistake> {
        self.objects.iter().filter(|manifest| manifest.kind() == "Rollout").map(Manifest::rollout).collect()
    }

    /// The object of that kind and name.
    #[must_use]
    pub fn find(&self, kind: &str, namespace: &str, name: &str) -> Option<&Manifest> {
        let is = |manifest: &&Manifest| (manifest.kind(), manifest.namespace(), manifest.name()) == (kind, namespace, name);
        self.objects.iter().find(is)
    }

    /// Makes up a plain Deployment, Service and HTTPRoute for each Rollout that names one which is not there, and
    /// puts Rollouts behind everything else.
    pub fn complete(mut self) -> Result<Self, Mistake> {
        for rollout in self.rollouts()? {
            for (object, note) in plain::missing(&rollout, &self) {
                let node = Node { place: yaml::Place { line: 1, column: 1 }, content: yaml::Content::Null };
                self.objects.push(Manifest { file: String::new(), node, object });
                self.notes.push(note);
            }
        }
        self.objects.sort_by_key(|manifest| manifest.kind() == "Rollout");
        Ok(self)
    }
}

fn example(field: &str) -> &'static str {
    if field == "kind" { "Rollout" } else { "tidegate.dev/v1alpha1" }
}

fn same(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

/// The file itself, or the YAML files right in a folder, by name.
fn files(path: &Path) -> Result<Vec<PathBuf>, Mistake> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let unreadable = |error: std::io::Error| Mistake::of(&path.display().to_string(), format!("cannot be read: {error}"));
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        if file.extension().is_some_and(|extension| extension == "yaml" || extension == "yml") && file.is_file() {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}
