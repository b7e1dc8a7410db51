//! The report of what observing upstreams would have refused: per upstream and rule who, why, how often, and what would
//! let it through.

use std::{cmp::Reverse, fmt, sync::Arc, time::Duration};

use axum::{Extension, extract::State, response::Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use utoipa::ToSchema;

use super::{
    Manage,
    caller::Caller,
    envelope::{self, One},
    error::ManageError,
    paging::InQuery,
    refusals::Always,
    values::Since,
};
use crate::{
    model::{ClientId, Name, OrganizationId, ScopeSet, Timestamp},
    store::{Missing, Observed, ObservedDetails, Store, StoreError},
};

/// The most kinds of requests that a report shows.
const MOST: usize = 1000;

/// Tells which upstreams only observe at the moment, and lets one report be made at a time: it reads much, and the store
/// has few readers, which everybody needs.
#[derive(Clone)]
pub struct Observing {
    names: Arc<dyn Fn() -> Vec<Arc<str>> + Send + Sync>,
    pub(super) turn: Arc<Semaphore>,
}

impl Observing {
    /// Asks `names` each time.
    pub fn new(names: impl Fn() -> Vec<Arc<str>> + Send + Sync + 'static) -> Self {
        Self { names: Arc::new(names), turn: Arc::new(Semaphore::new(1)) }
    }
}

impl fmt::Debug for Observing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observing")
    }
}

/// What observing upstreams would have refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Report)]
pub struct ReportView {
    /// Whatever was last seen before is left out.
    pub since: Timestamp,
    /// When it was made.
    pub until: Timestamp,
    /// The upstreams that only observe now.
    #[schema(value_type = Vec<String>)]
    pub observing: Vec<Arc<str>>,
    /// What would have been refused, by upstream and rule, the most frequent first.
    pub would_deny: Vec<ObservedView>,
    /// Whether there is more, less frequent than what is shown.
    pub truncated: bool,
}

/// Requests of one kind that would have been refused.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WouldDeny)]
pub struct ObservedView {
    /// The upstream.
    #[schema(value_type = String)]
    pub upstream: Arc<str>,
    /// The path of the rule; left out if no rule covers the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub rule: Option<String>,
    /// The method, or `other`; left out for all that was too much to be kept apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub method: Option<String>,
    /// The `error` that would have been answered.
    pub reason: String,
    /// The client; left out without a living token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub client_id: Option<ClientId>,
    /// Its name; left out if it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, nullable = false)]
    pub client_name: Option<Name>,
    /// The organisation that owns the client.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub owner: Option<OrganizationId>,
    /// The scopes that the token lacks, all of which it needs; left out if it needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub missing_scopes: Option<ScopeSet>,
    /// The scopes of which the token needs one and has none; left out if it needs none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub missing_any_scope: Option<ScopeSet>,
    /// How many requests, of whole days (in UTC).
    pub count: u64,
    /// The first of them.
    pub first_seen: Timestamp,
    /// The last of them.
    pub last_seen: Timestamp,
    /// What would let them through.
    pub fix: String,
}

impl ReportView {
    /// The report of what was seen within `window` before `now`. With `within`, of this organisation's tree, of requests
    /// that were of no client, and of those that were too many to be kept apart.
    ///
    /// # Errors
    /// [`StoreError`] if the counts cannot be read.
    pub async fn read(
        store: &dyn Store,
        now: Timestamp,
        window: Duration,
        within: Option<OrganizationId>,
        observing: Vec<Arc<str>>,
    ) -> Result<Self, StoreError> {
        let since = now - window;
        let limit = u32::try_from(MOST + 1).unwrap_or(u32::MAX);
        let mut rows = store.observations(since, within, limit).await?;
        let truncated = rows.len() > MOST;
        rows.truncate(MOST);
        let mut would_deny: Vec<ObservedView> = rows.into_iter().map(ObservedView::from).collect();
        would_deny.sort_by(|a, b| {
            let place = |view: &ObservedView| {
                (view.upstream.clone(), view.rule.clone(), view.method.is_none(), Reverse(view.count))
            };
            place(a).cmp(&place(b))
        });
        Ok(Self { since, until: now, observing, would_deny, truncated })
    }
}

