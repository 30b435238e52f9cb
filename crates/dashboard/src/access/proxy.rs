//! An authenticating proxy in front of the dashboard, which says in headers who asks.

use std::{io, path::PathBuf};

use http::{HeaderMap, HeaderName};

use super::{Caller, digest_of};

/// The header in which the proxy shows that it is the one.
pub const PROXY_SECRET: &str = "x-tidegate-proxy-secret";

/// What names and groups of Kubernetes' own begin with: a proxy gives nobody one.
const SYSTEM: &str = "system:";

/// A proxy that is believed. It is told by a secret that it sends and that only it and the dashboard know: an address
/// tells less, since another pod may have it tomorrow, or send in its name today.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// The header with the user's name.
    pub user: HeaderName,
    /// The header with their groups: one or several, each with commas between them.
    pub groups: Option<HeaderName>,
    /// The file with the secret. It is read for each request, so that it may be rotated.
    pub secret_file: PathBuf,
}

impl Proxy {
    /// Whoever the proxy says asks; nothing where the request does not come from it, or names nobody.
    pub(super) fn caller(&self, headers: &HeaderMap) -> Option<Caller> {
        let shown = headers.get(PROXY_SECRET)?.to_str().ok()?;
        let secret =
            self.secret().inspect_err(|error| tracing::warn!(%error, "the proxy's secret cannot be read")).ok()?;
        if secret.is_empty() || digest_of(shown) != digest_of(&secret) {
            return None;
        }
        let mut users = headers.get_all(&self.user).iter();
        let user = users.next()?.to_str().ok()?.trim();
        // Two names are nobody's: one of them may be the client's own.
        if users.next().is_some() || user.is_empty() || user.starts_with(SYSTEM) {
            return None;
        }
        let groups = self.groups.iter().flat_map(|name| headers.get_all(name)).filter_map(|value| value.to_str().ok());
        let groups = groups.flat_map(|value| value.split(',')).map(str::trim);
        let groups = groups.filter(|group| !group.is_empty() && !group.starts_with(SYSTEM)).map(str::to_owned);
        let groups = groups.chain(["system:authenticated".to_owned()]).collect();
        Some(Caller { name: user.to_owned(), groups, ..Caller::default() })
    }

    fn secret(&self) -> io::Result<String> {
        Ok(std::fs::read_to_string(&self.secret_file)?.trim().to_owned())
    }
}
