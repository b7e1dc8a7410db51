//! What is counted of a request that goes to an observing upstream although it would have been refused.

use http::Method;

use crate::{
    guard::{Denial, Permit},
    observe::method_label,
    policy::Access,
    store::{Missing, ObservedDetails, ObservedKind},
};

/// What the request is counted as; nothing if it would not have been refused.
pub(super) fn kind(permit: &Permit, method: &Method) -> Option<ObservedKind> {
    let denial = permit.would_deny()?;
    let details = ObservedDetails {
        rule: permit.rule().map(|rule| rule.path.to_string()),
        method: method_label(method).into(),
        client: permit.grant().map(|grant| (grant.client(), grant.owner())),
        missing: matches!(denial, Denial::InsufficientScope(_)).then(|| missing(permit)).flatten(),
    };
    Some(ObservedKind {
        upstream: permit.upstream().name.clone(),
        reason: denial.error().into(),
        details: Some(details),
    })
}

/// What the rule asks for and the token has not.
fn missing(permit: &Permit) -> Option<Missing> {
    match &permit.rule()?.access {
        Access::AllScopes(scopes) => Some(Missing::All(scopes.difference(permit.grant()?.scopes()))),
        Access::AnyScope(scopes) => Some(Missing::Any(scopes.clone())),
        Access::Public | Access::Optional | Access::Token => None,
    }
}
