//! What the numbers say. Pure: blocks of counts in, a verdict with its numbers out.
//!
//! Time is an argument, and nothing here reads, waits or logs. The way of a number: raw counter samples
//! ([`Series`]) become gains over a stretch of time ([`Ledger`]), gains become a [`Block`] of counts, blocks become
//! [`Evidence`] for or against each [`Line`], and [`judge()`] says what the evidence of all checks means.

mod arms;
mod baseline;
mod block;
mod bounds;
mod calm;
mod crowds;
mod dispersion;
mod evidence;
mod interval;
mod ledger;
mod line;
mod moments;
mod origin;
mod outage;
mod outlook;
mod question;
mod recent;
mod reference;
mod run;
mod series;
mod share;
mod side;
mod skew;
#[cfg(test)]
mod tests;
mod threshold;
mod unwell;
mod verdict;
mod warm_up;
mod wealth;
mod wording;

pub use baseline::Baseline;
pub use block::{Block, Counts, Measure, Refusal};
pub use bounds::Bounds;
pub use dispersion::ENOUGH_HISTORY;
pub use evidence::Evidence;
pub use ledger::{Ledger, Stretch};
pub use line::{Line, Share};
pub use origin::{ByPod, Origin, Spread, Suspicion};
pub use outage::{Before, Flow, may_be_both, outage, stretch};
pub use outlook::{Outlook, Supposed, outlook};
pub use question::{InvalidLimit, Question, Subject, Tolerance, ValueLimits, question};
pub use run::{Run, Seen, judge_values};
pub use series::{Arm, Key, Meaning, Sample, Series};
pub use share::{Divided, Division, Off, Served};
pub use threshold::{ENOUGH, judge_plainly};
pub use verdict::{Asked, Judgement, judge};
pub use warm_up::WarmUp;
pub use wording::{about, about_time, count, exact_percent, percent};
