//! The living tokens of a client: list, revoke one, revoke all. A token's text is never seen here.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::StatusCode;

use super::{
    Manage,
    caller::ClientInTree,
    envelope::{self, Part},
    error::ManageError,
    paging::{InQuery, Paging, RowCursor},
    refusals::{Absent, Always},
    views::TokenView,
};
use crate::model::{ClientId, TokenId};

/// Lists a client's living tokens.
#[utoipa::path(
    get, path = "/oauth2/clients/{id}/tokens", operation_id = "listTokens", tag = "Clients' tokens",
    security(("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = [])),
    params(("id" = ClientId, Path, description = "The client."), Paging<RowCursor>),
    responses((status = 200, description = "A part of its living tokens.", body = Part<TokenView>), Always, Absent),
)]
pub(super) async fn list(
    State(manage): State<Arc<Manage>>,
    target: ClientInTree,
    InQuery(paging): InQuery<Paging<RowCursor>>,
) -> Result<Response, ManageError> {
    let found = manage.tokens.list(target.id(), (&paging).into()).await?;
    let views: Vec<TokenView<'_>> = found.items.iter().map(TokenView::from).collect();
    Ok(envelope::list(&views, &paging, found.next, found.total))
}

/// Revokes all tokens of a client.
#[utoipa::path(
    delete, path = "/oauth2/clients/{id}/tokens", operation_id = "revokeTokens", tag = "Clients' tokens",
    security(("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = [])),
    params(("id" = ClientId, Path, description = "The client.")),
    responses((status = 204, description = "All are revoked."), Always, Absent),
)]
pub(super) async fn revoke_all(
    State(manage): State<Arc<Manage>>,
    target: ClientInTree,
) -> Result<StatusCode, ManageError> {
    let there = manage.tokens.revoke_all(target.id(), target.caller.audit(&manage)).await?;
    there.then_some(StatusCode::NO_CONTENT).ok_or(ManageError::NotFound)
}

/// Revokes one token of a client.
#[utoipa::path(
    delete, path = "/oauth2/clients/{id}/tokens/{jti}", operation_id = "revokeTokenById", tag = "Clients' tokens",
    security(("X-Org-Id" = [], "X-API-Key" = []), ("SlashID-OrgID" = [], "SlashID-API-Key" = [])),
    params(("id" = ClientId, Path, description = "The client."),
        ("jti" = TokenId, Path, description = "The token.")),
    responses((status = 204, description = "Revoked."), Always, Absent),
)]
pub(super) async fn revoke(State(manage): State<Arc<Manage>>, target: ClientInTree) -> Result<StatusCode, ManageError> {
    let id: TokenId = target.part("jti")?;
    let token = manage.registry.store().token(id).await?.filter(|token| token.client == target.id());
    let there = token.is_some() && manage.tokens.revoke_by_id(id, target.caller.audit(&manage)).await?;
    there.then_some(StatusCode::NO_CONTENT).ok_or(ManageError::NotFound)
}
