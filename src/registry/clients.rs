//! Clients and their secrets: create, change, rotate, delete.

use std::time::Duration;

use super::{Registry, RegistryError};
use crate::{
    model::{
        AudienceSet, Client, ClientId, Name, OrganizationId, ScopeSet, SecretId, SecretKind, SecretText, StoredSecret,
        Timestamp,
    },
    store::{
        Audit, ClientUpdate, ClientWithSecrets, CreateClient, DeleteSecret, InsertSecret, Page, PageOf, StoreError,
    },
};

/// The most live secrets that a client may have.
const MOST_SECRETS: u32 = 5;
/// The longest that old secrets live on beside a new one.
const MAX_OVERLAP: Duration = Duration::from_hours(366 * 24);
/// A secret used within this time is not removed without force.
const RECENTLY: Duration = Duration::from_hours(24);

/// What a new client is to be.
#[derive(Debug, Clone)]
pub struct ClientDraft {
    /// See [`Client::name`].
    pub name: Name,
    /// See [`Client::scopes`].
    pub scopes: ScopeSet,
    /// See [`Client::default_scopes`].
    pub default_scopes: Option<ScopeSet>,
    /// See [`Client::audiences`].
    pub audiences: AudienceSet,
    /// See [`Client::token_duration`]; the configured one if absent.
    pub token_duration: Option<Duration>,
    /// See [`Client::enabled`].
    pub enabled: bool,
    /// See [`Client::refresh_token_duration`].
    pub refresh_token_duration: Option<Duration>,
    /// See [`Client::redirect_uris`].
    pub redirect_uris: Option<Vec<String>>,
}

/// A client just created: the only time that its secret's text is known.
#[derive(Debug)]
pub struct NewClient {
    /// The client.
    pub client: Client,
    /// Its secret.
    pub secret: SecretText,
}

/// A secret just made: the only time that its text is known.
#[derive(Debug)]
pub struct NewSecret {
    /// The record.
    pub stored: StoredSecret,
    /// The text.
    pub text: SecretText,
}

impl Registry {
    /// Creates a client of an organisation, with one secret. Others of the organisation may have its name.
    ///
    /// # Errors
    /// [`RegistryError::Absent`] if there is no such organisation, [`RegistryError::TokenDuration`],
    /// [`RegistryError::DefaultScopes`]; else what the store says.
    pub async fn create_client(
        &self,
        organization: OrganizationId,
        draft: ClientDraft,
        audit: Audit,
    ) -> Result<NewClient, RegistryError> {
        self.create(organization, draft, false, audit).await
    }

    /// The same for a client that is known by its name: of those who ask at once, one creates it.
    ///
    /// # Errors
    /// [`RegistryError::NameTaken`] if the organisation has a client of this name, and those of
    /// [`Self::create_client`].
    pub async fn create_client_unless_named(
        &self,
        organization: OrganizationId,
        draft: ClientDraft,
        audit: Audit,
    ) -> Result<NewClient, RegistryError> {
        self.create(organization, draft, true, audit).await
    }

    async fn create(
        &self,
        organization: OrganizationId,
        draft: ClientDraft,
        unless_named: bool,
        audit: Audit,
    ) -> Result<NewClient, RegistryError> {
        // A default above the maximum cannot be configured.
        let token_duration = draft.token_duration.unwrap_or(self.settings.token_duration);
        self.check_duration(token_duration)?;
        let default_scopes = draft.default_scopes.filter(|defaults| !defaults.is_empty());
        check_defaults(default_scopes.as_ref(), &draft.scopes)?;
        let client = Client {
            id: ClientId::random()?,
            organization,
            name: draft.name,
            scopes: draft.scopes,
            default_scopes,
            audiences: draft.audiences,
            token_duration,
            enabled: draft.enabled,
            token_epoch: 0,
            refresh_token_duration: draft.refresh_token_duration,
            redirect_uris: draft.redirect_uris,
            created_at: audit.at,
            last_used: None,
        };
        let NewSecret { stored, text } = self.mint_secret(audit.at).await?;
        match self.store.create_client(client.clone(), stored, unless_named, audit).await? {
            CreateClient::Created => Ok(NewClient { client, secret: text }),
            CreateClient::Absent => Err(RegistryError::Absent),
            CreateClient::NameTaken => Err(RegistryError::NameTaken),
        }
    }

    /// A client with its owner and its live secrets, as the store has them.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be read.
    pub async fn find_client(&self, id: ClientId) -> Result<Option<ClientWithSecrets>, StoreError> {
        self.store.client(id, self.clock.now()).await
    }

