//! Where the numbers come from: Prometheus, presets, query templates.