impl From<Observed> for ObservedView {
    fn from(observed: Observed) -> Self {
        let Observed { total, client_name } = observed;
        let reason = total.kind.reason.into_owned();
        let fix = fix(&reason, total.kind.details.as_ref());
        let details = total.kind.details;
        let client = details.as_ref().and_then(|details| details.client);
        let (missing_scopes, missing_any_scope) = match details.as_ref().and_then(|details| details.missing.clone()) {
            Some(Missing::All(scopes)) => (Some(scopes), None),
            Some(Missing::Any(scopes)) => (None, Some(scopes)),
            None => (None, None),
        };
        Self {
            upstream: total.kind.upstream,
            method: details.as_ref().map(|details| details.method.to_string()),
            rule: details.and_then(|details| details.rule),
            reason,
            client_id: client.map(|(client, _)| client),
            client_name,
            owner: client.map(|(_, owner)| owner),
            missing_scopes,
            missing_any_scope,
            count: total.count,
            first_seen: total.first_seen,
            last_seen: total.last_seen,
            fix,
        }
    }
}

/// What would let such requests through, in words.
fn fix(reason: &str, details: Option<&ObservedDetails>) -> String {
    let has_client = details.is_some_and(|details| details.client.is_some());
    match (reason, details.and_then(|details| details.missing.as_ref())) {
        ("insufficient_scope", Some(Missing::All(scopes))) => format!("a token with {scopes}"),
        ("insufficient_scope", Some(Missing::Any(scopes))) => format!("a token with one of {scopes}"),
        ("insufficient_scope", None) => "a token with the scopes of the rule".to_owned(),
        ("missing_token", _) => "send a token: Authorization: Bearer …".to_owned(),
        ("invalid_token", _) if has_client => "a token for the upstream's audience".to_owned(),
        ("invalid_token", _) => "a new token: this one is unknown, expired or revoked".to_owned(),
        ("access_denied", _) => "add the owner to the upstream's `owners`".to_owned(),
        // No path is kept. The API that it went to has it.
        ("not_found", _) => {
            "no rule covers the path: add one; your API gets each with X-Portcullis-Would-Deny: not_found".to_owned()
        }
        ("method_not_allowed", _) => match details.map(|details| &*details.method) {
            Some(method) if method != "other" => format!("add {method} to the `methods` of a rule of this path"),
            _ => "add the method to the `methods` of a rule of this path".to_owned(),
        },
        ("rate_limited", _) => "fewer requests, or a higher limit".to_owned(),
        _ => "see the rule".to_owned(),
    }
}

/// The query of `GET /report`.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Window {
    /// How far back, such as `7d`.
    #[serde(default)]
    #[param(inline)]
    since: Since,
}

/// Tells what upstreams in observe mode would have refused: requests of clients of the caller's and of organisations
/// below it, requests without a living token, and what was too much of one day to be kept apart.
#[utoipa::path(
    get, path = "/report", operation_id = "getReport", tag = "Observe mode",
    security(("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = [])),
    params(Window),
    responses((status = 200, description = "What would have been refused.", body = One<ReportView>), Always),
)]
pub(super) async fn show(
    State(manage): State<Arc<Manage>>,
    caller: Caller,
    InQuery(window): InQuery<Window>,
    Extension(observing): Extension<Observing>,
) -> Result<Response, ManageError> {
    let (registry, within) = (&manage.registry, Some(caller.organization().id));
    let turn = observing.turn.try_acquire_owned();
    let turn = turn.map_err(|_| ManageError::Unavailable("another report is being made".to_owned()))?;
    let (store, now, window, names) =
        (registry.store().clone(), registry.clock().now(), window.since.get(), (observing.names)());
    // A caller that breaks off ends no read that has begun, so its turn lasts as long.
    let read = tokio::spawn(async move {
        let _turn = turn;
        ReportView::read(&*store, now, window, within, names).await
    });
    let report = read.await.map_err(|error| ManageError::Internal(error.to_string()))??;
    Ok(envelope::result(StatusCode::OK, report))
}
