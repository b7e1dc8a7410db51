//! The walk of the decision: rule, credentials, token, audience, owner, scopes, and how often the caller may come. What
//! an upstream that only observes makes of a refusal is in `observe`.

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, Method};

use super::{CallerLimits, Denial, Permit, Refused, credentials::bearer};
use crate::{
    cache::Fresh,
    policy::{Access, Host, Miss, NormalPath, Route, RouteTable, UpstreamPolicy},
    tokens::{Grant, Tokens, Unresolved},
};

/// A request as the decision sees it.
#[derive(Debug)]
pub struct Incoming<'a> {
    /// Its authority.
    pub host: &'a Host,
    /// Its path, in the form that will be forwarded.
    pub path: &'a NormalPath,
    /// Its query, as sent.
    pub query: Option<&'a str>,
    /// Its method.
    pub method: &'a Method,
    /// Its headers, as sent.
    pub headers: &'a HeaderMap,
    /// The client's address, where it is known.
    pub from: Option<IpAddr>,
}

/// Decides.
#[derive(Debug, Clone)]
pub struct Guard {
    tokens: Arc<Tokens>,
}

impl Guard {
    /// A guard that resolves tokens with these.
    #[must_use]
    pub const fn new(tokens: Arc<Tokens>) -> Self {
        Self { tokens }
    }

    /// Whether the request may pass under these rules, or goes to an upstream that only observes whether it may. What
    /// may is counted against its caller's limit.
    ///
    /// # Errors
    /// [`Refused`] if it may not.
    pub async fn admit(
        &self,
        rules: &RouteTable,
        limits: &CallerLimits,
        incoming: &Incoming<'_>,
    ) -> Result<Permit, Refused> {
        match self.decide(rules, limits, incoming).await {
            Err(refused) if refused.is_observed() => self.let_through(refused, incoming).await,
            decided => decided,
        }
    }

    async fn decide(
        &self,
        rules: &RouteTable,
        limits: &CallerLimits,
        incoming: &Incoming<'_>,
    ) -> Result<Permit, Refused> {
        let route = rules.find(incoming.host, incoming.path, incoming.method).map_err(missed)?;
        let identified = match route.rule.access {
            Access::Public => Ok(None),
            _ => self.identify(incoming).await,
        };
        let grant = match identified {
            Ok(grant) => grant,
            Err(denial) => return Err(refused(denial, route, None)),
        };
        let granted = grant.as_deref().map(|grant| &**grant);
        let allowed = judge(&route, granted);
        match allowed.and_then(|()| limits.take(&route, granted, incoming.from).map_err(Denial::RateLimited)) {
            Ok(room) => Ok(Permit::new(route, grant, room)),
            Err(denial) => Err(refused(denial, route, grant)),
        }
    }

    /// What the request's token grants; nothing if there is no token.
    pub(super) async fn identify(&self, incoming: &Incoming<'_>) -> Result<Option<Arc<Fresh<Grant>>>, Denial> {
        match bearer(incoming.headers, incoming.query)? {
            None => Ok(None),
            Some(text) => match self.tokens.resolve(text).await {
                Ok(grant) => Ok(Some(grant)),
                Err(Unresolved::Invalid) => Err(Denial::InvalidToken),
                Err(Unresolved::Unavailable(_)) => Err(Denial::Unavailable),
            },
        }
    }
}

/// Whether what a living token grants, or that there is none, is enough for a route.
fn judge(route: &Route, grant: Option<&Grant>) -> Result<(), Denial> {
    let Some(grant) = grant else {
        let needless = matches!(route.rule.access, Access::Public | Access::Optional);
        return if needless { Ok(()) } else { Err(Denial::MissingToken) };
    };
    if !is_for(&route.upstream, grant) {
        return Err(Denial::InvalidToken);
    }
    let owners = &route.upstream.owners;
    if !owners.is_empty() && !owners.iter().any(|owner| grant.is_owned_within(*owner)) {
        return Err(Denial::AccessDenied);
    }
    match &route.rule.access {
        Access::AllScopes(scopes) if !grant.scopes().contains_all(scopes) => {
            Err(Denial::InsufficientScope(scopes.clone()))
        }
        Access::AnyScope(scopes) if !grant.scopes().contains_any(scopes) => {
            Err(Denial::InsufficientScope(scopes.clone()))
        }
        Access::Public | Access::Optional | Access::Token | Access::AllScopes(_) | Access::AnyScope(_) => Ok(()),
    }
}

/// Whether the token's audiences are enough for an upstream.
pub(super) fn is_for(upstream: &UpstreamPolicy, grant: &Grant) -> bool {
    upstream.audience.as_ref().is_none_or(|audience| grant.audiences().contains(audience))
}

fn missed(miss: Miss) -> Refused {
    let (denial, upstream, rule) = match miss {
        Miss::NoUpstream => (Denial::NotFound, None, None),
        Miss::NoRule(upstream) => (Denial::NotFound, Some(upstream), None),
        Miss::Method(upstream, rule, methods) => (Denial::MethodNotAllowed(methods), Some(upstream), Some(rule)),
        Miss::Path(upstream) => (Denial::AmbiguousPath, upstream, None),
    };
    Refused { denial, upstream, rule, grant: None }
}

fn refused(denial: Denial, route: Route, grant: Option<Arc<Fresh<Grant>>>) -> Refused {
    Refused { denial, upstream: Some(route.upstream), rule: Some(route.rule), grant }
}
