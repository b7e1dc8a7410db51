//! Floor 1, what operators see: metrics, the log, and the access log.

mod log;
mod metrics;
mod servers;
mod usual;

pub use log::{AccessLine, AccessLog, LogFormat, LogGuard, LogSettings, milliseconds, start_log};
pub use metrics::{Metrics, OWN, OpenConnection, method_label};
pub use servers::ServerState;
pub use usual::UsualMetrics;
