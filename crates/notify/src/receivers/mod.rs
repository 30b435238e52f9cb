//! What each kind of receiver is sent.

pub mod alertmanager;
pub mod cd_events;
pub mod discord;
pub mod email;
pub mod google_chat;
pub mod mattermost;
pub mod opsgenie;
pub mod pager_duty;
pub mod slack;
pub mod teams;
pub mod webhook;

use serde_json::Value;

/// One request to a receiver.
#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    /// What follows the address of the receiver: a path, a query, or nothing.
    pub path: String,
    /// What the body is.
    pub content_type: &'static str,
    /// The body: JSON.
    pub body: Value,
}

impl Call {
    /// `body` to the receiver's own address.
    #[must_use]
    pub fn json(body: Value) -> Self {
        Self::to(String::new(), body)
    }

    /// `body` to an address below it.
    #[must_use]
    pub fn to(path: String, body: Value) -> Self {
        Self { path, content_type: "application/json", body }
    }
}

/// One letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its subject.
    pub subject: String,
    /// Its text, without any markup.
    pub body: String,
    /// A picture that goes with it, as SVG.
    pub picture: Option<String>,
    /// What it is known by.
    pub message_id: String,
    /// The incident that it belongs to, by which programs put letters together.
    pub thread: Option<String>,
}

/// What is sent to a receiver for one notice.
#[derive(Debug, Clone, PartialEq)]
pub enum Form {
    /// Over HTTP.
    Call(Call),
    /// By e-mail.
    Letter(Letter),
}
