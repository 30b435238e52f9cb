//! The file in which the platform team lists endpoints.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use tidegate_api::{
    Span,
    yaml::{Mistake, settings},
};

use super::{fields, provider::ProviderKind, store::Store};

/// What the operator asks is nobody else's to say.
const QUESTION: [&str; 5] = ["query", "time", "start", "end", "step"];

/// The name of the endpoint that is asked when a Rollout names none.
const DEFAULT: &str = "default";

/// Why the file with the endpoints cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EndpointsError {
    /// The file cannot be read.
    #[error("cannot read the endpoints from {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The file is not what is expected.
    #[error(transparent)]
    Form(Mistake),
    /// A field has a value that cannot be used.
    #[error("{file}: endpoint {endpoint:?}: {field}: {why}")]
    Field {
        /// The file.
        file: String,
        /// The endpoint.
        endpoint: String,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

/// One service: a Prometheus, or something that speaks its API; or what gates ask.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoint {
    /// What Rollouts call it.
    pub name: String,
    /// Where it is; of a Prometheus, without `/api/v1`.
    pub url: String,
    /// Sent with each request, such as `X-Scope-OrgID`.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// A file with a bearer token; read for each request, so that it may be rotated.
    #[serde(default)]
    pub bearer_token_file: Option<PathBuf>,
    /// A user, and a file with the password.
    #[serde(default)]
    pub basic_auth: Option<BasicAuth>,
    /// Further headers, each with the file that has its value; read for each request, so that they may be rotated.
    #[serde(default)]
    pub header_files: BTreeMap<String, PathBuf>,
    /// A PEM file with the only certificates that may vouch for the server. Default: those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// A file with the key by which requests are signed; read for each request, so that it may be rotated.
    #[serde(default)]
    pub signing_key_file: Option<PathBuf>,
    /// The most series that one answer of a Prometheus may have. Default: [`Self::MOST_SERIES`].
    #[serde(default)]
    pub max_series: Option<usize>,
    /// What is there, where it is no Prometheus and no webhook.
    #[serde(default)]
    pub provider: Option<ProviderKind>,
    /// Which server is there, of those that speak the API of Prometheus. Default: it is asked.
    #[serde(default)]
    pub store: Option<Store>,
    /// Sent to a Prometheus with each query, such as `dedup` to Thanos.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// How long one answer may take. Default: 10s.
    #[serde(default = "Endpoint::default_timeout")]
    pub timeout: Span,
}

/// A user, and a file with the password.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BasicAuth {
    /// The user.
    pub username: String,
    /// The file with the password; read for each request, so that it may be rotated.
    pub password_file: PathBuf,
}

/// All endpoints that the platform team configured.
#[derive(Debug, Clone, Default)]
pub struct Endpoints {
    endpoints: Vec<Endpoint>,
    file: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EndpointsFile {
    endpoints: Vec<Endpoint>,
}

impl Endpoint {
    /// The most series that one answer may have, unless the endpoint says otherwise: 300 routes of 10 pods in 3 statuses,
    /// with 10 buckets each.
    pub const MOST_SERIES: usize = 100_000;

    /// The most series that one answer may have.
    #[must_use]
    pub fn most_series(&self) -> usize {
        self.max_series.unwrap_or(Self::MOST_SERIES)
    }

    /// A field that is set and says something of a Prometheus alone.
    #[must_use]
    pub fn of_prometheus(&self) -> Option<&'static str> {
        let fields = [
            ("maxSeries", self.max_series.is_some()),
            ("store", self.store.is_some()),
            ("params", !self.params.is_empty()),
        ];
        fields.into_iter().find_map(|(field, is_set)| is_set.then_some(field))
    }

    fn default_timeout() -> Span {
        Span::seconds(10)
    }
}

impl Endpoints {
    /// Reads the endpoints from a YAML file.
    ///
    /// # Errors
    /// The file cannot be read, or as [`Self::parse`].
    pub fn load(file: &Path) -> Result<Self, EndpointsError> {
        let text =
            std::fs::read_to_string(file).map_err(|source| EndpointsError::Read { file: file.to_owned(), source })?;
        Self::parse(&text, &file.display().to_string())
    }

    /// Reads the endpoints from YAML text; `file` is what errors call it.
    ///
    /// # Errors
    /// [`EndpointsError`]: the text is not what is expected, or a field has a value that cannot be used.
    pub fn parse(text: &str, file: &str) -> Result<Self, EndpointsError> {
        let written: EndpointsFile = settings(text, file).map_err(EndpointsError::Form)?;
        let mut names = HashSet::new();
        for endpoint in &written.endpoints {
            let field = |field, why: String| EndpointsError::Field {
                file: file.to_owned(),
                endpoint: endpoint.name.clone(),
                field,
                why,
            };
            if !names.insert(endpoint.name.as_str()) {
                return Err(field("name", "two endpoints have this name".to_owned()));
            }
            check(endpoint).map_err(|(name, why)| field(name, why))?;
        }
        Ok(Self { endpoints: written.endpoints, file: file.to_owned() })
    }

    /// The endpoint of that name, or the one called `default`.
    #[must_use]
    pub fn get(&self, name: Option<&str>) -> Option<&Endpoint> {
        let name = Self::name_of(name);
        self.endpoints.iter().find(|endpoint| endpoint.name == name)
    }

