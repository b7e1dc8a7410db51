//! Who is who: a client by its secret (RFC 6749 section 2.3), an organisation by its key.
//!
//! Wrong credentials are counted by address, and soon refused unseen ([`super::throttle`]).
//!
//! A secret that this store never made ends at its check bytes. Any other takes one look-up in the store and one
//! verification before it is refused, whether the client exists, is disabled or has another secret: answer and time
//! tell nothing of which it was (`benches/auth_timing.rs`).

use std::{net::IpAddr, sync::Arc};

use super::{ClientEntry, PasswordsBusy, Registry, service::OrganizationEntry, throttle::Claim};
use crate::{
    cache::Fresh,
    model::{Client, ClientId, Exceeded, Organization, OrganizationId, SecretDigest, SecretKind, SecretText},
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
    /// Too many wrong ones came from there before.
    #[error("too many wrong credentials: {0}")]
    Throttled(Exceeded),
    /// Too many verifications wait.
    #[error(transparent)]
    Busy(#[from] PasswordsBusy),
    /// The store did not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a caller calls itself as a client, not yet checked.
#[derive(Debug)]
pub struct ClientCredentials {
    /// The client's id.
    pub id: String,
    /// One of its secrets.
    pub secret: SecretText,
}

impl Registry {
    /// Recognises a client by its id and secret, which may be read in several ways: the first that this store can have
    /// made counts. `from` is the caller's address; wrong credentials of a caller without one are not counted.
    ///
    /// # Errors
    /// [`AuthenticationError`] if it is not recognised.
    pub async fn authenticate_client(
        &self,
        readings: &[ClientCredentials],
        from: Option<IpAddr>,
    ) -> Result<AuthenticatedClient, AuthenticationError> {
        let claimed = readings.iter().find_map(|reading| reading.id.parse().ok());
        let attempt = self.throttle.attempt(from, claimed.map(Claim::Client));
        let ours = readings.iter().find_map(|reading| {
            let digest = self.key.examine(SecretKind::ClientSecret, reading.secret.expose())?;
            Some((reading, digest))
        });
        let Some((ClientCredentials { id, secret }, digest)) = ours else { return Err(attempt.failed()) };
        let id = id.parse().ok();
        attempt.check(self.is_likely_right(id, secret)).await?;
        match self.recognise_client(id, secret, digest).await {
            Err(AuthenticationError::Wrong) => Err(attempt.failed()),
            outcome => outcome,
        }
    }

    /// `id` is absent if the text can be nobody's.
    async fn recognise_client(
        &self,
        id: Option<ClientId>,
        secret: &SecretText,
        digest: SecretDigest,
    ) -> Result<AuthenticatedClient, AuthenticationError> {
        let (entry, remembered) = self.look_up_client(id).await?;
        let now = self.clock.now();
        let candidate = entry.as_ref().and_then(|entry| Some((entry, entry.secret_like(secret, now)?)));
        let right = match candidate {
            Some((_, candidate)) => self.passwords.verify(&candidate.stored.hash, secret, digest).await?,
            None => self.passwords.refuse(secret).await?,
        };
        let (Some((entry, candidate)), true) = (candidate, right) else {
            if remembered {
                self.store.client(NO_CLIENT, now).await?;
            }
            return Err(AuthenticationError::Wrong);
        };
        // The client may have changed while the secret was verified: then all of it is asked anew.
        if !entry.is_current() {
            return Box::pin(self.recognise_client(id, secret, digest)).await;
        }
        if candidate.mark.is_due(now) {
            self.uses.note(Use::Secret(candidate.stored.id, now));
        }
        self.note_use(entry, now);
        Ok(AuthenticatedClient(entry.clone()))
    }

    /// Whether a secret that this store made has the hint of one of the client's: its last characters are check bytes,
    /// so nobody can make such a text, and of the secrets of others one in sixteen million has the same.
    async fn is_likely_right(&self, id: Option<ClientId>, secret: &SecretText) -> Result<bool, StoreError> {
        let (entry, remembered) = self.look_up_client(id).await?;
        let now = self.clock.now();
        let likely = entry.is_some_and(|entry| entry.secret_like(secret, now).is_some());
        if !likely && remembered {
            self.store.client(NO_CLIENT, now).await?;
        }
        Ok(likely)
    }

    /// The client, if there is one, and whether memory knew that. Who refuses then looks up [`NO_CLIENT`]: else those
    /// who are remembered would be refused sooner than those unknown.
    async fn look_up_client(
        &self,
        id: Option<ClientId>,
    ) -> Result<(Option<Arc<Fresh<ClientEntry>>>, bool), StoreError> {
        let Some(id) = id else { return Ok((None, true)) };
        let remembered = self.known_client(id).is_some();
        Ok((self.client(id).await?, remembered))
    }

    /// Recognises an organisation by its id and key. `from` is the caller's address; wrong credentials of a caller
    /// without one are not counted.
    ///
    /// # Errors
    /// [`AuthenticationError`] if it is not recognised.
    pub async fn authenticate_organization(
        &self,
        id: &str,
        key: &SecretText,
        from: Option<IpAddr>,
    ) -> Result<AuthenticatedOrganization, AuthenticationError> {
        let id: Option<OrganizationId> = id.parse().ok();
        let attempt = self.throttle.attempt(from, id.map(Claim::Organization));
        let digest = self.key.examine(SecretKind::OrganizationKey, key.expose()).ok_or_else(|| attempt.failed())?;
        attempt.check(self.was_right(id, digest)).await?;
        match self.recognise_organization(id, key, digest).await {
            Err(AuthenticationError::Wrong) => Err(attempt.failed()),
            outcome => outcome,
        }
    }

    /// Whether the organisation's key of now was made or verified by this process and has this digest.
    async fn was_right(&self, id: Option<OrganizationId>, digest: SecretDigest) -> Result<bool, StoreError> {
        let (entry, remembered) = self.look_up_organization(id).await?;
        let was_right = entry.is_some_and(|entry| self.passwords.remembers(&entry.key, digest));
        if !was_right && remembered {
            self.store.organization(NO_ORGANIZATION).await?;
        }
        Ok(was_right)
    }

    /// As [`Self::look_up_client`].
    async fn look_up_organization(
        &self,
        id: Option<OrganizationId>,
    ) -> Result<(Option<Arc<Fresh<OrganizationEntry>>>, bool), StoreError> {
        let Some(id) = id else { return Ok((None, true)) };
        let remembered = self.known_organization(id).is_some();
        Ok((self.organization(id).await?, remembered))
    }

    /// `id` is absent if the text can be nobody's.
    async fn recognise_organization(
        &self,
        id: Option<OrganizationId>,
        key: &SecretText,
        digest: SecretDigest,
    ) -> Result<AuthenticatedOrganization, AuthenticationError> {
        let (entry, remembered) = self.look_up_organization(id).await?;
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
            return Box::pin(self.recognise_organization(id, key, digest)).await;
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
