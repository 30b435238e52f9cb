//! What holds for any evidence, and agreement with the reference.

mod judging;
mod ratio;
mod thresholds;
mod validity;
mod vectors;
