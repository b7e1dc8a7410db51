//! Rules as values: what an upstream and each of its rules ask of a request.

use std::{fmt, sync::Arc};

use http::Method;

use super::{HostPattern, PathFeatures, PathPattern, PathPrefix};
use crate::model::{Audience, OrganizationId, RateLimit, ScopeSet};

/// What a rule asks for. There is no "nothing": a rule that says nothing is a mistake in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Anybody; credentials are not looked at.
    Public,
    /// Identity if a token comes; a bad token is refused.
    Optional,
    /// Any valid token.
    Token,
    /// A token with all of these scopes.
    AllScopes(ScopeSet),
    /// A token with at least one of these scopes.
    AnyScope(ScopeSet),
}

/// Methods, sorted by name, HEAD beside GET. Its `Display` is the value of `Allow`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MethodSet(Vec<Method>);

impl MethodSet {
    /// The set of these; `GET` brings `HEAD`.
    #[must_use]
    pub fn new(methods: impl IntoIterator<Item = Method>) -> Self {
        let mut methods: Vec<Method> = methods.into_iter().collect();
        if methods.contains(&Method::GET) {
            methods.push(Method::HEAD);
        }
        methods.sort_by(|a, b| a.as_str().cmp(b.as_str()));
        methods.dedup();
        Self(methods)
    }

    /// Whether `method` is one of them.
    #[must_use]
    pub fn contains(&self, method: &Method) -> bool {
        self.0.contains(method)
    }

    /// Whether a method is in both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().any(|method| other.contains(method))
    }

    /// The methods of both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self::new(self.0.iter().chain(&other.0).cloned())
    }
}

impl fmt::Display for MethodSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, method) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            f.write_str(method.as_str())?;
        }
        Ok(())
    }
}

/// Whose requests count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Per {
    /// Those of one client.
    #[default]
    Client,
    /// Those of all clients of one organisation.
    Owner,
    /// Those from one address, whatever their tokens.
    Address,
}

/// How often a caller may come. Without a token its address counts, whatever `per` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallerLimit {
    /// How often.
    pub limit: RateLimit,
    /// Who is one caller.
    pub per: Per,
}

/// One rule of an upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which paths, as the client sends them.
    pub path: PathPattern,
    /// Which methods; `None` is every method that the door lets in.
    pub methods: Option<MethodSet>,
    /// What it asks for.
    pub access: Access,
    /// How often a caller may come, in place of what its upstream says.
    pub limit: Option<CallerLimit>,
    /// Its place among the rules of its upstream: finds whatever else is known of it.
    pub index: usize,
}

impl Rule {
    /// The first rule of an upstream, for every method and without a limit of its own.
    #[must_use]
    pub const fn new(path: PathPattern, access: Access) -> Self {
        Self { path, methods: None, access, limit: None, index: 0 }
    }
}

/// What an upstream does with a request that may not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// Refuses it.
    #[default]
    Enforce,
    /// Lets it through and says that it would have been refused.
    Observe,
}

/// What an upstream asks of every request, whatever the rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamPolicy {
    /// Its name in the configuration, in metrics and in logs.
    pub name: Arc<str>,
    /// Its place in the configuration: finds whatever else is known of it.
    pub index: usize,
    /// The audience that a token must be for.
    pub audience: Option<Audience>,
    /// Only these organisations and those below them; everybody when empty.
    pub owners: Vec<OrganizationId>,
    /// How often a caller may come, in place of what all upstreams have in common.
    pub limit: Option<CallerLimit>,
    /// Whether it refuses what may not pass.
    pub mode: Mode,
}

impl UpstreamPolicy {
    /// The first upstream, which enforces its rules and asks for nothing beside them.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.into(), index: 0, audience: None, owners: Vec::new(), limit: None, mode: Mode::Enforce }
    }

    /// Whether it lets through what may not pass.
    #[must_use]
    pub fn observes(&self) -> bool {
        self.mode == Mode::Observe
    }
}

/// An upstream's part of the route table, as configured.
#[derive(Debug, Clone)]
pub struct UpstreamRules {
    /// What it asks of every request.
    pub policy: UpstreamPolicy,
    /// Which hosts.
    pub host: HostPattern,
    /// The part of the path space that it owns.
    pub path: PathPrefix,
    /// Whether its paths and rules ignore case.
    pub case_insensitive: bool,
    /// What its paths may hold although it is refused by default.
    pub allow_in_path: PathFeatures,
    /// Its rules, in no order that matters.
    pub rules: Vec<Rule>,
}

impl UpstreamRules {
    /// An upstream on every host, whose paths are taken by the letter and hold nothing that is refused by default.
    #[must_use]
    pub fn new(policy: UpstreamPolicy, path: PathPrefix, rules: Vec<Rule>) -> Self {
        let allow_in_path = PathFeatures::default();
        Self { policy, host: HostPattern::Any, path, case_insensitive: false, allow_in_path, rules }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_sorted_and_get_brings_head() {
        let set = MethodSet::new([Method::PUT, Method::GET, Method::DELETE, Method::PUT]);
        assert_eq!(set.to_string(), "DELETE, GET, HEAD, PUT");
        assert!(set.contains(&Method::HEAD) && !set.contains(&Method::POST));
    }

    #[test]
    fn sets_overlap_when_they_share_a_method() {
        let [get, head, put] = [Method::GET, Method::HEAD, Method::PUT].map(|method| MethodSet::new([method]));
        assert!(get.overlaps(&head) && !get.overlaps(&put));
        assert_eq!(put.union(&get).to_string(), "GET, HEAD, PUT");
    }
}
