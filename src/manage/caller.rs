//! Who calls, and which client a path is about: extractors, so that no endpoint can leave them out and still see
//! either.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use axum::{
    RequestPartsExt,
    extract::{FromRequestParts, Path},
};
use http::request::Parts;

use super::{Manage, error::ManageError};
use crate::{
    model::{ClientId, Organization, RequestId},
    registry::AuthenticatedOrganization,
    store::{Actor, Audit, ClientWithSecrets},
    web::organization_credentials,
};

/// The organisation that calls, by its two headers.
pub(super) struct Caller {
    proof: AuthenticatedOrganization,
    request_id: Option<RequestId>,
}

impl Caller {
    /// The organisation.
    pub(super) fn organization(&self) -> &Organization {
        self.proof.organization()
    }

    /// What the audit trail keeps of a mutation of this call.
    pub(super) fn audit(&self, manage: &Manage) -> Audit {
        Audit {
            actor: Actor::Organization(self.organization().id),
            at: manage.registry.clock().now(),
            request_id: self.request_id.clone(),
        }
    }
}

impl FromRequestParts<Arc<Manage>> for Caller {
    type Rejection = ManageError;

    async fn from_request_parts(parts: &mut Parts, manage: &Arc<Manage>) -> Result<Self, ManageError> {
        let credentials = organization_credentials(&parts.headers)?.ok_or(ManageError::Unauthorized)?;
        let from: Option<IpAddr> = parts.extensions.get().copied();
        let proof = manage.registry.authenticate_organization(&credentials.id, &credentials.key, from).await?;
        Ok(Self { proof, request_id: parts.extensions.get().cloned() })
    }
}

/// The client that a path names, found in the tree of the organisation that calls.
pub(super) struct ClientInTree {
    /// Who calls.
    pub(super) caller: Caller,
    /// The client.
    pub(super) found: ClientWithSecrets,
    names: HashMap<String, String>,
}

impl ClientInTree {
    /// The client's id.
    pub(super) const fn id(&self) -> ClientId {
        self.found.client.id
    }

    /// What the path names below the client.
    pub(super) fn part<T: std::str::FromStr>(&self, name: &str) -> Result<T, ManageError> {
        let part = self.names.get(name).and_then(|text| text.parse().ok());
        part.ok_or(ManageError::NotFound)
    }
}

impl FromRequestParts<Arc<Manage>> for ClientInTree {
    type Rejection = ManageError;

    async fn from_request_parts(parts: &mut Parts, manage: &Arc<Manage>) -> Result<Self, ManageError> {
        let caller = Caller::from_request_parts(parts, manage).await?;
        let path = parts.extract::<Path<HashMap<String, String>>>().await;
        let Path(names) = path.map_err(|_| ManageError::NotFound)?;
        let id: Option<ClientId> = names.get("id").and_then(|text| text.parse().ok());
        let found = manage.registry.find_client(id.ok_or(ManageError::NotFound)?).await?;
        let within = |found: &ClientWithSecrets| found.owner.is_within(caller.organization().id);
        let found = found.filter(within).ok_or(ManageError::NotFound)?;
        Ok(Self { caller, found, names })
    }
}
