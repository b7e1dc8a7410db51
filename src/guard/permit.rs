//! The permit: a decision as a value.

use std::sync::Arc;

use crate::{
    cache::Fresh,
    model::Room,
    policy::{Access, Route, Rule, UpstreamPolicy},
    tokens::Grant,
};

/// That a request may go to an upstream, and on whose behalf. Made only by [`super::Guard::admit`].
#[derive(Debug, Clone)]
pub struct Permit {
    route: Route,
    grant: Option<Arc<Fresh<Grant>>>,
    room: Option<Room>,
}

impl Permit {
    pub(super) const fn new(route: Route, grant: Option<Arc<Fresh<Grant>>>, room: Option<Room>) -> Self {
        Self { route, grant, room }
    }

    /// Where the request may go.
    #[must_use]
    pub const fn upstream(&self) -> &Arc<UpstreamPolicy> {
        &self.route.upstream
    }

    /// The rule that let it through.
    #[must_use]
    pub const fn rule(&self) -> &Arc<Rule> {
        &self.route.rule
    }

    /// What the token grants; none on a public route, or on an optional one without a token.
    #[must_use]
    pub const fn grant(&self) -> Option<&Arc<Fresh<Grant>>> {
        self.grant.as_ref()
    }

    /// What is left of the limit that the request counts under; nothing where there is none.
    #[must_use]
    pub const fn room(&self) -> Option<&Room> {
        self.room.as_ref()
    }

    /// Why it was let through: `public` or `token`.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match (&self.route.rule.access, &self.grant) {
            (Access::Public, _) | (_, None) => "public",
            (_, Some(_)) => "token",
        }
    }
}
