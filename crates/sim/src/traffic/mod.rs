//! Requests: how many, how they end and how long they take, for each pod.
//!
//! [`Load`] holds one application's requests. It is told where requests go ([`Load::route`]) and which pod is scraped
//! when ([`Load::scrape`]), and answers with what the pod exposes. Between two scrapes of a pod nothing is counted one
//! by one: the number of requests is a draw from a Poisson distribution, their failures and their durations are
//! binomial draws from it.

mod behaviour;
mod cause;
mod demand;
mod draw;
mod drift;
mod exposition;
mod histogram;
mod load;
mod pod;
#[cfg(test)]
mod tests;
mod totals;
mod windows;

pub use cause::{Cause, Causes};
pub use exposition::{Exposed, Series};
pub use load::{Backend, Load};
pub use totals::Totals;
