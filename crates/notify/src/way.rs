//! How a receiver is reached: over HTTP or by e-mail, with the platform team's credentials, and never further.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use reqwest::{
    Response, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
};
use tidegate_api::{Causes, Span, one_line};
use tidegate_endpoints::{Connection, Endpoint, Fault, fields, secret};
use tidegate_webhook::{signature, signing_key};

use super::{
    config::{ConfigError, Notifications, Receiver},
    fitted::cut,
    kind::{Kind, Service},
    mail::Mailer,
    notice::Notice,
    outcome::Outcome,
    receivers::{Call, Form},
    words::{Part, Words},
};

/// So much of an answer is read: it may say why it refuses.
const ANSWER: usize = 4 << 10;
/// So much of that is told.
const SAID: usize = 200;

/// The way to one receiver.
pub struct Way {
    receiver: Receiver,
    by: By,
}

enum By {
    Http(Box<Http>),
    Mail(Box<Mailer>),
}

struct Http {
    connection: Connection,
    place: Place,
    timeout: Duration,
    /// `GenieKey` and a key from a file.
    genie: Option<PathBuf>,
    signing: Option<PathBuf>,
}

/// Where requests go.
enum Place {
    Known(String),
    File(PathBuf),
}

impl Way {
    /// Ways to all receivers, in their order.
    ///
    /// # Errors
    /// A file that one of them names cannot be used.
    pub fn all(config: &Notifications) -> Result<Vec<Self>, ConfigError> {
        let way = |receiver: &Receiver| {
            let unusable = |(field, why): (&str, String)| {
                config.unusable(receiver, &format!("{}.{field}", receiver.kind.name()), why)
            };
            Self::to(receiver).map_err(unusable)
        };
        config.receivers.iter().map(way).collect()
    }

    fn to(receiver: &Receiver) -> Result<Self, (&'static str, String)> {
        let by = match &receiver.kind {
            Kind::Email(mail) => By::Mail(Box::new(Mailer::new(mail)?)),
            kind => By::Http(Box::new(Http::to(&receiver.name, kind)?)),
        };
        if let Some(file) = receiver.kind.key_file() {
            secret(file).map_err(|fault| ("routingKeyFile", fault.to_string()))?;
        }
        Ok(Self { receiver: receiver.clone(), by })
    }

    /// Tells the receiver of `notice` at `now`.
    pub async fn tell(&self, notice: &Notice, now: Timestamp) -> Outcome {
        let key = match self.receiver.kind.key_file().map(secret).transpose() {
            Ok(key) => key.unwrap_or_default(),
            Err(fault) => return Outcome::unwelcome(fault.to_string()),
        };
        let words = self.receiver.words(notice).unwrap_or_else(|why| without_template(notice, &why));
        let forms = self.receiver.kind.forms(notice, &words, &key);
        if forms.is_empty() {
            return Outcome::Skipped;
        }
        for form in &forms {
            let outcome = match (&self.by, form) {
                (By::Http(http), Form::Call(call)) => http.call(call, notice, now).await,
                (By::Mail(mailer), Form::Letter(letter)) => mailer.send(letter, now).await,
                _ => Outcome::Refused("it takes no such form".to_owned()),
            };
            if outcome != Outcome::Delivered {
                return outcome;
            }
        }
        Outcome::Delivered
    }
}

/// A template that fails keeps nobody from being told.
fn without_template(notice: &Notice, why: &str) -> Words {
    let usual = Words::usual(notice);
    let text = format!("{} (the template of this receiver fails: {why})", usual.text.text());
    Words { text: Part::Plain(one_line(&text)), ..usual }
}

