//! Tells people and their tools what Rollouts do.
//!
//! A [`Notice`] is one transition of a Rollout. [`Bearing`] says how much it matters, [`Notifications`] who is told, a
//! [`Desk`] takes notices in without ever waiting, and a [`Delivery`] sends them: at least once, in the order of each
//! Rollout, as fast as each receiver takes them. A [`Record`] is what has to be kept for the next process to go on.

pub mod backoff;
pub mod bucket;
mod config;
mod delivery;
mod desk;
pub mod fitted;
pub mod kind;
mod mail;
mod notice;
mod open;
mod outcome;
mod queue;
pub mod receivers;
mod record;
pub mod routes;
pub mod sample;
mod sent;
mod severity;
mod way;
mod words;

pub use config::{ConfigError, Notifications, Receiver};
pub use delivery::Delivery;
pub use desk::{Desk, Labels, Standing, Tally};
pub use kind::Kind;
pub use notice::{Incident, Notice, Subject};
pub use open::Open;
pub use outcome::{Counted, Outcome};
pub use queue::{GIVE_UP, MOST, News, Next, Origin, Queue};
pub use record::{Kept, LARGEST, Record};
pub use sent::Sent;
pub use severity::{Bearing, Severity, Topic};
pub use way::Way;
pub use words::{Part, Template, Words};
