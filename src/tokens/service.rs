//! Issue, resolve, introspect, revoke.

use std::{sync::Arc, time::Duration};

use super::{Grant, grant::KnownTerms};
use crate::{
    cache::{Fresh, LookupCache},
    model::{
        Audience, AudienceSet, CheckKey, Client, ClientId, Clock, OrganizationId, RandomError, ScopeSet, SecretKind,
        SecretText, Token, TokenId,
    },
    observe::{Metrics, OWN},
    registry::{AuthenticatedClient, Registry},
    store::{Audit, Change, InsertToken, Page, PageOf, Store, StoreError, Subject, Use, Uses},
};

/// Why a text does not grant anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// No living token has this text.
    #[error("no living token has this text")]
    Invalid,
    /// It could not be found out.
    #[error(transparent)]
    Unavailable(#[from] StoreError),
}

/// Why no token was issued.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IssueError {
    /// A scope beyond the client's.
    #[error("the client may not have every scope that was asked for")]
    Scope,
    /// No scope was asked for, and none of the client's default scopes is one of its scopes any more.
    #[error("none of the client's default scopes is left: ask for a scope")]
    NoDefaultScopes,
    /// An audience beyond the client's.
    #[error("the client has no audience `{0}`")]
    Target(Audience),
    /// The client has as many living tokens as it may.
    #[error("the client has as many living tokens as it may (tokens.max_live_per_client); revoke some, or wait")]
    TooMany {
        /// How long until there is room for one.
        wait: Duration,
    },
    /// The client went or was disabled meanwhile.
    #[error("the client is gone")]
    ClientGone,
    /// The store did not keep it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No randomness.
    #[error(transparent)]
    Random(#[from] RandomError),
}

/// What a token is asked to be.
#[derive(Debug, Clone, Default)]
pub struct IssueRequest {
    /// Some of the client's scopes; its default ones if absent.
    pub scopes: Option<ScopeSet>,
    /// Some of the client's audiences; all of them if absent.
    pub audiences: Option<AudienceSet>,
}

/// A token just issued: the only time that its text is known.
#[derive(Debug)]
pub struct Issued {
    /// The text.
    pub text: SecretText,
    /// The record.
    pub token: Token,
}

/// What became of a revocation by a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// It is dead now, or was never alive (RFC 7009 section 2.2: the same to the caller).
    Done,
    /// It is another client's and lives on.
    NotYours,
}

/// The verbs on tokens.
pub struct Tokens {
    store: Arc<dyn Store>,
    registry: Arc<Registry>,
    clock: Arc<dyn Clock>,
    key: CheckKey,
    uses: Uses,
    metrics: Arc<Metrics>,
    grants: LookupCache<TokenId, Grant>,
    terms: KnownTerms,
}

impl Tokens {
    /// The verbs on the tokens of a store, for the clients of a registry.
    #[must_use]
    pub fn new(registry: Arc<Registry>, uses: Uses) -> Self {
        let store = registry.store().clone();
        let key = CheckKey::new(store.check_key());
        let (clock, metrics) = (registry.clock().clone(), registry.metrics().clone());
        let grants = LookupCache::of_bytes(registry.settings().token_cache, Grant::bytes);
        Self { store, registry, clock, key, uses, metrics, grants, terms: KnownTerms::new() }
    }

    /// Issues a token to a client. It is durable when this returns.
    ///
    /// # Errors
    /// [`IssueError`]; no token is there then.
    pub async fn issue(&self, client: &AuthenticatedClient, request: &IssueRequest) -> Result<Issued, IssueError> {
        match self.issue_to(client.client(), request).await {
            // What is known of the client was outdated: it is asked for once more.
            Err(IssueError::ClientGone) => {
                self.registry.forget_client(client.client().id);
                let now = self.registry.client(client.client().id).await?;
                match now.filter(|now| now.client.enabled) {
                    Some(now) => self.issue_to(&now.client, request).await,
                    None => Err(IssueError::ClientGone),
                }
            }
            issued => issued,
        }
    }

