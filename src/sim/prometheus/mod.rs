//! A Prometheus in memory: scraped samples, and PromQL over them.