impl Http {
    fn to(name: &str, kind: &Kind) -> Result<Self, (&'static str, String)> {
        let (place, mut endpoint) = reached(name, kind);
        if let Place::File(file) = &place {
            endpoint.url = address_in(file).map_err(|fault| ("urlFile", fault.to_string()))?;
        }
        let (genie, signing) = match kind {
            Kind::Opsgenie(service) => (Some(service.api_key_file.clone()), None),
            Kind::Webhook(service) => (None, service.signing_key_file.clone()),
            _ => (None, None),
        };
        if let Some(file) = &genie {
            secret(file).map_err(|fault| ("apiKeyFile", fault.to_string()))?;
        }
        if let Some(file) = &signing {
            signing_key(file).map_err(|fault| ("signingKeyFile", fault.to_string()))?;
        }
        let connection = Connection::new(&endpoint)?;
        Ok(Self { connection, place, timeout: endpoint.timeout.duration(), genie, signing })
    }

    async fn call(&self, call: &Call, notice: &Notice, now: Timestamp) -> Outcome {
        match tokio::time::timeout(self.timeout, self.asked(call, notice, now)).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(fault @ Fault::Credentials(_))) => Outcome::unwelcome(fault.to_string()),
            Ok(Err(fault)) => Outcome::later(fault.to_string()),
            Err(_) => Outcome::later(format!("it does not answer within {}", Span::from(self.timeout))),
        }
    }

    async fn asked(&self, call: &Call, notice: &Notice, now: Timestamp) -> Result<Outcome, Fault> {
        let body = call.body.to_string();
        let mut headers = self.connection.headers()?;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(call.content_type));
        self.identify(&mut headers, &notice.id, &body, now)?;
        let place = match &self.place {
            Place::Known(url) => url.clone(),
            Place::File(file) => address_in(file)?,
        };
        let Ok(url) = Url::parse(&joined(&place, &call.path)) else {
            return Err(Fault::Credentials("the file with its address holds none".to_owned()));
        };
        let request = self.connection.client().post(url).headers(headers).body(body);
        let response = request.send().await.map_err(|error| Fault::unreachable(&error))?;
        let (status, after) = (response.status().as_u16(), retry_after(response.headers(), now));
        let said = if (200..300).contains(&status) { String::new() } else { beginning(response).await };
        Ok(Outcome::of_status(status, &said, after))
    }

    /// Says who asks, where the address alone does not.
    fn identify(&self, headers: &mut HeaderMap, id: &str, body: &str, now: Timestamp) -> Result<(), Fault> {
        if let Some(file) = &self.genie {
            let unfit = |_| Fault::Credentials(format!("{}: its content does not fit into a header", file.display()));
            let mut value = HeaderValue::try_from(format!("GenieKey {}", secret(file)?)).map_err(unfit)?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        if let Some(file) = &self.signing {
            let time = now.as_second();
            let signature = signature(&signing_key(file)?, id, time, body);
            for (name, value) in [("webhook-timestamp", time.to_string()), ("webhook-signature", signature)] {
                if let Ok(value) = HeaderValue::try_from(value) {
                    headers.insert(HeaderName::from_static(name), value);
                }
            }
        }
        for name in ["webhook-id", "idempotency-key"] {
            if let Ok(value) = HeaderValue::try_from(id) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        Ok(())
    }
}

/// The address that a file holds.
fn address_in(file: &Path) -> Result<String, Fault> {
    let url = secret(file)?;
    fields::address(&url).map_err(|(_, why)| Fault::Credentials(format!("{}: what it holds {why}", file.display())))?;
    Ok(url)
}

/// The address with what follows it. A query of its own is gone on with.
fn joined(place: &str, path: &str) -> String {
    match path.strip_prefix('?') {
        Some(query) if place.contains('?') => format!("{place}&{query}"),
        Some(_) => format!("{place}{path}"),
        None if path.is_empty() => place.to_owned(),
        None => format!("{}{path}", place.trim_end_matches('/')),
    }
}

/// Where a receiver of that kind is, and what is sent with each request.
fn reached(name: &str, kind: &Kind) -> (Place, Endpoint) {
    let known = |url: &String| Place::Known(url.clone());
    match kind {
        Kind::Slack(hook)
        | Kind::Teams(hook)
        | Kind::Discord(hook)
        | Kind::GoogleChat(hook)
        | Kind::Mattermost(hook) => {
            let endpoint = endpoint(name, "", hook.ca_file.as_ref(), hook.timeout);
            (Place::File(hook.url_file.clone()), endpoint)
        }
        Kind::PagerDuty(service) => {
            (known(&service.url), endpoint(name, &service.url, service.ca_file.as_ref(), service.timeout))
        }
        Kind::Opsgenie(service) => {
            (known(&service.url), endpoint(name, &service.url, service.ca_file.as_ref(), service.timeout))
        }
        Kind::Alertmanager(service) | Kind::Webhook(service) | Kind::CdEvents(service) => {
            (known(&service.url), of_service(name, service))
        }
        Kind::Email(_) => (Place::Known(String::new()), endpoint(name, "", None, Span::seconds(0))),
    }
}

fn of_service(name: &str, service: &Service) -> Endpoint {
    Endpoint {
        headers: service.headers.clone(),
        header_files: service.header_files.clone(),
        bearer_token_file: service.bearer_token_file.clone(),
        basic_auth: service.basic_auth.clone(),
        ..endpoint(name, &service.url, service.ca_file.as_ref(), service.timeout)
    }
}

fn endpoint(name: &str, url: &str, ca_file: Option<&PathBuf>, timeout: Span) -> Endpoint {
    Endpoint {
        name: name.to_owned(),
        url: url.to_owned(),
        headers: BTreeMap::new(),
        bearer_token_file: None,
        basic_auth: None,
        header_files: BTreeMap::new(),
        ca_file: ca_file.cloned(),
        signing_key_file: None,
        max_series: None,
        provider: None,
        store: None,
        params: BTreeMap::new(),
        timeout,
    }
}

/// How long the receiver wants to be left alone: seconds, or an instant.
///
/// <https://www.rfc-editor.org/rfc/rfc9110#section-10.2.3>
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    // Discord has parts of seconds.
    if let Some(seconds) = text.parse::<f64>().ok().filter(|seconds| (0.0..1e9).contains(seconds)) {
        return Some(Duration::from_secs_f64(seconds));
    }
    let until = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Duration::try_from(until.duration_since(now).max(SignedDuration::ZERO)).ok()
}