    async fn issue_to(&self, client: &Client, request: &IssueRequest) -> Result<Issued, IssueError> {
        let (scopes, audiences) = narrowed(client, request)?;
        let (text, digest) = self.key.mint(SecretKind::AccessToken)?;
        let issued_at = self.clock.now();
        let duration = client.token_duration.min(self.registry.settings().max_token_duration);
        let token = Token {
            id: TokenId::from_bytes(*digest.as_bytes()),
            client: client.id,
            epoch: client.token_epoch,
            scopes,
            audiences,
            issued_at,
            expires_at: issued_at + duration,
            last_used: None,
        };
        match self.store.insert_token(token.clone(), self.registry.settings().max_live_per_client).await? {
            InsertToken::Inserted => {
                self.metrics.tokens_issued.inc();
                Ok(Issued { text, token })
            }
            InsertToken::TooMany { room_at } => {
                self.metrics.rate_limited.with_label_values(&[OWN]).inc();
                Err(IssueError::TooMany { wait: room_at.since(issued_at) })
            }
            InsertToken::Refused => Err(IssueError::ClientGone),
        }
    }

    /// What a token's text grants at this moment. A guess ends at the check bytes; a known token costs no look-up.
    ///
    /// # Errors
    /// [`Unresolved`]; nothing is granted then.
    pub async fn resolve(&self, text: &str) -> Result<Arc<Fresh<Grant>>, Unresolved> {
        let digest = self.key.examine(SecretKind::AccessToken, text).ok_or(Unresolved::Invalid)?;
        self.resolve_id(TokenId::from_bytes(*digest.as_bytes())).await
    }

    /// Whether nothing has happened to a grant since it was resolved: neither to its token nor to its client. What
    /// costs no look-up is asked here; what became of one that is not as it was tells [`Self::renew`].
    #[must_use]
    pub fn still_holds(&self, grant: &Fresh<Grant>) -> bool {
        grant.is_current() && grant.client_is_current() && grant.lives(self.clock.now())
    }

    /// The grant of the same token at this moment: for what runs longer than the token may live.
    ///
    /// # Errors
    /// [`Unresolved`]; with [`Unresolved::Invalid`] the token has come to its end.
    pub async fn renew(&self, grant: &Grant) -> Result<Arc<Fresh<Grant>>, Unresolved> {
        // That is known without the store.
        if grant.expires_at() <= self.clock.now() {
            return Err(Unresolved::Invalid);
        }
        self.resolve_id(grant.id()).await
    }

    async fn resolve_id(&self, id: TokenId) -> Result<Arc<Fresh<Grant>>, Unresolved> {
        let now = self.clock.now();
        let grant = match self.grants.peek(&id) {
            Some(Some(grant)) if grant.client_is_current() => {
                self.metrics.token_cache_hits.inc();
                grant
            }
            _ => self.look_up(id).await?,
        };
        if !grant.lives(now) {
            return Err(Unresolved::Invalid);
        }
        Ok(grant)
    }

    /// Notes that a grant was used at the proxy; written to the store when there is time.
    pub fn note_use(&self, grant: &Grant) {
        let now = self.clock.now();
        if grant.mark().is_due(now) {
            self.uses.note(Use::Token(grant.id(), now));
            self.registry.note_use(grant.client_entry(), now);
        }
    }

    /// What a living token grants, if its owner is `viewer` or below it and it has every scope in `required`
    /// (RFC 7662 section 2.2: anything else is inactive, and no more is said).
    ///
    /// # Errors
    /// [`StoreError`] if it could not be found out.
    pub async fn introspect(
        &self,
        text: &str,
        required: &ScopeSet,
        viewer: OrganizationId,
    ) -> Result<Option<Arc<Fresh<Grant>>>, StoreError> {
        match self.resolve(text).await {
            Ok(grant) if grant.is_owned_within(viewer) && grant.scopes().contains_all(required) => Ok(Some(grant)),
            Ok(_) | Err(Unresolved::Invalid) => Ok(None),
            Err(Unresolved::Unavailable(error)) => Err(error),
        }
    }

