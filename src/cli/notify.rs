//! `tidegate notify`: what receivers of notifications would be sent, and how they do.

use std::{collections::BTreeMap, path::PathBuf, process::ExitCode, sync::Arc};

use anyhow::{Context, bail};
use clap::{Args, Subcommand, builder::NonEmptyStringValueParser};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use tidegate_api::{condition::reason, metadata::object::NOTIFICATIONS, nearest::nearest, one_line};
use tidegate_notify::{Bearing, Kind, Notice, Notifications, Receiver, Severity, receivers::Form, sample};
use tidegate_operator::{controller::CallError, serve::Metrics};

use super::{connect, print, target::ended};

/// The arguments of `tidegate notify`.
#[derive(Debug, Args)]
pub struct Options {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints what each receiver would be sent for a sample, and sends nothing.
    Preview(Preview),
    /// Says how the receivers of the operator do: how many notifications wait, and since when one fails.
    Status(Record),
}

#[derive(Debug, Args)]
struct Preview {
    /// The YAML file that says who is told what Rollouts do
    #[arg(short, long, value_name = "FILE")]
    file: PathBuf,

    /// Only this receiver
    #[arg(long, value_name = "NAME")]
    receiver: Option<String>,

    /// Why: one of docs/reference/reasons.md
    #[arg(long, value_name = "REASON", default_value = reason::REVERTED)]
    reason: String,

    /// What happened, instead of a sentence that fits
    #[arg(long, value_name = "TEXT")]
    message: Option<String>,
}

#[derive(Debug, Args)]
struct Record {
    /// The namespace of the operator
    #[arg(long, short, value_name = "NAME", default_value = "tidegate-system")]
    namespace: String,

    /// The name of the record
    #[arg(long, value_name = "NAME", default_value = NOTIFICATIONS, value_parser = NonEmptyStringValueParser::new())]
    record: String,
}

/// Does it. The code is 0 when it is done, and 2 when it is not.
pub fn main(options: &Options) -> ExitCode {
    match &options.command {
        Command::Preview(preview) => ended(async { print(&previewed(preview)?) }),
        Command::Status(record) => ended(async { print(&standing(record).await?) }),
    }
}

fn previewed(preview: &Preview) -> anyhow::Result<String> {
    let config = Notifications::load(&preview.file)?;
    let words = || reason::ALL.iter().map(|reason| reason.word);
    if !words().any(|word| word == preview.reason) {
        let meant = nearest(&preview.reason, words()).map(|word| format!("; did you mean {word}?")).unwrap_or_default();
        bail!("there is no reason {}{meant}", preview.reason);
    }
    let names = || config.receivers.iter().map(|receiver| receiver.name.as_str());
    if let Some(name) = preview.receiver.as_deref().filter(|name| !names().any(|known| known == *name)) {
        let meant = nearest(name, names()).map(|name| format!("; did you mean {name}?")).unwrap_or_default();
        bail!("there is no receiver {name}{meant}");
    }
    let mut notice = sample::notice(&preview.reason);
    if let Some(message) = &preview.message {
        notice.message = one_line(message);
    }
    let is_wanted = |receiver: &&Receiver| preview.receiver.as_ref().is_none_or(|name| *name == receiver.name);
    let told = config.told(&notice, &BTreeMap::new());
    let parts = config.receivers.iter().enumerate().filter(|(_, receiver)| is_wanted(receiver));
    let parts = parts.map(|(place, receiver)| part(receiver, &notice, told.contains(&place)));
    Ok(parts.collect::<anyhow::Result<Vec<_>>>()?.join("\n"))
}

/// What one receiver is sent.
fn part(receiver: &Receiver, notice: &Notice, is_told: bool) -> anyhow::Result<String> {
    let (name, kind) = (&receiver.name, receiver.kind.name());
    let ends = matches!(Bearing::of(&notice.reason), Bearing::Ends(_));
    let route = match (is_told, ends) {
        (true, _) => "",
        (false, true) => "; by its routes only if it was told of what this ends",
        (false, false) => "; no route sends it there, unless by the labels of a namespace",
    };
    let severity: Severity = notice.severity;
    let words = receiver.words(notice).map_err(anyhow::Error::msg).with_context(|| format!("receiver {name}"))?;
    let forms = receiver.kind.forms(notice, &words, "<the key of routingKeyFile>");
    let shown = forms.iter().map(|form| match form {
        Form::Call(call) => format!("POST {}{}\n{:#}\n", address(&receiver.kind), call.path, call.body),
        Form::Letter(letter) => format!("Subject: {}\n\n{}", letter.subject, letter.body),
    });
    let shown: String = shown.collect();
    let shown = if forms.is_empty() { "nothing: it has no word for this\n" } else { &shown };
    Ok(format!("# {name} ({kind}): {severity}{route}\n{shown}"))
}

