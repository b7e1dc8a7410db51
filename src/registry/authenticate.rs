//! Who is who: a client by its secret (RFC 6749 section 2.3), an organisation by its key.
//!
//! A secret that this store never made ends at its check bytes. Any other takes one verification, whether the client
//! exists, is disabled or has another secret: answer and time tell nothing of which it was.

use std::sync::Arc;

use super::{ClientEntry, PasswordsBusy, Registry, service::OrganizationEntry};
use crate::{
    cache::Fresh,
    model::{Client, ClientId, Organization, SecretKind, SecretText},
    store::{StoreError, Use},
};

/// Proof that a caller is this client.
#[derive(Debug, Clone)]
pub struct AuthenticatedClient(Arc<Fresh<ClientEntry>>);

impl AuthenticatedClient {
    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// The organisation that owns it.
    #[must_use]
    pub fn owner(&self) -> &Organization {
        &self.0.owner
    }
}

/// Proof that a caller acts for this organisation.
#[derive(Debug, Clone)]
pub struct AuthenticatedOrganization(Arc<Fresh<OrganizationEntry>>);

impl AuthenticatedOrganization {
    /// The organisation.
    #[must_use]
    pub fn organization(&self) -> &Organization {
        &self.0.organization
    }
}

/// Why a caller was not recognised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthenticationError {
    /// Unknown, disabled, or the secret is another: not told apart.
    #[error("the credentials are wrong")]
    Wrong,
    /// Too many verifications wait.
    #[error(transparent)]
    Busy(#[from] PasswordsBusy),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Registry {
    /// Recognises a client by its id and secret.
    ///
    /// # Errors
    /// [`AuthenticationError`] if it is not recognised.
    pub async fn authenticate_client(
        &self,
        id: &str,
        secret: &SecretText,
    ) -> Result<AuthenticatedClient, AuthenticationError> {
        let digest = self.key.examine(SecretKind::ClientSecret, secret.expose()).ok_or(AuthenticationError::Wrong)?;
        let entry = match id.parse::<ClientId>() {
            Ok(id) => self.client(id).await?,
            Err(_) => None,
        };
        let (now, hint) = (self.clock.now(), secret.hint());
        let enabled = entry.filter(|entry| entry.client.enabled);
        let candidate = enabled.as_ref().and_then(|entry| {
            let fits = |known: &&super::service::SecretEntry| known.stored.hint == hint && known.stored.is_live(now);
            entry.secrets.iter().find(fits)
        });
        let (Some(entry), Some(candidate)) = (enabled.as_ref(), candidate) else {
            self.passwords.refuse(secret).await?;
            return Err(AuthenticationError::Wrong);
        };
        if !self.passwords.verify(&candidate.stored.hash, secret, digest).await? {
            return Err(AuthenticationError::Wrong);
        }
        // The client may have changed while the secret was verified: then all of it is asked anew.
        if !entry.is_current() {
            return Box::pin(self.authenticate_client(id, secret)).await;
        }
        if candidate.mark.is_due(now) {
            self.uses.note(Use::Secret(candidate.stored.id, now));
        }
        if entry.mark.is_due(now) {
            self.uses.note(Use::Client(entry.client.id, now));
        }
        Ok(AuthenticatedClient(entry.clone()))
    }

    /// Recognises an organisation by its id and key.
    ///
    /// # Errors
    /// [`AuthenticationError`] if it is not recognised.
    pub async fn authenticate_organization(
        &self,
        id: &str,
        key: &SecretText,
    ) -> Result<AuthenticatedOrganization, AuthenticationError> {
        let digest = self.key.examine(SecretKind::OrganizationKey, key.expose()).ok_or(AuthenticationError::Wrong)?;
        let entry = match id.parse() {
            Ok(id) => self.organization(id).await?,
            Err(_) => None,
        };
        let Some(entry) = entry else {
            self.passwords.refuse(key).await?;
            return Err(AuthenticationError::Wrong);
        };
        if !self.passwords.verify(&entry.key, key, digest).await? {
            return Err(AuthenticationError::Wrong);
        }
        if !entry.is_current() {
            return Box::pin(self.authenticate_organization(id, key)).await;
        }
        Ok(AuthenticatedOrganization(entry))
    }

    /// Speaks for a client without its secret: for an operator at the command line, who owns the store anyway.
    ///
    /// # Errors
    /// [`AuthenticationError::Wrong`] if there is no such client or it is disabled.
    pub async fn vouch_for(&self, id: ClientId) -> Result<AuthenticatedClient, AuthenticationError> {
        let entry = self.client(id).await?.filter(|entry| entry.client.enabled);
        entry.map(AuthenticatedClient).ok_or(AuthenticationError::Wrong)
    }
}