    /// Revokes the token of this text for the client that it was issued to (RFC 7009 section 2.1). Once this returns,
    /// it is refused everywhere in this process.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be done.
    pub async fn revoke(&self, text: &str, client: ClientId, audit: Audit) -> Result<Revocation, StoreError> {
        match self.resolve(text).await {
            Ok(grant) if grant.client() == client => {
                self.revoke_by_id(grant.id(), audit).await?;
                Ok(Revocation::Done)
            }
            Ok(_) => Ok(Revocation::NotYours),
            Err(Unresolved::Invalid) => Ok(Revocation::Done),
            Err(Unresolved::Unavailable(error)) => Err(error),
        }
    }

    /// Revokes the token of this text, whoever it was issued to: for an operator at the command line.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be done.
    pub async fn revoke_any(&self, text: &str, audit: Audit) -> Result<bool, StoreError> {
        match self.key.examine(SecretKind::AccessToken, text) {
            Some(digest) => self.revoke_by_id(TokenId::from_bytes(*digest.as_bytes()), audit).await,
            None => Ok(false),
        }
    }

    /// Revokes one token. `false` if there is none of this id.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be done.
    pub async fn revoke_by_id(&self, id: TokenId, audit: Audit) -> Result<bool, StoreError> {
        let was_there = self.store.revoke_token(id, audit).await?;
        self.grants.invalidate(&id);
        if was_there {
            self.metrics.tokens_revoked.inc();
        }
        Ok(was_there)
    }

    /// Revokes all tokens of a client. `false` if there is no such client.
    ///
    /// # Errors
    /// [`StoreError`] if it could not be done.
    pub async fn revoke_all(&self, client: ClientId, audit: Audit) -> Result<bool, StoreError> {
        let there = self.store.revoke_tokens(client, audit).await?;
        self.registry.forget_client(client);
        Ok(there)
    }

    /// The living tokens of a client.
    ///
    /// # Errors
    /// [`StoreError`] if they could not be read.
    pub async fn list(&self, client: ClientId, page: Page) -> Result<PageOf<Token>, StoreError> {
        self.store.tokens(client, self.clock.now(), page).await
    }

    /// Takes note of a change made anywhere.
    pub fn on_change(&self, change: &Change) {
        if let Subject::Token(id) = change.subject {
            self.grants.invalidate(&id);
        }
    }

    async fn look_up(&self, id: TokenId) -> Result<Arc<Fresh<Grant>>, Unresolved> {
        self.metrics.token_cache_misses.inc();
        let deadline = Duration::from_millis(900);
        let look_up = async {
            loop {
                let found = self.grants.get_or_look_up(&id, || self.load(id)).await?.ok_or(Unresolved::Invalid)?;
                if found.client_is_current() {
                    return Ok(found);
                }
                // The client changed since: the same token, seen with the client of now.
                self.grants.invalidate(&id);
            }
        };
        let late = |_| Unresolved::Unavailable(StoreError::Unavailable("no answer in time".into()));
        tokio::time::timeout(deadline, look_up).await.map_err(late)?
    }

    async fn load(&self, id: TokenId) -> Result<Option<Grant>, Unresolved> {
        let Some(token) = self.store.token(id).await? else { return Ok(None) };
        let Some(client) = self.registry.client(token.client).await? else { return Ok(None) };
        Ok(Some(self.terms.grant(token, client)))
    }
}

/// What is asked for of what the client may have.
fn narrowed(client: &Client, request: &IssueRequest) -> Result<(ScopeSet, AudienceSet), IssueError> {
    let scopes = match &request.scopes {
        Some(scopes) if client.scopes.contains_all(scopes) => scopes.clone(),
        Some(_) => return Err(IssueError::Scope),
        None => client.scopes_by_default().ok_or(IssueError::NoDefaultScopes)?,
    };
    let audiences = match &request.audiences {
        Some(asked) => match asked.iter().find(|audience| !client.audiences.contains(audience)) {
            Some(foreign) => return Err(IssueError::Target(foreign.clone())),
            None => asked.clone(),
        },
        None => client.audiences.clone(),
    };
    Ok((scopes, audiences))
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}