    /// What is asked for when a Rollout says `name`.
    #[must_use]
    pub fn name_of(name: Option<&str>) -> &str {
        name.unwrap_or(DEFAULT)
    }

    /// All of them, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = &Endpoint> {
        self.endpoints.iter()
    }

    /// A field of `endpoint` has a value that cannot be used.
    #[must_use]
    pub fn unusable(&self, endpoint: &Endpoint, field: &'static str, why: String) -> EndpointsError {
        EndpointsError::Field { file: self.file.clone(), endpoint: endpoint.name.clone(), field, why }
    }

    /// What errors call the file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }
}

/// The first field with a value that cannot be used, and why.
fn check(endpoint: &Endpoint) -> Result<(), (&'static str, String)> {
    let name = &endpoint.name;
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || name.len() > 63 || !name.chars().all(plain) {
        return Err(("name", "takes 1 to 63 letters, digits, '-', '_' and '.'".to_owned()));
    }
    let url = fields::address(&endpoint.url)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(("url", "must not have a query or a fragment".to_owned()));
    }
    fields::headers(&endpoint.headers, &endpoint.header_files)?;
    fields::credentials(endpoint.bearer_token_file.as_ref(), endpoint.basic_auth.as_ref())?;
    if let Some(of_prometheus) = endpoint.of_prometheus().filter(|_| endpoint.provider.is_some()) {
        return Err((of_prometheus, "is for Prometheus, and this endpoint has a provider".to_owned()));
    }
    if endpoint.max_series == Some(0) {
        return Err(("maxSeries", "must be more than 0".to_owned()));
    }
    if let Some(param) = endpoint.params.keys().find(|param| QUESTION.contains(&param.as_str())) {
        return Err(("params", format!("{param} is what the operator asks for itself: leave it out")));
    }
    if endpoint.timeout.duration().is_zero() {
        return Err(("timeout", "must be longer than 0s".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Endpoints::parse(text, "endpoints.yaml").unwrap_err().to_string()
    }

    #[test]
    fn an_endpoint_is_read_with_all_that_it_may_say() {
        let text = "
endpoints:
- name: default
  url: https://prometheus.example.com/prod
  headers: {X-Scope-OrgID: shop}
  bearerTokenFile: /var/run/token
  caFile: /etc/ca.pem
  maxSeries: 200000
  store: victoriametrics
  params: {nocache: 1, dedup: true}
  timeout: 5s
- {name: other, url: 'http://other:9090', basicAuth: {username: me, passwordFile: /password}}
";
        let endpoints = Endpoints::parse(text, "endpoints.yaml").unwrap();
        assert_eq!(endpoints.get(None).map(|endpoint| endpoint.timeout), Some(Span::seconds(5)));
        let most = ["default", "other"].map(|name| endpoints.get(Some(name)).map(Endpoint::most_series));
        assert_eq!(most, [Some(200_000), Some(100_000)]);
        let told = endpoints
            .get(None)
            .map(|endpoint| (endpoint.store, [&endpoint.params["nocache"], &endpoint.params["dedup"]]));
        assert_eq!(told, Some((Some(Store::VictoriaMetrics), ["1", "true"].map(str::to_owned).each_ref())));
        assert_eq!(endpoints.get(Some("other")).map(|endpoint| endpoint.timeout), Some(Span::seconds(10)));
        assert!(endpoints.get(Some("third")).is_none());
    }

    #[test]
    fn a_mistake_is_named_with_its_file_and_field() {
        let unknown = refused("endpoints: [{name: a, url: 'http://a', tokenFile: /t}]");
        let there_are = "there is no such field; there are name, url,";
        assert!(unknown.starts_with(&format!("endpoints.yaml:1:40: endpoints[0].tokenFile: {there_are}")), "{unknown}");
        for (endpoint, sentence) in [
            ("{name: a, url: 'ftp://a'}", "endpoint \"a\": url: must start with http:// or https:// and name a host"),
            (
                "{name: a, url: 'http://me:secret@a'}",
                "endpoint \"a\": url: must not hold credentials; they belong in files",
            ),
            ("{name: a, url: 'http://a', maxSeries: 0}", "endpoint \"a\": maxSeries: must be more than 0"),
            (
                "{name: a, url: 'http://a', params: {time: now}}",
                "endpoint \"a\": params: time is what the operator asks for itself: leave it out",
            ),
            ("{name: a, url: 'http://a', timeout: 0s}", "endpoint \"a\": timeout: must be longer than 0s"),
            (
                "{name: a, url: 'http://a', headers: {Authorization: x}}",
                "endpoint \"a\": headers: a secret belongs in bearerTokenFile or basicAuth, not here",
            ),
            (
                "{name: a, url: 'http://a'}, {name: a, url: 'http://b'}",
                "endpoint \"a\": name: two endpoints have this name",
            ),
        ] {
            assert_eq!(refused(&format!("endpoints: [{endpoint}]")), format!("endpoints.yaml: {sentence}"));
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let error = Endpoints::load(Path::new("/nowhere/endpoints.yaml")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read the endpoints from /nowhere/endpoints.yaml");
    }
}
