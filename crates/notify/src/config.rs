//! The file in which the platform team says who is told what.

use std::{
    collections::{BTreeMap, HashSet},
    path::{Path, PathBuf},
};

use serde::Deserialize;
use tidegate_api::{
    condition::reason,
    nearest::nearest,
    yaml::{Mistake, settings},
};

use super::{
    kind::{self, Kind},
    notice::Notice,
    routes::{Route, receivers},
    sample,
    words::Template,
};

/// So many notices a receiver takes in a minute unless it says otherwise: what Slack and Teams take of one webhook.
const RATE: u32 = 60;
/// The highest rate.
const HIGHEST_RATE: u32 = 6000;

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the notifications from {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// The file is not what is expected.
    #[error(transparent)]
    Form(Mistake),
    /// A receiver cannot be used.
    #[error("{file}: receiver {receiver:?}: {field}: {why}")]
    Receiver {
        /// The file.
        file: String,
        /// The receiver.
        receiver: String,
        /// The field.
        field: String,
        /// What is wrong with it, and what to do.
        why: String,
    },
    /// A route cannot be used.
    #[error("{file}: routes[{place}].{field}: {why}")]
    Route {
        /// The file.
        file: String,
        /// Which route, counted from 0.
        place: usize,
        /// The field.
        field: &'static str,
        /// What is wrong with it, and what to do.
        why: String,
    },
}

/// Somebody who is told.
#[derive(Debug, Clone)]
pub struct Receiver {
    /// What routes call it.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// How many notices it takes in a minute.
    pub rate: u32,
    /// What is said instead of the usual words.
    pub template: Option<Template>,
}

/// Who is told what.
#[derive(Debug, Clone, Default)]
pub struct Notifications {
    /// All who may be told.
    pub receivers: Vec<Receiver>,
    /// Who is told what, the first that fits first.
    pub routes: Vec<Route>,
    file: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    receivers: Vec<WrittenReceiver>,
    routes: Vec<Route>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct WrittenReceiver {
    name: String,
    #[serde(default)]
    rate_per_minute: Option<u32>,
    #[serde(default)]
    template: Option<Template>,
    #[serde(default)]
    slack: Option<kind::Hook>,
    #[serde(default)]
    teams: Option<kind::Hook>,
    #[serde(default)]
    discord: Option<kind::Hook>,
    #[serde(default)]
    google_chat: Option<kind::Hook>,
    #[serde(default)]
    mattermost: Option<kind::Hook>,
    #[serde(default)]
    pager_duty: Option<kind::PagerDuty>,
    #[serde(default)]
    opsgenie: Option<kind::Opsgenie>,
    #[serde(default)]
    alertmanager: Option<kind::Service>,
    #[serde(default)]
    email: Option<kind::Email>,
    #[serde(default)]
    webhook: Option<kind::Service>,
    #[serde(default)]
    cd_events: Option<kind::Service>,
}

impl WrittenReceiver {
    /// All kinds that it says it is.
    fn kinds(&self) -> Vec<Kind> {
        let kinds = [
            self.slack.clone().map(Kind::Slack),
            self.teams.clone().map(Kind::Teams),
            self.discord.clone().map(Kind::Discord),
            self.google_chat.clone().map(Kind::GoogleChat),
            self.mattermost.clone().map(Kind::Mattermost),
            self.pager_duty.clone().map(Kind::PagerDuty),
            self.opsgenie.clone().map(Kind::Opsgenie),
            self.alertmanager.clone().map(Kind::Alertmanager),
            self.email.clone().map(Kind::Email),
            self.webhook.clone().map(Kind::Webhook),
            self.cd_events.clone().map(Kind::CdEvents),
        ];
        kinds.into_iter().flatten().collect()
    }

