//! What the models do, as sentences.

mod autoscaler;
mod determinism;
mod endpoint_slices;
mod gateway;
mod handing_over;
mod lab;
mod pods;
mod rolling_updates;
mod scaling;

use lab::Lab;
