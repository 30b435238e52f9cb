//! The users' own manifests.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use serde_json::Value;
use tidegate_api::{
    Rollout, RolloutSpec,
    manifest::{Document, NO_ITEMS},
    unquoted, validate,
};
use tidegate_apiserver::Refusal;
use tidegate_planner::{traffic::GATEWAY_API, workload::Deployment};

use super::{
    plain,
    yaml::{self, Mistake},
};

/// The namespace of an object that names none.
const DEFAULT_NAMESPACE: &str = "default";

/// The group of what is no object: it says how kustomize puts objects together, and often lies beside them.
const KUSTOMIZE: &str = "kustomize.config.k8s.io/";

/// The API server's word for a value of another type than its field has.
const WRONG_TYPE: &str = "FieldValueTypeInvalid";

/// Kinds whose objects are in no namespace.
const CLUSTER_SCOPED: [&str; 2] = ["ClusterCheckTemplate", "Namespace"];

/// One object as somebody wrote it.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The object, with a namespace.
    pub object: Value,
    /// The file that it is in, and what is written there; nothing if it was made up.
    source: Option<(String, Document)>,
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

    /// Its API group; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        let version = self.object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        version.rsplit_once('/').map_or("", |(group, _)| group)
    }

    /// Whether it is of that kind of those that a Rollout speaks of. Other groups have a Service or a Rollout, too.
    #[must_use]
    pub fn is(&self, kind: &str) -> bool {
        let group = match kind {
            "Rollout" => "tidegate.dev",
            "Deployment" => "apps",
            "Service" => "",
            _ => GATEWAY_API,
        };
        (self.kind(), self.group()) == (kind, group)
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

    fn read(document: Document, file: &str) -> Result<Self, Mistake> {
        if document.is_list_without_items() {
            return Err(Mistake::at(file, &document, "items", NO_ITEMS));
        }
        for (field, path, such) in [
            ("apiVersion", &["apiVersion"][..], "an object needs apiVersion, such as tidegate.dev/v1alpha1"),
            ("kind", &["kind"], "an object needs a kind, such as Rollout"),
            ("metadata.name", &["metadata", "name"], "an object needs a name"),
        ] {
            if document.text(path).is_none_or(str::is_empty) {
                return Err(Mistake::at(file, &document, field, such));
            }
        }
        let mut object = document.value().clone();
        let is_namespaced = !CLUSTER_SCOPED.iter().any(|kind| document.text(&["kind"]) == Some(kind));
        if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut).filter(|_| is_namespaced) {
            metadata.entry("namespace").or_insert_with(|| DEFAULT_NAMESPACE.into());
        }
        let manifest = Self { object, source: Some((file.to_owned(), document)) };
        manifest.check()?;
        Ok(manifest)
    }

    /// What the simulation reads itself has to be readable; the rest is the embedded API server's to judge.
    fn check(&self) -> Result<(), Mistake> {
        if self.is("Rollout") {
            self.rollout().map(drop)
        } else if self.is("Deployment") {
            self.deployment().map(drop)
        } else {
            Ok(())
        }
    }

    fn mistake(&self, field: &str, why: impl Into<String>) -> Mistake {
        match &self.source {
            Some((file, document)) => Mistake::at(file, document, field, why),
            None => Mistake::of(self.name(), why),
        }
    }

    /// The Rollout that this is.
    ///
    /// # Errors
    /// It is no Rollout: the field, and what is wrong with it.
    pub fn rollout(&self) -> Result<Rollout, Mistake> {
        let spec: RolloutSpec = match &self.source {
            Some((file, document)) => yaml::read_field(document, "spec", file)?,
            None => return Err(self.mistake("", "is no Rollout that somebody wrote")),
        };
        let mut rollout = Rollout::new(self.name(), spec);
        rollout.metadata.namespace = Some(self.namespace().to_owned());
        validate(&rollout).map_err(|invalid| self.mistake("spec", invalid.to_string()))?;
        Ok(rollout)
    }

    /// What the API server has against it, at the field that it names first; nothing where it names none, or nobody wrote the
    /// object.
    #[must_use]
    pub fn refused(&self, refusal: &Refusal) -> Option<Mistake> {
        let (file, document) = self.source.as_ref()?;
        let cause = refusal.details.pointer("/causes/0")?;
        let field = cause.get("field")?.as_str()?;
        let why = match document.at(field) {
            Some(Value::Number(number)) if cause.get("reason")? == WRONG_TYPE && number.is_f64() => unquoted(number),
            _ => cause.get("message")?.as_str()?.to_owned(),
        };
        Some(Mistake::at(file, document, field, why))
    }

    fn deployment(&self) -> Result<Deployment, Mistake> {
        Deployment::deserialize(&self.object).map_err(|error| self.mistake("spec", error.to_string()))
    }
}