    /// The receiver, or the first field that cannot be used, and why.
    fn checked(self) -> Result<Receiver, (String, String)> {
        let no = |field: &str, why: String| Err((field.to_owned(), why));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if self.name.is_empty() || self.name.len() > 63 || !self.name.chars().all(plain) {
            return no("name", "takes 1 to 63 letters, digits, '-', '_' and '.'".to_owned());
        }
        let mut kinds = self.kinds();
        let kind = match (kinds.pop(), kinds.len()) {
            (Some(kind), 0) => kind,
            (None, _) => return no("kind", format!("none is given: write one of {}", Kind::NAMES.join(", "))),
            (Some(second), _) => {
                let why = "is a second kind: a receiver has one; make another receiver of it, and let routes name both";
                return no(second.name(), why.to_owned());
            }
        };
        kind.check().map_err(|(field, why)| (format!("{}.{field}", kind.name()), why))?;
        let rate = self.rate_per_minute.unwrap_or(RATE);
        if rate == 0 || rate > HIGHEST_RATE {
            return no("ratePerMinute", format!("must be 1 to {HIGHEST_RATE}"));
        }
        let receiver = Receiver { name: self.name, kind, rate, template: self.template };
        let samples = reason::ALL.iter().map(|reason| sample::notice(reason.word));
        for notice in samples {
            if let Err(why) = receiver.words(&notice) {
                let field = format!("template.{}", why.split(':').next().unwrap_or_default());
                let why = why.split_once(": ").map_or(why.as_str(), |(_, why)| why);
                return no(&field, format!("{why} (tried out with the reason {})", notice.reason));
            }
        }
        Ok(receiver)
    }
}

impl Notifications {
    /// Reads them from a YAML file.
    ///
    /// # Errors
    /// The file cannot be read, or as [`Self::parse`].
    pub fn load(file: &Path) -> Result<Self, ConfigError> {
        let text =
            std::fs::read_to_string(file).map_err(|source| ConfigError::Read { file: file.to_owned(), source })?;
        Self::parse(&text, &file.display().to_string())
    }

    /// Reads them from YAML text; `file` is what errors call it. No file that it names is looked at.
    ///
    /// # Errors
    /// [`ConfigError`]: the text is not what is expected, or a field has a value that cannot be used.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigError> {
        let written: Written = settings(text, file).map_err(ConfigError::Form)?;
        let mut names = HashSet::new();
        let mut all = Vec::new();
        for receiver in written.receivers {
            let name = receiver.name.clone();
            let no = |(field, why)| ConfigError::Receiver { file: file.to_owned(), receiver: name.clone(), field, why };
            if !names.insert(name.clone()) {
                return Err(no(("name".to_owned(), "two receivers have this name".to_owned())));
            }
            all.push(receiver.checked().map_err(no)?);
        }
        for (place, route) in written.routes.iter().enumerate() {
            check(route, &names).map_err(|(field, why)| ConfigError::Route {
                file: file.to_owned(),
                place,
                field,
                why,
            })?;
        }
        Ok(Self { receivers: all, routes: written.routes, file: file.to_owned() })
    }

    /// A field of a receiver cannot be used, as was found when it was looked at.
    #[must_use]
    pub fn unusable(&self, receiver: &Receiver, field: &str, why: String) -> ConfigError {
        let (file, receiver, field) = (self.file.clone(), receiver.name.clone(), field.to_owned());
        ConfigError::Receiver { file, receiver, field, why }
    }

    /// Whether it takes the labels of namespaces to know who is told.
    #[must_use]
    pub fn asks_for_namespaces(&self) -> bool {
        self.routes.iter().any(|route| !route.namespaces.labels.is_empty())
    }

    /// The receivers that no route names: they are never told anything.
    pub fn unreached(&self) -> impl Iterator<Item = &Receiver> {
        let is_named = |name: &str| self.routes.iter().any(|route| route.receivers.iter().any(|known| known == name));
        self.receivers.iter().filter(move |receiver| !is_named(&receiver.name))
    }

