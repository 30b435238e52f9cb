//! What a receiver is, and how it is reached.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use lettre::message::Mailbox;
use serde::Deserialize;
use tidegate_api::Span;
use tidegate_endpoints::{
    BasicAuth,
    fields::{self, Unfit},
};

use super::{
    config::Receiver,
    fitted::{Escape, plain},
    notice::Notice,
    receivers::{
        Call, Form, alertmanager, cd_events, discord, email, google_chat, mattermost, opsgenie, pager_duty, slack,
        teams, webhook,
    },
    words::Words,
};

/// What a receiver is.
#[derive(Debug, Clone)]
pub enum Kind {
    /// A channel of Slack.
    Slack(Hook),
    /// A channel of Microsoft Teams.
    Teams(Hook),
    /// A channel of Discord.
    Discord(Hook),
    /// A space of Google Chat.
    GoogleChat(Hook),
    /// A channel of Mattermost.
    Mattermost(Hook),
    /// A service of PagerDuty.
    PagerDuty(PagerDuty),
    /// A team of Opsgenie.
    Opsgenie(Opsgenie),
    /// An Alertmanager.
    Alertmanager(Service),
    /// Mailboxes.
    Email(Email),
    /// Any service.
    Webhook(Service),
    /// Whoever takes CDEvents.
    CdEvents(Service),
}

/// A webhook whose address is its secret.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Hook {
    /// A file with the address; read for each request, so that it may be rotated.
    pub url_file: PathBuf,
    /// A PEM file with the only certificates that may vouch for the server. Default: those of the system.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How long one answer may take. Default: 10s.
    #[serde(default = "patience")]
    pub timeout: Span,
}

/// A service of PagerDuty.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PagerDuty {
    /// A file with the integration key; read for each request.
    pub routing_key_file: PathBuf,
    /// Where PagerDuty is. Default: `https://events.pagerduty.com`.
    #[serde(default = "pager_duty")]
    pub url: String,
    /// As of a [`Hook`].
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// As of a [`Hook`].
    #[serde(default = "patience")]
    pub timeout: Span,
}

/// A team of Opsgenie.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Opsgenie {
    /// A file with the API key of the integration; read for each request.
    pub api_key_file: PathBuf,
    /// Where Opsgenie is. Default: `https://api.opsgenie.com`; in Europe `https://api.eu.opsgenie.com`.
    #[serde(default = "opsgenie")]
    pub url: String,
    /// As of a [`Hook`].
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// As of a [`Hook`].
    #[serde(default = "patience")]
    pub timeout: Span,
}

/// A service with an address that everybody may know.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Service {
    /// Where it is; of an Alertmanager, without `/api/v2`.
    pub url: String,
    /// Sent with each request; no secrets.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Further headers, each with the file that has its value; read for each request.
    #[serde(default)]
    pub header_files: BTreeMap<String, PathBuf>,
    /// A file with a bearer token; read for each request.
    #[serde(default)]
    pub bearer_token_file: Option<PathBuf>,
    /// A user, and a file with the password.
    #[serde(default)]
    pub basic_auth: Option<BasicAuth>,
    /// As of a [`Hook`].
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// A file with the key by which requests are signed; read for each request. For webhooks alone.
    #[serde(default)]
    pub signing_key_file: Option<PathBuf>,
    /// Who says so: what tells this cluster from others, such as `/clusters/prod-eu`. For CDEvents, which need it.
    #[serde(default)]
    pub source: Option<String>,
    /// As of a [`Hook`].
    #[serde(default = "patience")]
    pub timeout: Span,
}

/// Mailboxes, and the server that takes letters for them.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Email {
    /// The server.
    pub host: String,
    /// Its port. Default: 587, with `tls: Always` 465, with `tls: Never` 25.
    #[serde(default)]
    pub port: Option<u16>,
    /// Whether the connection is encrypted. Default: `StartTls`.
    #[serde(default)]
    pub tls: Tls,
    /// Who writes.
    pub from: Mailbox,
    /// Who reads.
    pub to: Vec<Mailbox>,
    /// The user at the server. Default: none.
    #[serde(default)]
    pub username: Option<String>,
    /// A file with the user's password; read for each letter.
    #[serde(default)]
    pub password_file: Option<PathBuf>,
    /// As of a [`Hook`].
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// How long one letter may take. Default: 10s.
    #[serde(default = "patience")]
    pub timeout: Span,
}

