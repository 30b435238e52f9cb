//! Receivers that cannot be used or are never told anything, and routes that nothing takes.

use tidegate_api::manifest::{Document, Place};
use tidegate_notify::{ConfigError, Notifications};

use super::{
    finding::{Finding, LocatedDocument, Severity},
    input::Text,
};

/// What is wrong with the operator's list of who is told what. Files that it names lie on the operator's machine and are not
/// looked at; templates are tried out with every reason.
pub fn check(text: &Text) -> Vec<Finding> {
    let (documents, malformed) = Document::all(&text.text);
    let document = documents.into_iter().next().map(|document| LocatedDocument { file: text.file.clone(), document });
    let found = |severity, field: String, message: String| {
        let plain = Finding {
            file: text.file.clone(),
            line: 1,
            column: 1,
            severity,
            message: message.clone(),
            field: String::new(),
        };
        let located = document.as_ref().filter(|_| !field.is_empty()).map(|document| match severity {
            Severity::Error => document.error(field.clone(), message.clone()),
            Severity::Warning => document.warning(field.clone(), message.clone()),
        });
        located.unwrap_or(plain)
    };
    if let Some(malformed) = malformed {
        let message = format!("this is not YAML: {}", malformed.message);
        let (line, column) = (malformed.place.line, malformed.place.column);
        return vec![Finding { line, column, ..found(Severity::Error, String::new(), message) }];
    }
    let config = match Notifications::parse(&text.text, &text.file) {
        Ok(config) => config,
        Err(ConfigError::Form(mistake)) => {
            let Place { line, column } = mistake.place.unwrap_or(Place::START);
            let plain = found(Severity::Error, String::new(), mistake.why);
            return vec![Finding { line, column, field: mistake.field, ..plain }];
        }
        Err(error) => {
            let (field, message) = located(&error, document.as_ref());
            return vec![found(Severity::Error, field, message)];
        }
    };
    let unreached = config.unreached().map(|receiver| {
        let field = place_of(&receiver.name, document.as_ref());
        found(
            Severity::Warning,
            field,
            format!("no route names the receiver {}: it is never told anything", receiver.name),
        )
    });
    let unreachable = config.unreachable().map(|place| {
        let message =
            "nothing comes here: an earlier route takes everything; let that one say continue, or put it last";
        found(Severity::Warning, format!("routes[{place}]"), message.to_owned())
    });
    unreached.chain(unreachable).collect()
}

/// The field that an error is about, and what it says of it.
fn located(error: &ConfigError, document: Option<&LocatedDocument>) -> (String, String) {
    match error {
        ConfigError::Receiver { receiver, field, why, .. } => {
            (format!("{}.{field}", place_of(receiver, document)), format!("receiver {receiver}: {why}"))
        }
        ConfigError::Route { place, field, why, .. } => (format!("routes[{place}].{field}"), why.clone()),
        ConfigError::Form(_) | ConfigError::Read { .. } => (String::new(), error.to_string()),
    }
}

/// Where the receiver of that name stands. Of several, the last one is one too many.
fn place_of(name: &str, document: Option<&LocatedDocument>) -> String {
    let receivers = document.and_then(|document| document.document.value().get("receivers")?.as_array());
    let place = receivers.and_then(|all| all.iter().rposition(|receiver| receiver["name"] == name));
    format!("receivers[{}]", place.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let text = Text { file: "n.yaml".to_owned(), text: text.to_owned() };
        check(&text).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_mistake_is_told_with_its_line() {
        let template = found(
            "receivers:\n- name: chat\n  slack: {urlFile: /s}\n  template:\n    text: '{{ mesage }}'\nroutes: []\n",
        );
        assert_eq!(template.len(), 1);
        assert!(template[0].starts_with("n.yaml:5:11: error: receiver chat: undefined value"), "{template:?}");
        let route = found("receivers:\n- {name: chat, slack: {urlFile: /s}}\nroutes:\n- receivers: [chatt]\n");
        let expected = "n.yaml:4:3: error: there is no receiver \"chatt\"; did you mean chat? (routes[0].receivers)";
        assert_eq!(route, [expected]);
    }

    #[test]
    fn a_mistake_of_form_is_one_line_at_its_place() {
        let misspelt = found("receivers:\n- name: chat\n  slak: {urlFile: /s}\nroutes: []\n");
        assert_eq!(misspelt, ["n.yaml:3:3: error: there is no such field; did you mean slack? (receivers[0].slak)"]);
        let twice = found("receivers: []\nroutes: []\n---\nroutes: []\n");
        assert_eq!(twice.len(), 1);
        assert!(twice[0].starts_with("n.yaml:4:1: error: a second document begins here"), "{twice:?}");
    }

    #[test]
    fn whoever_is_never_told_anything_is_named() {
        let unreached = found(
            "receivers:\n- {name: chat, slack: {urlFile: /s}}\n- {name: other, slack: {urlFile: /s}}\nroutes:\n- receivers: [chat]\n- receivers: [chat]\n",
        );
        assert_eq!(unreached.len(), 2);
        assert!(
            unreached[0].contains("n.yaml:3:") && unreached[0].contains("no route names the receiver other"),
            "{unreached:?}"
        );
        assert!(unreached[1].contains("n.yaml:6:") && unreached[1].contains("nothing comes here"), "{unreached:?}");
    }

    #[test]
    fn what_is_no_yaml_is_told_as_that() {
        assert!(found("receivers: [").first().is_some_and(|told| told.contains("this is not YAML")));
    }
}
