//! What a request asks for: read from its method, path and query.

use http::Method;

use super::Refusal;

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read many.
    List,
    /// Be told of changes.
    Watch,
    /// Make a new object.
    Create,
    /// Put an object in the place of another.
    Update,
    /// Change some fields.
    Patch,
    /// Remove one object.
    Delete,
    /// Remove many.
    DeleteCollection,
}

impl Verb {
    /// Whether it changes something.
    #[must_use]
    pub fn is_write(self) -> bool {
        !matches!(self, Self::Get | Self::List | Self::Watch)
    }

    /// As RBAC and audit logs spell it, such as `deletecollection`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Create => "create",
            Self::Update => "update",
            Self::Patch => "patch",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
        }
    }
}

/// A request that was answered, as an audit log tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Who asked: the bearer token, which is the user's name here; empty without one.
    pub user: String,
    /// The field manager, or else the program.
    pub manager: String,
    /// What was asked.
    pub verb: Verb,
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural, such as `replicasets`.
    pub resource: String,
    /// `status`, `scale`, another one, or empty.
    pub subresource: String,
    /// The namespace; empty for the whole cluster.
    pub namespace: String,
    /// The name; empty for many.
    pub name: String,
    /// The HTTP status code of the answer.
    pub code: u16,
}

/// Which objects a path names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Target {
    pub group: String,
    pub version: String,
    pub plural: String,
    /// Empty for the whole cluster.
    pub namespace: String,
    /// Empty for many.
    pub name: String,
    /// Empty for the object itself.
    pub subresource: String,
}

impl Target {
    /// Reads a path such as `/apis/apps/v1/namespaces/shop/deployments/checkout/scale`; nothing if it names no objects.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let steps: Vec<&str> = path.trim_matches('/').split('/').collect();
        let (group, version, rest) = match steps.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, plural, name, subresource) = match rest {
            ["namespaces", name, sub @ ("status" | "finalize")] => ("", "namespaces", *name, *sub),
            ["namespaces", namespace, plural] => (*namespace, *plural, "", ""),
            ["namespaces", namespace, plural, name] => (*namespace, *plural, *name, ""),
            ["namespaces", namespace, plural, name, sub] => (*namespace, *plural, *name, *sub),
            [plural] => ("", *plural, "", ""),
            [plural, name] => ("", *plural, *name, ""),
            [plural, name, sub] => ("", *plural, *name, *sub),
            _ => return None,
        };
        let [group, version, plural, namespace, name, subresource] =
            [group, version, plural, namespace, name, subresource].map(str::to_owned);
        Some(Self { group, version, plural, namespace, name, subresource })
    }

    /// What `method` means for it.
    pub(super) fn verb(&self, method: &Method, query: &Query) -> Result<Verb, Refusal> {
        let many = self.name.is_empty();
        match (method.as_str(), many) {
            ("GET", _) if query.watch => Ok(Verb::Watch),
            ("GET" | "HEAD", true) => Ok(Verb::List),
            ("GET" | "HEAD", false) => Ok(Verb::Get),
            ("POST", true) => Ok(Verb::Create),
            ("POST", false) if !self.subresource.is_empty() => Ok(Verb::Create),
            ("PUT", false) => Ok(Verb::Update),
            ("PATCH", false) => Ok(Verb::Patch),
            ("DELETE", true) => Ok(Verb::DeleteCollection),
            ("DELETE", false) => Ok(Verb::Delete),
            _ => Err(Refusal::method_not_allowed()),
        }
    }
}

/// What a query asks for.
#[expect(clippy::struct_excessive_bools, reason = "each is a parameter that Kubernetes defines")]
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub labels: Option<String>,
    pub fields: Option<String>,
    pub limit: usize,
    pub continued: Option<String>,
    pub version: Option<u64>,
    pub version_match: Option<String>,
    pub watch: bool,
    pub bookmarks: bool,
    pub initial_events: Option<bool>,
    pub timeout_seconds: Option<u64>,
    pub manager: Option<String>,
    pub dry_run: bool,
    pub force: bool,
    pub propagation: Option<String>,
    pub grace_seconds: Option<i64>,
    pub field_validation: Option<String>,
}

impl Query {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut query = Self::default();
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            if value.is_empty() {
                continue;
            }
            let number = || value.parse::<i64>().map_err(|_| not_a_number(&key, &value));
            let count = || value.parse::<u64>().map_err(|_| not_a_number(&key, &value));
            let flag = matches!(value.as_ref(), "true" | "1" | "True");
            match key.as_ref() {
                "labelSelector" => query.labels = Some(value.into_owned()),
                "fieldSelector" => query.fields = Some(value.into_owned()),
                "limit" => query.limit = usize::try_from(count()?).unwrap_or(usize::MAX),
                "continue" => query.continued = Some(value.into_owned()),
                "resourceVersion" => query.version = Some(resource_version(&value)?),
                "resourceVersionMatch" => query.version_match = Some(value.into_owned()),
                "watch" => query.watch = flag,
                "allowWatchBookmarks" => query.bookmarks = flag,
                "sendInitialEvents" => query.initial_events = Some(flag),
                "timeoutSeconds" => query.timeout_seconds = Some(count()?),
                "fieldManager" => query.manager = Some(value.into_owned()),
                "dryRun" if value == "All" => query.dry_run = true,
                "dryRun" => {
                    return Err(Refusal::bad_request(format!("dryRun: {value:?} is not supported, use \"All\"")));
                }
                "force" => query.force = flag,
                "propagationPolicy" => query.propagation = Some(value.into_owned()),
                "gracePeriodSeconds" => query.grace_seconds = Some(number()?),
                "fieldValidation" => query.field_validation = Some(value.into_owned()),
                _ => {}
            }
        }
        Ok(query)
    }
}

fn not_a_number(key: &str, value: &str) -> Refusal {
    Refusal::bad_request(format!("{key}: {value:?} is not a number"))
}

fn resource_version(value: &str) -> Result<u64, Refusal> {
    value.parse().map_err(|_| Refusal::bad_request(format!("resourceVersion: Invalid value: {value:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_names_objects_in_the_cluster_or_in_a_namespace() {
        let target = |path| Target::parse(path).map(|it| [it.group, it.plural, it.namespace, it.name, it.subresource]);
        let expected = |words: [&str; 5]| Some(words.map(str::to_owned));
        assert_eq!(target("/api/v1/pods"), expected(["", "pods", "", "", ""]));
        assert_eq!(target("/api/v1/namespaces"), expected(["", "namespaces", "", "", ""]));
        assert_eq!(target("/api/v1/namespaces/shop"), expected(["", "namespaces", "", "shop", ""]));
        assert_eq!(target("/api/v1/namespaces/shop/status"), expected(["", "namespaces", "", "shop", "status"]));
        assert_eq!(target("/apis/apps/v1/namespaces/a/deployments"), expected(["apps", "deployments", "a", "", ""]));
        assert_eq!(
            target("/apis/apps/v1/namespaces/a/deployments/b/scale"),
            expected(["apps", "deployments", "a", "b", "scale"])
        );
        assert_eq!(target("/apis/apps/v1"), None);
        assert_eq!(target("/healthz"), None);
    }

    #[test]
    fn a_query_is_decoded() {
        let query =
            Query::parse("labelSelector=app%3Dshop%2Ctier+in+%28a%29&watch=1&resourceVersion=17&limit=3").unwrap();
        assert_eq!(query.labels.as_deref(), Some("app=shop,tier in (a)"));
        assert!(query.watch && query.version == Some(17) && query.limit == 3);
        assert_eq!(Query::parse("limit=many").unwrap_err().code, 400);
    }
}