    /// The routes that no notice reaches, since an earlier one takes everything: counted from 0.
    pub fn unreachable(&self) -> impl Iterator<Item = usize> {
        let all = |route: &Route| {
            let Route { receivers, goes_on, .. } = route.clone();
            !goes_on && *route == Route { receivers, goes_on, ..Route::default() }
        };
        let last = self.routes.iter().position(all).map_or(self.routes.len(), |place| place + 1);
        last..self.routes.len()
    }

    /// The places of the receivers of `notice`; `namespace` are the labels of its namespace.
    #[must_use]
    pub fn told(&self, notice: &Notice, namespace: &BTreeMap<String, String>) -> Vec<usize> {
        let names = receivers(&self.routes, notice, namespace);
        let place = |name: &&str| self.receivers.iter().position(|receiver| receiver.name == **name);
        names.iter().filter_map(place).collect()
    }
}

/// The first field of a route that cannot be used, and why.
fn check(route: &Route, names: &HashSet<String>) -> Result<(), (&'static str, String)> {
    if route.receivers.is_empty() {
        return Err(("receivers", "names nobody: name at least one receiver".to_owned()));
    }
    if let Some(unknown) = route.receivers.iter().find(|name| !names.contains(*name)) {
        let meant = nearest(unknown, names.iter().map(String::as_str));
        let meant = meant.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
        return Err(("receivers", format!("there is no receiver {unknown:?}{meant}")));
    }
    let words = || reason::ALL.iter().map(|reason| reason.word);
    if let Some(unknown) = route.reasons.iter().find(|word| !words().any(|known| known == **word)) {
        let meant = nearest(unknown, words()).map(|word| format!("; did you mean {word}?")).unwrap_or_default();
        return Err(("reasons", format!("there is no reason {unknown:?}{meant}")));
    }
    if !route.rollouts.names.is_empty() && route.rollouts.names.iter().any(String::is_empty) {
        return Err(("rollouts", "a name is empty".to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHAT: &str = "{name: chat, slack: {urlFile: /slack}}";

    fn refused(text: &str) -> String {
        Notifications::parse(text, "n.yaml").unwrap_err().to_string()
    }

    fn receiver(text: &str) -> String {
        refused(&format!("receivers: [{text}]\nroutes: []"))
    }

    fn route(text: &str) -> String {
        refused(&format!("receivers: [{CHAT}]\nroutes: [{text}]"))
    }

    #[test]
    fn a_file_is_read_with_all_that_it_may_say() {
        let text = "
receivers:
- {name: chat, slack: {urlFile: /slack, caFile: /ca, timeout: 3s}, ratePerMinute: 30, template: {title: '{{ reason }}'}}
- {name: oncall, pagerDuty: {routingKeyFile: /key}}
- {name: board, webhook: {url: 'https://board/hook', bearerTokenFile: /token, signingKeyFile: /key}}
- {name: mail, email: {host: smtp.example.com, from: 'Tidegate <t@example.com>', to: [a@example.com]}}
- {name: events, cdEvents: {url: 'https://events', source: /cluster/one}}
routes:
- {receivers: [oncall], severity: [Page], namespaces: {labels: {tier: '1'}}, continue: true}
- {receivers: [chat, board]}
- {receivers: [mail]}
";
        let read = Notifications::parse(text, "n.yaml").unwrap();
        assert_eq!(read.receivers.iter().map(|receiver| receiver.rate).collect::<Vec<_>>(), [30, 60, 60, 60, 60]);
        assert!(read.asks_for_namespaces());
        assert_eq!(read.unreached().map(|receiver| receiver.name.as_str()).collect::<Vec<_>>(), ["events"]);
        assert_eq!(read.unreachable().collect::<Vec<_>>(), [2]);
        assert_eq!(read.told(&sample::notice("Reverted"), &BTreeMap::new()), [0, 2]);
    }

    #[test]
    fn a_receiver_that_cannot_be_used_is_named_with_what_to_do() {
        let of = |receiver: &str, why: &str| format!("n.yaml: receiver {receiver:?}: {why}");
        assert_eq!(
            receiver("{name: 'a b', slack: {urlFile: /s}}"),
            of("a b", "name: takes 1 to 63 letters, digits, '-', '_' and '.'")
        );
        assert!(receiver("{name: a}").starts_with(&of("a", "kind: none is given: write one of slack, teams,")));
        assert!(
            receiver("{name: a, slack: {urlFile: /s}, teams: {urlFile: /t}}")
                .starts_with(&of("a", "teams: is a second kind"))
        );
        assert_eq!(receiver(&format!("{CHAT}, {CHAT}")), of("chat", "name: two receivers have this name"));
        let rate = receiver("{name: a, slack: {urlFile: /s}, ratePerMinute: 0}");
        assert_eq!(rate, of("a", "ratePerMinute: must be 1 to 6000"));
        let unknown = receiver("{name: a, slack: {urlFile: /s, channel: x}}");
        let sentence =
            "n.yaml:1:44: receivers[0].slack.channel: there is no such field; there are urlFile, caFile, timeout";
        assert_eq!(unknown, sentence);
    }

    #[test]
    fn a_mistake_of_form_is_one_line_with_its_place_and_what_was_meant() {
        for (text, sentence) in [
            (
                "receivers:\n- name: a\n  slak: {urlFile: /s}\nroutes: []",
                "3:3: receivers[0].slak: there is no such field; did you mean slack?",
            ),
            (
                "receivers:\n- name: a\n  slack: {urlFil: /s}\nroutes: []",
                "3:11: receivers[0].slack.urlFil: there is no such field; did you mean urlFile?",
            ),
            (
                "receivers:\n- {name: a, slack: {urlFile: /s}, ratePerMinute: many}\nroutes: []",
                "2:50: receivers[0].ratePerMinute: \"many\" is not a whole number from 0 on that fits",
            ),
            (
                "receivers:\n- {name: a, slack: {urlFile: ~}}\nroutes: []",
                "2:30: receivers[0].slack.urlFile: nothing is not a text",
            ),
            (
                "receivers: []\nroutes:\n- {receivers: [a], severity: [Pag]}",
                "3:31: routes[0].severity[0]: \"Pag\" is unknown; did you mean Page?",
            ),
            (
                "receivers: []\nroutes:\n- {receivers: [a], continue: \"yes\"}",
                "3:30: routes[0].continue: \"yes\" is not true or false",
            ),
            ("receivers: []", "1:1: the field routes is missing"),
            (
                "receivers: []\nroutes: []\n---\nroutes: []",
                "4:1: a second document begins here, and one is read: leave out the --- before it, or what follows",
            ),
        ] {
            assert_eq!(refused(text), format!("n.yaml:{sentence}"), "{text}");
        }
    }

    #[test]
    fn a_template_is_tried_out_with_every_reason() {
        let with =
            |text: &str| receiver(&format!("{{name: a, slack: {{urlFile: /s}}, template: {{text: \"{text}\"}}}}"));
        let wrong = with("{{ mesage }}");
        assert!(wrong.starts_with("n.yaml: receiver \"a\": template.text: undefined value"), "{wrong}");
        let at_times = with("{% if severity == 'Resolve' %}{{ nothing }}{% endif %}");
        assert!(at_times.contains("tried out with the reason Adopted"), "{at_times}");
    }

    #[test]
    fn a_route_that_cannot_be_used_is_named_with_what_was_meant() {
        let of = |why: &str| format!("n.yaml: routes[0].{why}");
        assert_eq!(route("{receivers: []}"), of("receivers: names nobody: name at least one receiver"));
        assert_eq!(route("{receivers: [chatt]}"), of("receivers: there is no receiver \"chatt\"; did you mean chat?"));
        let reasons = route("{receivers: [chat], reasons: [Revertd]}");
        assert_eq!(reasons, of("reasons: there is no reason \"Revertd\"; did you mean Reverted?"));
        assert!(route("{receivers: [chat], severity: [Panic]}").contains("Panic"));
    }
}
