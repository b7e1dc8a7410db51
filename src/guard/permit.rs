//! The permit: a decision as a value.

use std::sync::Arc;

use super::{Denial, Refused, admit::is_for};
use crate::{
    cache::Fresh,
    model::Room,
    policy::{Route, Rule, UpstreamPolicy},
    tokens::{Grant, Identity},
};

/// That a request may go to an upstream, and on whose behalf. Made only by [`super::Guard::admit`].
#[derive(Debug, Clone)]
pub struct Permit {
    upstream: Arc<UpstreamPolicy>,
    rule: Option<Arc<Rule>>,
    grant: Option<Arc<Fresh<Grant>>>,
    room: Option<Room>,
    would_deny: Option<Denial>,
}

impl Permit {
    pub(super) fn new(route: Route, grant: Option<Arc<Fresh<Grant>>>, room: Option<Room>) -> Self {
        Self { upstream: route.upstream, rule: Some(route.rule), grant, room, would_deny: None }
    }

    /// For what an upstream that only observes is sent all the same.
    pub(super) fn observed(upstream: Arc<UpstreamPolicy>, refused: Refused) -> Self {
        let Refused { denial, upstream: _, rule, grant } = refused;
        Self { upstream, rule, grant, room: None, would_deny: Some(denial) }
    }

    /// Where the request may go.
    #[must_use]
    pub const fn upstream(&self) -> &Arc<UpstreamPolicy> {
        &self.upstream
    }

    /// The rule that let it through, or would have refused it; none where there is no rule for its path.
    #[must_use]
    pub const fn rule(&self) -> Option<&Arc<Rule>> {
        self.rule.as_ref()
    }

    /// What the token grants, if there is a living one; none on a public route.
    #[must_use]
    pub const fn grant(&self) -> Option<&Arc<Fresh<Grant>>> {
        self.grant.as_ref()
    }

    /// What is left of the limit that the request counts under; nothing where there is none.
    #[must_use]
    pub const fn room(&self) -> Option<&Room> {
        self.room.as_ref()
    }

    /// What the upstream is told of the caller: nothing without a living token that is for this upstream.
    #[must_use]
    pub fn identity(&self) -> Option<Identity<'_>> {
        let grant = self.grant.as_ref().filter(|grant| is_for(&self.upstream, grant));
        grant.map(|grant| grant.identity())
    }

    /// Why the request would have been refused, had its upstream not only observed.
    #[must_use]
    pub const fn would_deny(&self) -> Option<&Denial> {
        self.would_deny.as_ref()
    }

    /// The decision and its reason, as logs and metrics have them: `allow` because it is `public` or by its `token`, or
    /// `would_deny` with the `error` of what it would have been answered.
    #[must_use]
    pub const fn decision(&self) -> (&'static str, &'static str) {
        match (&self.would_deny, &self.grant) {
            (Some(denial), _) => ("would_deny", denial.error()),
            // On a public route no token is looked at.
            (None, Some(_)) => ("allow", "token"),
            (None, None) => ("allow", "public"),
        }
    }
}
