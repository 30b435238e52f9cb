//! Asks a service of the platform team whether a rollout may go on: the gate `webhook`.
//!
//! A [`Question`] says what the rollout is at; the [`Answer`] is go, wait or stop. Requests are signed as
//! [Standard Webhooks](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md) has it, for
//! which there are libraries in many languages. Whatever goes wrong on the way is a [`WebhookError`], and never a yes.

mod answer;
mod question;
mod signature;
mod webhooks;

pub use answer::{Answer, WebhookError};
pub use question::{Question, StageQuestion, Version};
pub use signature::{signature, signing_key};
pub use webhooks::{HttpWebhooks, NoWebhooks, Webhooks};