    /// The clients of one organisation, oldest first.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn list_clients(&self, organization: OrganizationId, page: Page) -> Result<PageOf<Client>, StoreError> {
        self.store.clients(organization, page).await
    }

    /// Changes a client. Its living tokens have the scopes and audiences that they share with it from then on.
    ///
    /// # Errors
    /// [`RegistryError::Absent`], [`RegistryError::TokenDuration`], [`RegistryError::DefaultScopes`]; else what the
    /// store says.
    pub async fn update_client(
        &self,
        id: ClientId,
        update: ClientUpdate,
        audit: Audit,
    ) -> Result<Client, RegistryError> {
        if let Some(duration) = update.token_duration {
            self.check_duration(duration)?;
        }
        // None is as good as not set: all of the client's scopes.
        let update = match update.default_scopes {
            Some(Some(defaults)) if defaults.is_empty() => ClientUpdate { default_scopes: Some(None), ..update },
            _ => update,
        };
        if update.scopes.is_some() || update.default_scopes.is_some() {
            let found = self.find_client(id).await?.ok_or(RegistryError::Absent)?.client;
            let defaults = update.default_scopes.as_ref().unwrap_or(&found.default_scopes);
            check_defaults(defaults.as_ref(), update.scopes.as_ref().unwrap_or(&found.scopes))?;
        }
        let updated = self.store.update_client(id, update, audit).await?;
        self.forget_client(id);
        updated.ok_or(RegistryError::Absent)
    }

    /// Deletes a client; its tokens die at once.
    ///
    /// # Errors
    /// [`RegistryError::Absent`]; else what the store says.
    pub async fn delete_client(&self, id: ClientId, audit: Audit) -> Result<(), RegistryError> {
        let there = self.store.delete_client(id, audit).await?;
        self.forget_client(id);
        if there { Ok(()) } else { Err(RegistryError::Absent) }
    }

    /// Gives a client a new secret. The old ones live on for `overlap`, but never longer than they would have; without
    /// an overlap they die at once.
    ///
    /// # Errors
    /// [`RegistryError::Absent`], [`RegistryError::Overlap`], [`RegistryError::TooManySecrets`]; else what the store
    /// says.
    pub async fn rotate_secret(
        &self,
        id: ClientId,
        overlap: Duration,
        audit: Audit,
    ) -> Result<NewSecret, RegistryError> {
        if overlap > MAX_OVERLAP || overlap.subsec_nanos() > 0 {
            return Err(RegistryError::Overlap { max: MAX_OVERLAP });
        }
        let new = self.mint_secret(audit.at).await?;
        let others_expire_at = audit.at + overlap;
        let outcome = self.store.insert_secret(id, new.stored.clone(), others_expire_at, MOST_SECRETS, audit).await?;
        self.forget_client(id);
        match outcome {
            InsertSecret::Inserted => Ok(new),
            InsertSecret::Absent => Err(RegistryError::Absent),
            InsertSecret::TooMany => Err(RegistryError::TooManySecrets(MOST_SECRETS)),
        }
    }

    /// Removes a secret of a client; one used in the last 24 hours only with `force`.
    ///
    /// # Errors
    /// [`RegistryError::Absent`], [`RegistryError::SecretInUse`]; else what the store says.
    pub async fn delete_secret(
        &self,
        client: ClientId,
        id: SecretId,
        force: bool,
        audit: Audit,
    ) -> Result<(), RegistryError> {
        let recently = Timestamp::from_seconds(audit.at.as_seconds().saturating_sub_unsigned(RECENTLY.as_secs()));
        let outcome = self.store.delete_secret(client, id, (!force).then_some(recently), audit).await?;
        self.forget_client(client);
        match outcome {
            DeleteSecret::Deleted => Ok(()),
            DeleteSecret::Absent => Err(RegistryError::Absent),
            DeleteSecret::RecentlyUsed => Err(RegistryError::SecretInUse),
        }
    }

    async fn mint_secret(&self, created_at: Timestamp) -> Result<NewSecret, RegistryError> {
        let (text, digest) = self.key.mint(SecretKind::ClientSecret)?;
        let hash = self.passwords.hash(text.clone(), digest).await?;
        let (id, hint) = (SecretId::random()?, text.hint());
        let stored = StoredSecret { id, hash, hint, created_at, expires_at: None, last_used: None };
        Ok(NewSecret { stored, text })
    }

    fn check_duration(&self, duration: Duration) -> Result<(), RegistryError> {
        let max = self.settings.max_token_duration;
        if (Duration::from_secs(1)..=max).contains(&duration) && duration.subsec_nanos() == 0 {
            Ok(())
        } else {
            Err(RegistryError::TokenDuration { max })
        }
    }
}

fn check_defaults(defaults: Option<&ScopeSet>, scopes: &ScopeSet) -> Result<(), RegistryError> {
    match defaults {
        Some(defaults) if !scopes.contains_all(defaults) => Err(RegistryError::DefaultScopes),
        _ => Ok(()),
    }
}
