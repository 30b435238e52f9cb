//! How a version fails without failing anybody: requests that are only counted.

use crate::rig::pod_server::{Crowd, Faults};

/// Half of the requests fail that nobody sends.
pub fn failing() -> Faults {
    Faults { crowd: Some(Crowd { per_second: 50.0, error_rate: 0.5, seed: 1 }), ..Faults::default() }
}
