//! Who is who: a client by its secret (RFC 6749 section 2.3), an organisation by its key.
//!
//! A secret that this store never made ends at its check bytes. Any other takes one look-up in the store and one
//! verification before it is refused, whether the client exists, is disabled or has another secret: answer and time tell
//! nothing of which it was (`benches/auth_timing.rs`).

use std::sync::Arc;

use super::{ClientEntry, PasswordsBusy, Registry, service::OrganizationEntry};
use crate::{
    cache::Fresh,
    model::{Client, ClientId, Organization, OrganizationId, SecretKind, SecretText},
    store::{StoreError, Use},
};

/// Who is looked up where memory knew an answer already, so that it takes as long as where it did not.
const NO_CLIENT: ClientId = ClientId::from_bytes([0; 8]);
const NO_ORGANIZATION: OrganizationId = OrganizationId::from_bytes([0; 8]);

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
        let known = id.parse::<ClientId>().ok();
        let remembered = known.is_none_or(|id| self.remembers_client(id));
        let entry = match known {
            Some(id) => self.client(id).await?,
            None => None,
        };
        let (now, hint) = (self.clock.now(), secret.hint());
        let enabled = entry.filter(|entry| entry.client.enabled);
        let candidate = enabled.as_ref().and_then(|entry| {
            let fits = |known: &&super::service::SecretEntry| known.stored.hint == hint && known.stored.is_live(now);
            entry.secrets.iter().find(fits)
        });
        let right = match candidate {
            Some(candidate) => self.passwords.verify(&candidate.stored.hash, secret, digest).await?,
            None => self.passwords.refuse(secret).await?,
        };
        let (Some(entry), Some(candidate), true) = (enabled.as_ref(), candidate, right) else {
            if remembered {
                self.store.client(NO_CLIENT, now).await?;
            }
            return Err(AuthenticationError::Wrong);
        };
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
        let known = id.parse::<OrganizationId>().ok();
        let remembered = known.is_none_or(|id| self.remembers_organization(id));
        let entry = match known {
            Some(id) => self.organization(id).await?,
            None => None,
        };
        let right = match &entry {
            Some(entry) => self.passwords.verify(&entry.key, key, digest).await?,
            None => self.passwords.refuse(key).await?,
        };
        let (Some(entry), true) = (entry, right) else {
            if remembered {
                self.store.organization(NO_ORGANIZATION).await?;
            }
            return Err(AuthenticationError::Wrong);
        };
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
