//! Floor 1, the rules: which upstream and rule a request belongs to, and what that rule asks for.
//!
//! Pure: no input, no output, no clock. A request's target becomes a [`NormalPath`], its authority a [`Host`]; a
//! [`RouteTable`] compiled from [`UpstreamRules`] finds the one rule that applies.

mod conflicts;
mod features;
mod host;
mod own;
mod path;
mod pattern;
#[cfg(test)]
mod properties;
mod readings;
mod rule;
#[cfg(test)]
mod samples;
mod table;
mod trie;

pub use conflicts::TableError;
pub use features::{PathFeature, PathFeatures};
pub use host::{Host, HostError, HostPattern};
pub use own::is_own_path;
pub use path::{NormalPath, PathError};
pub use pattern::{PathPattern, PathPrefix, PatternError};
pub use rule::{Access, CallerLimit, MethodSet, Mode, Per, Rule, UpstreamPolicy, UpstreamRules};
pub use table::{Miss, Route, RouteTable};
