//! x
use super::{Host, MethodSet, NormalPath, Rule, UpstreamPolicy, UpstreamRules};
use http::Method;
use std::sync::Arc;
/// The rule that applies to a request.
#[derive(Debug, Clone)]
pub struct Route {
    /// Its upstream.
    pub upstream: Arc<UpstreamPolicy>,
    /// The rule.
    pub rule: Arc<Rule>,
}
/// Why no rule applies.
#[derive(Debug, Clone)]
pub enum Miss {
    /// No upstream owns this host and path: 404.
    NoUpstream,
    /// The upstream has no rule for the path: 404.
    NoRule(Arc<UpstreamPolicy>),
    /// The path's rules do not list the method: 405 with these.
    Method(Arc<UpstreamPolicy>, MethodSet),
    /// The path holds what its upstream does not allow, or could be read so that another rule covers it: 400.
    Path(Option<Arc<UpstreamPolicy>>),
}
/// Two places in a configuration that cannot stand together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableError {
    /// Index of the upstream, and of its rule if it is about one.
    pub upstream: usize,
    /// Index of the rule in that upstream; none if it is about the upstream itself.
    pub rule: Option<usize>,
    /// The reason, for people; names the other place.
    pub message: String,
}
/// All rules, compiled.
#[derive(Debug, Clone)]
pub struct RouteTable(Vec<UpstreamRules>);
impl RouteTable {
    /// Compiles.
    ///
    /// # Errors
    /// Every pair that ties.
    pub fn compile(upstreams: Vec<UpstreamRules>) -> Result<Self, Vec<TableError>> {
        Ok(Self(upstreams))
    }
    /// Finds the rule of a request.
    ///
    /// # Errors
    /// [`Miss`]
    pub fn find(&self, host: &Host, path: &NormalPath, method: &Method) -> Result<Route, Miss> {
        let _ = (host, path, method, &self.0);
        Err(Miss::NoUpstream)
    }
}
