//! Floor 1, the rules: which upstream and rule a request belongs to, and what that rule asks for.
//!
//! Pure: no input, no output, no clock. A request's target becomes a [`NormalPath`], its authority a [`Host`]; a
//! [`RouteTable`] compiled from [`UpstreamRules`] finds the one rule that applies.

mod host;
mod path;
mod pattern;
mod rule;
mod table;

pub use host::{Host, HostError, HostPattern};
pub use path::{NormalPath, PathError, PathFeature, PathFeatures};
pub use pattern::{PathPattern, PathPrefix, PatternError};
pub use rule::{Access, MethodSet, Rule, UpstreamPolicy, UpstreamRules};
pub use table::{Miss, Route, RouteTable, TableError};
