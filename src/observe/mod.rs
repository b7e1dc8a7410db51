//! Floor 1, what operators see: metrics, the log, and the access log.

mod log;
mod metrics;

pub use log::{LogFormat, LogSettings};
pub use metrics::{Metrics, method_label};
