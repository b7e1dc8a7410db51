//! The walk of the decision: rule, credentials, token, audience, owner, scopes, and how often the caller may come.

use std::{net::IpAddr, sync::Arc};

use http::{HeaderMap, Method};

use super::{CallerLimits, Denial, Permit, Refused, credentials::bearer};
use crate::{
    cache::Fresh,
    policy::{Access, Host, Miss, NormalPath, Route, RouteTable},
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

    /// Whether the request may pass under these rules. What may is counted against its caller's limit.
    ///
    /// # Errors
    /// [`Refused`] if it may not.
    pub async fn admit(
        &self,
        rules: &RouteTable,
        limits: &CallerLimits,
        incoming: &Incoming<'_>,
    ) -> Result<Permit, Refused> {
        let route = rules.find(incoming.host, incoming.path, incoming.method).map_err(missed)?;
        let grant = match self.identify(&route, incoming).await {
            Ok(grant) => grant,
            Err(denial) => return Err(refused(denial, route, None)),
        };
        let granted = grant.as_deref().map(|grant| &**grant);
        let allowed = granted.map_or(Ok(()), |grant| judge(&route, grant));
        match allowed.and_then(|()| limits.take(&route, granted, incoming.from).map_err(Denial::RateLimited)) {
            Ok(room) => Ok(Permit::new(route, grant, room)),
            Err(denial) => Err(refused(denial, route, grant)),
        }
    }

    /// What the request's token grants; nothing where a token is optional and there is none, or is not looked at.
    async fn identify(&self, route: &Route, incoming: &Incoming<'_>) -> Result<Option<Arc<Fresh<Grant>>>, Denial> {
        if route.rule.access == Access::Public {
            return Ok(None);
        }
        match bearer(incoming.headers, incoming.query)? {
            None if route.rule.access == Access::Optional => Ok(None),
            None => Err(Denial::MissingToken),
            Some(text) => match self.tokens.resolve(text).await {
                Ok(grant) => Ok(Some(grant)),
                Err(Unresolved::Invalid) => Err(Denial::InvalidToken),
                Err(Unresolved::Unavailable(_)) => Err(Denial::Unavailable),
            },
        }
    }
}

/// Whether a living token is enough for a route.
fn judge(route: &Route, grant: &Grant) -> Result<(), Denial> {
    if let Some(audience) = &route.upstream.audience
        && !grant.audiences().contains(audience)
    {
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

fn missed(miss: Miss) -> Refused {
    let (denial, upstream) = match miss {
        Miss::NoUpstream => (Denial::NotFound, None),
        Miss::NoRule(upstream) => (Denial::NotFound, Some(upstream)),
        Miss::Method(upstream, methods) => (Denial::MethodNotAllowed(methods), Some(upstream)),
        Miss::Path(upstream) => (Denial::AmbiguousPath, upstream),
    };
    Refused { denial, upstream, rule: None, grant: None }
}

fn refused(denial: Denial, route: Route, grant: Option<Arc<Fresh<Grant>>>) -> Refused {
    Refused { denial, upstream: Some(route.upstream), rule: Some(route.rule), grant }
}
