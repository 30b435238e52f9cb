//! What the numbers say. Pure: blocks of counts in, a verdict with its numbers out.
//!
//! Time is an argument, and nothing here reads, waits or logs. The way of a number: raw counter samples
//! ([`Series`]) become gains over a stretch of time ([`CounterState`]), gains become a [`Block`] of counts, blocks become
//! [`Evidence`] for or against each [`Boundary`], and [`judge()`] says what the evidence of all checks means.

mod alternatives;
mod baseline;
mod block;
mod boundary;
mod calm;
mod counters;
mod crowds;
mod dispersion;
mod e_process;
mod error_rates;
mod evidence;
mod first_requests;
mod interval;
mod moments;
mod origin;
mod outage;
mod proportion;
mod question;
mod recent;
mod reference;
mod run;
mod sample_size;
mod series;
mod share;
mod side;
mod skew;
mod steadiness;
#[cfg(test)]
mod tests;
mod threshold;
mod unseen;
mod unwell;
mod verdict;
mod warm_up;
mod wording;

pub use baseline::Baseline;
pub use block::{Block, Counts, Measure, Refusal};
pub use boundary::Boundary;
pub use counters::{CounterState, TimeRange};
pub use dispersion::ENOUGH_HISTORY;
pub use error_rates::ErrorRates;
pub use evidence::Evidence;
pub use first_requests::SampleBounds;
pub use origin::{ByPod, Origin, Spread, Suspicion};
pub use outage::{Before, Flow, may_be_both, outage, stretch};
pub use proportion::Proportion;
pub use question::{Indicator, InvalidLimit, Question, Tolerance, ValueLimits, question};
pub use run::{Reading, Run, judge_values};
pub use sample_size::{SampleSize, Supposed, sample_size};
pub use series::{Arm, ByKey, Key, Keys, Meaning, Sample, Series};
pub use share::{Divided, Division, Off, Served};
pub use threshold::{ENOUGH, judge_plainly};
pub use verdict::{Asked, Judgement, judge};
pub use warm_up::WarmUp;
pub use wording::{about, about_time, count, exact_percent, percent};