impl Manifests {
    /// Reads what stands behind the scenario in its file, then files, and all files in folders that end with `.yaml` or
    /// `.yml`. Without any of these, what is in the scenario's folder.
    ///
    /// # Errors
    /// A file cannot be read, or as [`Self::add`].
    pub fn load(paths: &[PathBuf], scenario: &Path) -> Result<Self, Mistake> {
        let mut manifests = Self::default();
        let name = scenario.display().to_string();
        manifests.add_all(yaml::documents(&read(scenario)?, &name)?.into_iter().skip(1), &name)?;
        let folder = scenario.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let beside = [folder.to_owned()];
        let paths = if paths.is_empty() && manifests.objects.is_empty() { &beside } else { paths };
        for path in paths {
            for file in files(path)? {
                if !same(&file, scenario) {
                    manifests.add(&read(&file)?, &file.display().to_string())?;
                }
            }
        }
        Ok(manifests)
    }

    /// Adds the objects in YAML text; `file` is what mistakes call it.
    ///
    /// # Errors
    /// The text is not YAML, or a document is no object of a cluster.
    pub fn add(&mut self, text: &str, file: &str) -> Result<(), Mistake> {
        self.add_all(yaml::documents(text, file)?, file)
    }

    fn add_all(&mut self, documents: impl IntoIterator<Item = Document>, file: &str) -> Result<(), Mistake> {
        for document in documents {
            if document.text(&["apiVersion"]).is_some_and(|version| version.starts_with(KUSTOMIZE)) {
                continue;
            }
            let manifest = Manifest::read(document, file)?;
            let same = |other: &&Manifest| {
                (other.group(), other.kind(), other.namespace(), other.name())
                    == (manifest.group(), manifest.kind(), manifest.namespace(), manifest.name())
            };
            if let Some(other) = self.objects.iter().find(same) {
                let file = other.source.as_ref().map_or("the same place", |(file, _)| file.as_str());
                let why = format!("{} {} is in {file} as well", manifest.kind(), manifest.name());
                return Err(manifest.mistake("metadata.name", why));
            }
            self.objects.push(manifest);
        }
        Ok(())
    }

    /// The Rollouts, in the order in which they are written.
    ///
    /// # Errors
    /// As [`Manifest::rollout`].
    pub fn rollouts(&self) -> Result<Vec<Rollout>, Mistake> {
        self.objects.iter().filter(|manifest| manifest.is("Rollout")).map(Manifest::rollout).collect()
    }

    /// The object of that kind, as [`Manifest::is`] has it, and name.
    #[must_use]
    pub fn find(&self, kind: &str, namespace: &str, name: &str) -> Option<&Manifest> {
        let named = |manifest: &&Manifest| (manifest.namespace(), manifest.name()) == (namespace, name);
        self.objects.iter().find(|manifest| manifest.is(kind) && named(manifest))
    }

    /// Makes up a plain Deployment, Service and HTTPRoute for each Rollout that names one which is not there, and
    /// puts Rollouts behind everything else.
    ///
    /// # Errors
    /// As [`Self::rollouts`].
    pub fn complete(mut self) -> Result<Self, Mistake> {
        for rollout in self.rollouts()? {
            for (object, note) in plain::missing(&rollout, &self) {
                self.objects.push(Manifest { object, source: None });
                self.notes.push(note);
            }
        }
        self.objects.sort_by_key(|manifest| manifest.is("Rollout"));
        Ok(self)
    }
}

fn read(file: &Path) -> Result<String, Mistake> {
    let name = file.display().to_string();
    let bytes = fs::read(file).map_err(|error| Mistake::of(&name, format!("cannot be read: {error}")))?;
    String::from_utf8(bytes).map_err(|_| Mistake::of(&name, "is not text in UTF-8"))
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
    let unreadable =
        |error: std::io::Error| Mistake::of(&path.display().to_string(), format!("cannot be read: {error}"));
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