/// Where it goes, as far as everybody may know.
fn address(kind: &Kind) -> String {
    match kind {
        Kind::Slack(hook)
        | Kind::Teams(hook)
        | Kind::Discord(hook)
        | Kind::GoogleChat(hook)
        | Kind::Mattermost(hook) => {
            format!("<the address in {}>", hook.url_file.display())
        }
        Kind::PagerDuty(service) => service.url.clone(),
        Kind::Opsgenie(service) => service.url.clone(),
        Kind::Alertmanager(service) | Kind::Webhook(service) => service.url.clone(),
        Kind::CdEvents(events) => events.url.clone(),
        Kind::Email(mail) => mail.host.clone(),
    }
}

async fn standing(record: &Record) -> anyhow::Result<String> {
    // One that is there already is the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = connect::client(Arc::new(Metrics::default())).await?;
    let api: Api<ConfigMap> = Api::namespaced(client, &record.namespace);
    let found = api.get_opt(&record.record).await.map_err(CallError::from);
    let Record { namespace, record } = record;
    let found = found.with_context(|| format!("ConfigMap {namespace}/{record} cannot be read"))?;
    let found = found.with_context(|| {
        format!("there is no ConfigMap {namespace}/{record}: the operator has no receivers, or has never led with them")
    })?;
    found
        .data
        .and_then(|mut data| data.remove("receivers"))
        .with_context(|| format!("ConfigMap {namespace}/{record} says nothing of receivers: it is not the operator's"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preview(reason: &str, receiver: Option<&str>) -> anyhow::Result<String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("n.yaml");
        let text = "
receivers:
- {name: chat, slack: {urlFile: /slack}, template: {text: '*{{ rollout }}* {{ message }}'}}
- {name: oncall, pagerDuty: {routingKeyFile: /key}}
- {name: tickets, opsgenie: {apiKeyFile: /key}}
routes: [{receivers: [chat, oncall]}]
";
        std::fs::write(&file, text).unwrap();
        let (reason, receiver) = (reason.to_owned(), receiver.map(str::to_owned));
        previewed(&Preview { file, receiver, reason, message: Some("<!here>\n\u{202e}6%".to_owned()) })
    }

    #[test]
    fn a_preview_shows_what_each_would_be_sent_and_no_secret_is_looked_at() {
        let text = preview("Reverted", None).unwrap();
        assert!(text.starts_with("# chat (slack): Page\nPOST <the address in /slack>\n{"), "{text}");
        assert!(text.contains("\\u003c") || text.contains("*checkout* &lt;!here&gt; 6%"), "{text}");
        assert!(text.contains("&lt;!here&gt; 6%") && !text.contains('\u{202e}'), "one line, as what is sent: {text}");
        assert!(text.contains("POST https://events.pagerduty.com/v2/enqueue\n"), "{text}");
        assert!(text.contains("\"routing_key\": \"<the key of routingKeyFile>\""), "{text}");
        assert!(text.contains("# tickets (opsgenie): Page; no route sends it there"), "{text}");
    }

    #[test]
    fn a_receiver_that_has_no_word_for_it_says_so() {
        let text = preview("StageEntered", Some("tickets")).unwrap();
        assert!(text.ends_with("nothing: it has no word for this\n"), "{text}");
    }

    #[test]
    fn what_is_not_there_is_named_with_what_was_meant() {
        let error = preview("Revertd", None).unwrap_err().to_string();
        assert_eq!(error, "there is no reason Revertd; did you mean Reverted?");
        let error = preview("Reverted", Some("chatt")).unwrap_err().to_string();
        assert_eq!(error, "there is no receiver chatt; did you mean chat?");
    }
}