/// What the beginning of an answer says, on one line.
async fn beginning(mut response: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend(chunk.iter().take(ANSWER - body.len()));
        if body.len() >= ANSWER {
            break;
        }
    }
    cut(&one_line(&String::from_utf8_lossy(&body)), SAID)
}

/// What is innermost of an error, on one line.
pub(super) fn root(error: &(dyn std::error::Error + 'static)) -> String {
    cut(&one_line(&Causes(error).to_string()), SAID)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, HeaderValue::try_from(text).unwrap());
        retry_after(&headers, "2026-03-03T02:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_receiver_says_how_long_in_seconds_or_until_when() {
        assert_eq!(after("120"), Some(Duration::from_mins(2)));
        assert_eq!(after("0.5"), Some(Duration::from_millis(500)));
        assert_eq!(after("Tue, 03 Mar 2026 02:01:00 GMT"), Some(Duration::from_mins(1)));
        assert_eq!(after("Tue, 03 Mar 2026 01:00:00 GMT"), Some(Duration::ZERO));
        for odd in ["soon", "-1", "1e99", "NaN"] {
            assert_eq!(after(odd), None, "{odd}");
        }
    }

    #[test]
    fn an_address_keeps_its_own_query() {
        assert_eq!(joined("https://chat/v1?key=a", "?b=c"), "https://chat/v1?key=a&b=c");
        assert_eq!(joined("https://chat/v1", "?b=c"), "https://chat/v1?b=c");
        assert_eq!(joined("https://am/prod/", "/api/v2/alerts"), "https://am/prod/api/v2/alerts");
        assert_eq!(joined("https://hook/", ""), "https://hook/");
    }
}
