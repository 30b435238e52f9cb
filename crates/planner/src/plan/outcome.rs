//! What is decided at one look at a stage.

use tidegate_api::ReplacedPod;

use crate::plan::Refusal;

/// What is decided about a stage that has its weight.
pub(super) enum Outcome {
    Wait(String),
    Hold(Refusal),
    Advance,
    /// Somebody asked for it: the sentence says who.
    Skip(String),
    TakeOver,
    Fail(&'static str, String),
    Replace(ReplacedPod, String),
    TakeBack(&'static str, String),
}
