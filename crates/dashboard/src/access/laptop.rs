//! One person on their own machine: the rights of their kubeconfig, for whoever knows the link that was printed.

use std::fmt::Write as _;

use http::{
    HeaderMap,
    header::{HOST, ORIGIN},
    request::Parts,
};
use kube::Client;

use super::{Caller, Digest, FOREIGN, Refusal, Token, digest_of, is_origin};

/// What is said to whoever does not know the link.
const NO_LINK: &str = "open the link that tidegate printed: it has a key that this request does not show";

/// The access of one person on their own machine.
pub struct Laptop {
    client: Client,
    port: u16,
    token: String,
    digest: Digest,
}

impl Laptop {
    /// Lets in whoever shows a token that nobody can guess, and that [`Self::link`] has, at `port` of this machine.
    #[must_use]
    pub fn new(client: Client, port: u16) -> Self {
        let mut token = String::new();
        for byte in rand::random::<[u8; 24]>() {
            // Writing to a string cannot fail.
            let _ = write!(token, "{byte:02x}");
        }
        let digest = digest_of(&token);
        Self { client, port, token, digest }
    }

    /// Where the dashboard is. Behind the `#` the browser sends nothing to anybody.
    #[must_use]
    pub fn link(&self) -> String {
        format!("http://127.0.0.1:{}/#token={}", self.port, self.token)
    }

    /// By a name of its own, another site could have this machine asked (DNS rebinding): only this machine's are answered.
    pub(super) fn admit(&self, parts: &Parts) -> Result<(), Refusal> {
        let hosts = ["127.0.0.1", "localhost", "[::1]"].map(|host| format!("{host}:{}", self.port));
        let named = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
        let is_here = named.is_some_and(|named| hosts.iter().any(|host| host == named));
        let origin = parts.headers.get(ORIGIN);
        let is_own = origin.is_none_or(|it| it.to_str().is_ok_and(|it| is_origin(it, &parts.headers)));
        if is_here && is_own { Ok(()) } else { Err(Refusal::Forbidden(FOREIGN.to_owned())) }
    }

    pub(super) fn caller(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let shown = Token::shown(headers).filter(|token| token.digest() == self.digest);
        shown.map(|_| Caller::default()).ok_or(Refusal::Unauthenticated(NO_LINK))
    }

    pub(super) fn client(&self) -> Client {
        self.client.clone()
    }
}
