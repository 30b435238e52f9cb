//! Who asks, and what they may see.

mod bounded;
pub mod cluster;
pub mod laptop;
pub mod proxy;

use std::{collections::BTreeMap, fmt};

use http::{
    HeaderMap,
    header::{AUTHORIZATION, HOST, ORIGIN},
    request::Parts,
};
use kube::Client;
use ring::digest;

use self::{cluster::Cluster, laptop::Laptop};
use super::refusal::Refusal;

/// Whoever asks.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The name by which the cluster knows them; empty where that is known only to the cluster.
    pub name: String,
    /// Their groups.
    pub groups: Vec<String>,
    /// Their UID, where they have one.
    pub uid: Option<String>,
    /// What else the cluster knows of them.
    pub extra: BTreeMap<String, Vec<String>>,
    /// Their own credentials, where they showed them.
    pub token: Option<Token>,
}

/// A bearer token. It is not printed.
#[derive(Clone)]
pub struct Token(String);

impl Token {
    /// The one that a request shows.
    pub fn shown(headers: &HeaderMap) -> Option<Self> {
        let shown = headers.get(AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = shown.split_once(' ')?;
        let token = token.trim();
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then(|| Self(token.to_owned()))
    }

    /// What it says.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// By this it is remembered, and compared.
    fn digest(&self) -> Digest {
        digest_of(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Token")
    }
}

/// SHA-256. How long it takes to compare two of them tells nothing of what they were made of.
type Digest = Vec<u8>;

fn digest_of(secret: &str) -> Digest {
    digest::digest(&digest::SHA256, secret.as_bytes()).as_ref().to_vec()
}

/// What somebody wants to do with Rollouts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Wish {
    /// See those of a namespace, or of all.
    List,
    /// See one.
    Get,
}

impl Wish {
    /// The verb as the cluster calls it.
    #[must_use]
    pub fn verb(self) -> &'static str {
        match self {
            Self::List => "list",
            Self::Get => "get",
        }
    }
}

/// By what rules people are let in.
pub enum Access {
    /// One person on their own machine.
    Laptop(Laptop),
    /// Everybody who reaches the Service.
    Cluster(Box<Cluster>),
}

impl Access {
    /// Whether the request may be looked at at all: a page of another site may not ask through somebody's browser.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`].
    pub fn admit(&self, parts: &Parts) -> Result<(), Refusal> {
        if let Self::Laptop(laptop) = self {
            laptop.admit(parts)?;
        }
        let is_read = matches!(parts.method, http::Method::GET | http::Method::HEAD);
        if is_read || is_own_page(&parts.headers) { Ok(()) } else { Err(Refusal::Forbidden(FOREIGN.to_owned())) }
    }

    /// Who asks.
    ///
    /// # Errors
    /// They do not say, or are not believed; or the cluster does not answer who they are.
    pub async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        match self {
            Self::Laptop(laptop) => laptop.caller(headers),
            Self::Cluster(cluster) => cluster.caller(headers).await,
        }
    }

    /// Whether they may see the Rollouts of `namespace`, of all where it is empty, or the one that is called `name`.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub async fn may(&self, caller: &Caller, wish: Wish, namespace: &str, name: &str) -> Result<bool, Refusal> {
        match self {
            // The cluster has answered the kubeconfig's owner, and nobody else gets here.
            Self::Laptop(_) => Ok(true),
            Self::Cluster(cluster) => cluster.may(caller, wish, namespace, name).await,
        }
    }

    /// A client with the caller's own rights, where they may act at all.
    ///
    /// # Errors
    /// Actions are switched off, or the caller has shown nothing to act with.
    pub fn client_of(&self, caller: &Caller) -> Result<Client, Refusal> {
        match self {
            Self::Laptop(laptop) => Ok(laptop.client()),
            Self::Cluster(cluster) => cluster.client_of(caller),
        }
    }

    /// In one word, for the page.
    #[must_use]
    pub fn mode(&self) -> &'static str {
        match self {
            Self::Laptop(_) => "laptop",
            Self::Cluster(_) => "cluster",
        }
    }
}

const FOREIGN: &str = "this did not come from the dashboard's own page";

/// Whether a request that changes something came from the dashboard's own page. A page of another site cannot add a
/// header of its own without being asked first, and is answered nothing there; nor can it hide where it is from.
fn is_own_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let is_json = text("content-type").is_some_and(|kind| kind.starts_with("application/json"));
    let is_marked = text("x-tidegate") == Some("1");
    let is_same = match text("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => headers.get(ORIGIN).is_none_or(|origin| origin.to_str().is_ok_and(|origin| is_origin(origin, headers))),
    };
    is_json && is_marked && is_same
}

/// Whether `origin` is that of the host that the request names.
fn is_origin(origin: &str, headers: &HeaderMap) -> bool {
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    origin.is_some() && origin == host
}