/// Whether a connection is encrypted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum Tls {
    /// It begins without, and goes on with it or ends.
    #[default]
    StartTls,
    /// From its beginning on.
    Always,
    /// Never: for a server in the same cluster.
    Never,
}

fn patience() -> Span {
    Span::seconds(10)
}

fn pager_duty() -> String {
    "https://events.pagerduty.com".to_owned()
}

fn opsgenie() -> String {
    "https://api.opsgenie.com".to_owned()
}

impl Kind {
    /// What each is called in the file.
    pub const NAMES: [&str; 11] = [
        "slack",
        "teams",
        "discord",
        "googleChat",
        "mattermost",
        "pagerDuty",
        "opsgenie",
        "alertmanager",
        "email",
        "webhook",
        "cdEvents",
    ];

    /// What it is called in the file.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Slack(_) => "slack",
            Self::Teams(_) => "teams",
            Self::Discord(_) => "discord",
            Self::GoogleChat(_) => "googleChat",
            Self::Mattermost(_) => "mattermost",
            Self::PagerDuty(_) => "pagerDuty",
            Self::Opsgenie(_) => "opsgenie",
            Self::Alertmanager(_) => "alertmanager",
            Self::Email(_) => "email",
            Self::Webhook(_) => "webhook",
            Self::CdEvents(_) => "cdEvents",
        }
    }

    /// How its markup says a letter as it is.
    #[must_use]
    pub fn escape(&self) -> Escape {
        match self {
            Self::Slack(_) => slack::escape,
            Self::Discord(_) => discord::escape,
            Self::GoogleChat(_) => google_chat::escape,
            Self::Mattermost(_) => mattermost::escape,
            _ => plain,
        }
    }

    /// Whether it can be sent a picture. Services for chat show what lies at a public address, and no SVG.
    #[must_use]
    pub const fn takes_pictures(&self) -> bool {
        matches!(self, Self::Email(_) | Self::Webhook(_))
    }

    /// A file whose content is part of what is sent.
    #[must_use]
    pub fn key_file(&self) -> Option<&Path> {
        match self {
            Self::PagerDuty(service) => Some(&service.routing_key_file),
            _ => None,
        }
    }

    /// What is sent for `notice`, with the content of [`Self::key_file`]. Nothing, where it has no word for it.
    #[must_use]
    pub fn forms(&self, notice: &Notice, words: &Words, key: &str) -> Vec<Form> {
        let one = |call: Call| vec![Form::Call(call)];
        let all = |calls: Vec<Call>| calls.into_iter().map(Form::Call).collect();
        match self {
            Self::Slack(_) => one(slack::call(notice, words)),
            Self::Teams(_) => one(teams::call(notice, words)),
            Self::Discord(_) => one(discord::call(notice, words)),
            Self::GoogleChat(_) => one(google_chat::call(notice, words)),
            Self::Mattermost(_) => one(mattermost::call(notice, words)),
            Self::PagerDuty(_) => all(pager_duty::calls(notice, words, key)),
            Self::Opsgenie(_) => all(opsgenie::calls(notice, words)),
            Self::Alertmanager(_) => all(alertmanager::calls(notice, words)),
            Self::Email(_) => vec![Form::Letter(email::letter(notice, words))],
            Self::Webhook(_) => one(webhook::call(notice, words)),
            Self::CdEvents(events) => {
                all(cd_events::calls(notice, words, events.source.as_deref().unwrap_or_default()))
            }
        }
    }

    /// Whether its values can be used, as far as that is known without a look at files.
    pub(super) fn check(&self) -> Result<(), Unfit> {
        match self {
            Self::Slack(hook)
            | Self::Teams(hook)
            | Self::Discord(hook)
            | Self::GoogleChat(hook)
            | Self::Mattermost(hook) => patient(hook.timeout),
            Self::PagerDuty(service) => at(&service.url, service.timeout),
            Self::Opsgenie(service) => at(&service.url, service.timeout),
            Self::Alertmanager(service) => service.without_key().and_then(|()| service.without_source()),
            Self::Webhook(service) => service.without_source(),
            Self::CdEvents(service) => service.without_key().and_then(|()| service.with_source()),
            Self::Email(mail) => mail.check(),
        }
    }
}

impl Service {
    fn check(&self) -> Result<(), Unfit> {
        at(&self.url, self.timeout)?;
        fields::headers(&self.headers, &self.header_files)?;
        fields::credentials(self.bearer_token_file.as_ref(), self.basic_auth.as_ref())
    }

