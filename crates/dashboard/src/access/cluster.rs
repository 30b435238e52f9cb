//! Everybody who reaches the Service: each with the rights that the cluster gives them.

use std::{sync::Arc, time::Duration};

use http::HeaderMap;
use k8s_openapi::api::{
    authentication::v1::{TokenReview, TokenReviewSpec},
    authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec},
};
use kube::{Api, Client, Resource, api::PostParams};
use tidegate_api::Rollout;
use tokio::sync::Semaphore;

use super::{Caller, Digest, Refusal, Token, Wish, bounded::Bounded, proxy::Proxy};

/// For so long a token is believed without asking again: so long one may be used that has expired, or was revoked.
const TOKEN: Duration = Duration::from_mins(1);

/// For so long somebody may see what they might see.
const ALLOWED: Duration = Duration::from_secs(10);

/// For so long somebody may not see what they might not.
const DENIED: Duration = Duration::from_mins(1);

/// So many tokens are remembered.
const TOKENS: usize = 1_024;

/// So many rights are remembered.
const RIGHTS: usize = 16_384;

/// So many questions are asked of the API server at a time, for all who look.
const AT_A_TIME: usize = 8;

/// A longer token is nobody's.
const LONGEST_TOKEN: usize = 16 * 1_024;

const NOBODY: &str = "say who you are: send a bearer token of the cluster, such as kubectl create token prints, or come through the \
                      authenticating proxy";
const NOT_BELIEVED: &str = "the cluster does not take this token: it may have expired";
const SILENT: &str = "the cluster does not answer who may see what";

/// Makes a client of somebody's own token.
pub type ClientOf = Arc<dyn Fn(&str) -> Result<Client, kube::Error> + Send + Sync>;

/// What is remembered of somebody's rights: who, what, where, and which one.
type Right = (Digest, Wish, String, String);

/// The access of everybody who reaches the Service.
pub struct Cluster {
    client: Client,
    proxy: Option<Proxy>,
    /// Absent where people may only look.
    actions: Option<ClientOf>,
    callers: Bounded<Digest, Caller>,
    rights: Bounded<Right, bool>,
    questions: Semaphore,
}

impl Cluster {
    /// Lets in whom the cluster of `client` knows by their token, or whom `proxy` names. They may act with `actions`, by
    /// their own token.
    #[must_use]
    pub fn new(client: Client, proxy: Option<Proxy>, actions: Option<ClientOf>) -> Self {
        let (callers, rights) = (Bounded::new(TOKENS), Bounded::new(RIGHTS));
        Self { client, proxy, actions, callers, rights, questions: Semaphore::new(AT_A_TIME) }
    }

    pub(super) async fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        // A proxy may send the user's token besides: then the cluster itself says who that is.
        if let Some(token) = Token::shown(headers) {
            return self.reviewed(token).await;
        }
        let named = self.proxy.as_ref().and_then(|proxy| proxy.caller(headers));
        named.ok_or(Refusal::Unauthenticated(NOBODY))
    }

    async fn reviewed(&self, token: Token) -> Result<Caller, Refusal> {
        if token.expose().len() > LONGEST_TOKEN {
            return Err(Refusal::Unauthenticated(NOT_BELIEVED));
        }
        let digest = token.digest();
        if let Some(known) = self.callers.get(&digest) {
            return Ok(Caller { token: Some(token), ..known });
        }
        let spec = TokenReviewSpec { token: Some(token.expose().to_owned()), ..TokenReviewSpec::default() };
        let review = self.ask(TokenReview { spec, ..TokenReview::default() }).await?;
        let status = review.status.filter(|status| status.authenticated == Some(true));
        let user = status
            .and_then(|status| status.user)
            .filter(|user| user.username.as_deref().is_some_and(|it| !it.is_empty()));
        let user = user.ok_or(Refusal::Unauthenticated(NOT_BELIEVED))?;
        let caller = Caller {
            name: user.username.unwrap_or_default(),
            groups: user.groups.unwrap_or_default(),
            uid: user.uid,
            extra: user.extra.unwrap_or_default(),
            token: None,
        };
        self.callers.put(digest, caller.clone(), TOKEN);
        Ok(Caller { token: Some(token), ..caller })
    }

    pub(super) async fn may(&self, caller: &Caller, wish: Wish, namespace: &str, name: &str) -> Result<bool, Refusal> {
        let right = (who(caller), wish, namespace.to_owned(), name.to_owned());
        if let Some(known) = self.rights.get(&right) {
            return Ok(known);
        }
        let attributes = ResourceAttributes {
            group: Some(Rollout::group(&()).into_owned()),
            version: Some(Rollout::version(&()).into_owned()),
            resource: Some(Rollout::plural(&()).into_owned()),
            verb: Some(wish.verb().to_owned()),
            namespace: Some(namespace.to_owned()).filter(|it| !it.is_empty()),
            name: Some(name.to_owned()).filter(|it| !it.is_empty()),
            ..ResourceAttributes::default()
        };
        let spec = SubjectAccessReviewSpec {
            user: Some(caller.name.clone()),
            groups: Some(caller.groups.clone()),
            uid: caller.uid.clone(),
            extra: Some(caller.extra.clone()).filter(|extra| !extra.is_empty()),
            resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let review = self.ask(SubjectAccessReview { spec, ..SubjectAccessReview::default() }).await?;
        let is_allowed = review.status.is_some_and(|status| status.allowed && status.denied != Some(true));
        self.rights.put(right, is_allowed, if is_allowed { ALLOWED } else { DENIED });
        Ok(is_allowed)
    }

    /// Asks the API server by creating `question`, of which nothing is kept.
    async fn ask<K>(&self, question: K) -> Result<K, Refusal>
    where
        K: Resource<Scope = k8s_openapi::ClusterResourceScope>
            + Clone
            + serde::Serialize
            + serde::de::DeserializeOwned
            + std::fmt::Debug,
        K::DynamicType: Default,
    {
        let _turn = self.questions.acquire().await.map_err(|_| Refusal::Unavailable(SILENT))?;
        let answer = Api::<K>::all(self.client.clone()).create(&PostParams::default(), &question).await;
        answer.map_err(|error| {
            tracing::warn!(%error, "the API server does not answer the dashboard who may see what");
            Refusal::Unavailable(SILENT)
        })
    }

    pub(super) fn client_of(&self, caller: &Caller) -> Result<Client, Refusal> {
        let forbidden = |why: &str| Refusal::Forbidden(why.to_owned());
        let make = self.actions.as_ref().ok_or_else(|| forbidden("this dashboard is for looking only"))?;
        let token = caller.token.as_ref();
        let token = token
            .ok_or_else(|| forbidden("to act takes your own bearer token: by the proxy's word you may only look"))?;
        make(token.expose()).map_err(|_| Refusal::Unavailable("your token does not make a client"))
    }
}

/// Everything that rights may depend on.
fn who(caller: &Caller) -> Digest {
    let all = serde_json::json!([caller.name, caller.uid, caller.groups, caller.extra]);
    super::digest_of(&all.to_string())
}
