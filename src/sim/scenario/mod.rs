//! Scenarios: what happens to a release in a simulation, and what is expected of it.
