//! What the numbers say. Pure: blocks of counts in, a verdict with its numbers out.
//!
//! Time is an argument, and nothing here reads, waits or logs. The way of a number: raw counter samples
//! ([`Series`]) become gains over a stretch of time ([`Ledger`]), gains become a [`Block`] of counts, blocks become
//! [`Evidence`], and [`judge()`] says what the evidence means for a [`Tolerance`].

mod block;
mod evidence;
mod ledger;
mod question;
mod run;
mod series;
mod verdict;
mod wording;

pub use block::{Block, Counts, Measure, Refusal};
pub use evidence::Evidence;
pub use ledger::{Ledger, Stretch};
pub use question::{InvalidLimit, Question, Subject, Tolerance, ValueLimits, question};
pub use run::{Run, judge_values};
pub use series::{Arm, Key, Meaning, Sample, Series};
pub use verdict::{ENOUGH, Judgement, Role, judge};
pub use wording::{count, exact_percent};