    fn without_key(&self) -> Result<(), Unfit> {
        if self.signing_key_file.is_some() {
            return Err(("signingKeyFile", "is for webhooks: nobody else knows these signatures".to_owned()));
        }
        Ok(())
    }

    fn without_source(&self) -> Result<(), Unfit> {
        if self.source.is_some() {
            return Err(("source", "is for cdEvents alone: leave it out".to_owned()));
        }
        self.check()
    }

    fn with_source(&self) -> Result<(), Unfit> {
        let source = self.source.as_deref().unwrap_or_default();
        if source.is_empty() || source.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
            return Err(("source", "must be a URI reference, such as /clusters/prod-eu".to_owned()));
        }
        self.check()
    }
}

impl Email {
    fn check(&self) -> Result<(), Unfit> {
        let is_odd = |letter: char| letter.is_whitespace() || letter == '/' || letter == ':';
        if self.host.is_empty() || self.host.chars().any(is_odd) {
            return Err(("host", "must be the name of a server, without a port: write that in port".to_owned()));
        }
        if self.to.is_empty() {
            return Err(("to", "names nobody: name at least one mailbox".to_owned()));
        }
        if self.username.is_some() != self.password_file.is_some() {
            return Err(("username", "goes with passwordFile, and neither without the other".to_owned()));
        }
        if self.username.is_some() && self.tls == Tls::Never {
            return Err(("tls", "Never would send the password for everybody to read".to_owned()));
        }
        patient(self.timeout)
    }
}

fn at(url: &str, timeout: Span) -> Result<(), Unfit> {
    fields::address(url)?;
    patient(timeout)
}

fn patient(timeout: Span) -> Result<(), Unfit> {
    let timeout = timeout.duration().as_secs_f64();
    if timeout > 0.0 && timeout <= 60.0 {
        return Ok(());
    }
    Err(("timeout", "must be longer than 0s, and at most 60s".to_owned()))
}

impl Receiver {
    /// The words for `notice`.
    ///
    /// # Errors
    /// Which part of the template fails, and why.
    pub fn words(&self, notice: &Notice) -> Result<Words, String> {
        match &self.template {
            Some(template) => Words::rendered(template, notice, self.kind.escape()),
            None => Ok(Words::usual(notice)),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Notifications;

    fn refused(kind: &str) -> String {
        let text = format!("receivers: [{{name: a, {kind}}}]\nroutes: []");
        Notifications::parse(&text, "n.yaml").unwrap_err().to_string()
    }

    #[test]
    fn a_field_that_cannot_be_used_is_named_below_its_kind() {
        for (kind, why) in [
            ("webhook: {url: 'ftp://a'}", "webhook.url: must start with http:// or https:// and name a host"),
            ("webhook: {url: 'http://me:secret@a'}", "webhook.url: must not hold credentials; they belong in files"),
            ("slack: {urlFile: /s, timeout: 2m}", "slack.timeout: must be longer than 0s, and at most 60s"),
            (
                "alertmanager: {url: 'http://a', signingKeyFile: /k}",
                "alertmanager.signingKeyFile: is for webhooks: nobody else knows these signatures",
            ),
            (
                "webhook: {url: 'http://a', headers: {Authorization: x}}",
                "webhook.headers: a secret belongs in bearerTokenFile or basicAuth, not here",
            ),
            ("webhook: {url: 'http://a', source: /a}", "webhook.source: is for cdEvents alone: leave it out"),
            ("cdEvents: {url: 'http://a'}", "cdEvents.source: must be a URI reference, such as /clusters/prod-eu"),
            (
                "cdEvents: {url: 'http://a', source: ''}",
                "cdEvents.source: must be a URI reference, such as /clusters/prod-eu",
            ),
            (
                "email: {host: 'a:25', from: a@b.c, to: [a@b.c]}",
                "email.host: must be the name of a server, without a port: write that in port",
            ),
            ("email: {host: a, from: a@b.c, to: []}", "email.to: names nobody: name at least one mailbox"),
            (
                "email: {host: a, from: a@b.c, to: [a@b.c], username: me}",
                "email.username: goes with passwordFile, and neither without the other",
            ),
            (
                "email: {host: a, from: a@b.c, to: [a@b.c], username: me, passwordFile: /p, tls: Never}",
                "email.tls: Never would send the password for everybody to read",
            ),
        ] {
            assert_eq!(refused(kind), format!("n.yaml: receiver \"a\": {why}"));
        }
        assert!(refused("email: {host: a, from: nobody, to: [a@b.c]}").contains("from"));
    }
}
