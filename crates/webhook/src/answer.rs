//! What a webhook answers.

use std::time::Duration;

use serde::Deserialize;
use tidegate_api::{Span, one_line};
use tidegate_endpoints::{self as endpoints, Fault};

/// So many letters of a message are kept: it goes into the status.
const LONGEST: usize = 200;

/// When it is asked again, unless it says when.
const AGAIN: Duration = Duration::from_secs(10);
/// No sooner and no later, whatever it says.
const SOONEST: Duration = Duration::from_secs(1);
const LATEST: Duration = Duration::from_hours(1);

/// What a webhook says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The rollout may go on.
    Go(String),
    /// Not yet; it wants to be asked again after that time.
    Wait(String, Duration),
    /// It may not.
    Stop(String),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// No endpoint of that name is configured.
    #[error("no webhook called {0:?} is configured on the operator")]
    NotConfigured(String),
    /// A path that leads away from the address that the platform team configured.
    #[error("the path {0:?} leads out of its address: write it without . and ..")]
    Climbs(String),
    /// It was not reached, or read.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// It took too long.
    #[error("it did not answer within {0}")]
    Timeout(Span),
    /// An answer that says that something went wrong.
    #[error("it answers with HTTP {0}")]
    Status(u16),
    /// A web page: a proxy, or a page to log in.
    #[error("it answers with a web page, as a proxy or a login does")]
    Html,
    /// What it answers is not what is asked for.
    #[error("it answers with something else than {{\"answer\": \"go\", \"wait\" or \"stop\"}}")]
    NotAnAnswer,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    answer: Word,
    #[serde(default)]
    message: String,
    #[serde(default)]
    retry_after: Option<Span>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Go,
    Wait,
    Stop,
}

/// Reads what was sent.
///
/// # Errors
/// It is no answer.
pub(super) fn read(sent: &endpoints::Answer) -> Result<Answer, WebhookError> {
    if !(200..300).contains(&sent.status) {
        return Err(WebhookError::Status(sent.status));
    }
    if sent.html || sent.body.trim_ascii_start().starts_with(b"<") {
        return Err(WebhookError::Html);
    }
    let written: Written = serde_json::from_slice(&sent.body).map_err(|_| WebhookError::NotAnAnswer)?;
    let message = |otherwise: &str| {
        let beginning: String = one_line(&written.message).chars().take(LONGEST).collect();
        if beginning.is_empty() { otherwise.to_owned() } else { beginning }
    };
    Ok(match written.answer {
        Word::Go => Answer::Go(message("it says go")),
        Word::Stop => Answer::Stop(message("it says stop, and not why")),
        Word::Wait => {
            let after = written.retry_after.map_or(AGAIN, Span::duration).clamp(SOONEST, LATEST);
            Answer::Wait(message("it says to wait"), after)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(status: u16, body: &str) -> Result<Answer, WebhookError> {
        read(&endpoints::Answer { status, html: false, body: body.as_bytes().to_vec() })
    }

    #[test]
    fn go_wait_and_stop_are_understood_with_what_they_say() {
        assert_eq!(told(200, r#"{"answer": "go", "ticket": 7}"#), Ok(Answer::Go("it says go".to_owned())));
        let wait = told(202, r#"{"answer": "wait", "message": "not signed", "retryAfter": "2m"}"#);
        assert_eq!(wait, Ok(Answer::Wait("not signed".to_owned(), Duration::from_mins(2))));
        let stop = told(200, r#"{"answer": "stop", "message": "CHG-1 was\nrefused"}"#);
        assert_eq!(stop, Ok(Answer::Stop("CHG-1 was refused".to_owned())));
    }

    #[test]
    fn what_it_says_is_one_line_that_reads_as_it_was_written() {
        let odd =
            told(200, r#"{"answer": "stop", "message": "\u001b[31mCHG-1\r\n  \u202erefused\u2066\u200f\u0085today "}"#);
        assert_eq!(odd, Ok(Answer::Stop("[31mCHG-1 refused today".to_owned())));
        let empty = told(200, r#"{"answer": "go", "message": "\n\u202e \t"}"#);
        assert_eq!(empty, Ok(Answer::Go("it says go".to_owned())));
        let Ok(Answer::Stop(long)) = told(200, &format!(r#"{{"answer": "stop", "message": "{}"}}"#, "ä".repeat(1000)))
        else {
            unreachable!("it is an answer")
        };
        assert_eq!(long.chars().count(), LONGEST);
    }

    #[test]
    fn a_wait_is_never_without_end_nor_without_pause() {
        for (written, after) in [("0s", SOONEST), ("1000h", LATEST)] {
            let wait = told(200, &format!(r#"{{"answer": "wait", "retryAfter": "{written}"}}"#));
            assert_eq!(wait, Ok(Answer::Wait("it says to wait".to_owned(), after)));
        }
    }

    #[test]
    fn what_is_no_answer_is_no_yes() {
        assert_eq!(told(500, r#"{"answer": "go"}"#), Err(WebhookError::Status(500)));
        assert_eq!(told(200, "<html>go</html>"), Err(WebhookError::Html));
        for body in ["", "go", "{}", r#"{"answer": "GO"}"#, r#"{"answer": true}"#, r#"[{"answer": "go"}]"#] {
            assert_eq!(told(200, body), Err(WebhookError::NotAnAnswer), "{body}");
        }
    }
}
