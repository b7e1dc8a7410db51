//! The living tokens of a client: list, revoke one, revoke all. A token's text is never seen here.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use http::StatusCode;

use super::{
    Manage,
    caller::ClientInTree,
    envelope,
    error::ManageError,
    paging::{InQuery, Paging},
    views::TokenView,
};
use crate::model::TokenId;

/// `GET /oauth2/clients/{id}/tokens`.
pub(super) async fn list(
    State(manage): State<Arc<Manage>>,
    target: ClientInTree,
    InQuery(paging): InQuery<Paging>,
) -> Result<Response, ManageError> {
    let found = manage.tokens.list(target.id(), paging.page()?).await?;
    let views: Vec<TokenView<'_>> = found.items.iter().map(TokenView::from).collect();
    envelope::list(&views, &paging, found.next, found.total)
}

/// `DELETE /oauth2/clients/{id}/tokens`.
pub(super) async fn revoke_all(
    State(manage): State<Arc<Manage>>,
    target: ClientInTree,
) -> Result<StatusCode, ManageError> {
    let there = manage.tokens.revoke_all(target.id(), target.caller.audit(&manage)).await?;
    there.then_some(StatusCode::NO_CONTENT).ok_or(ManageError::NotFound)
}

/// `DELETE /oauth2/clients/{id}/tokens/{jti}`.
pub(super) async fn revoke(State(manage): State<Arc<Manage>>, target: ClientInTree) -> Result<StatusCode, ManageError> {
    let id: TokenId = target.part()?;
    let token = manage.registry.store().token(id).await?.filter(|token| token.client == target.id());
    let there = token.is_some() && manage.tokens.revoke_by_id(id, target.caller.audit(&manage)).await?;
    there.then_some(StatusCode::NO_CONTENT).ok_or(ManageError::NotFound)
}
