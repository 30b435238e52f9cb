//! What the analyst says when it asks a real Prometheus, and servers that mean no good.

mod hostile;
mod prometheus;
mod support;
