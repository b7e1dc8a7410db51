//! What a living token grants: its record and its client as they are now, and how both are told to an upstream.

use std::{
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use http::HeaderValue;
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use quick_cache::{Weighter, sync::Cache};

use crate::{
    cache::Fresh,
    model::{AudienceSet, ClientId, Name, OrganizationId, ScopeSet, Timestamp, Token, TokenId},
    registry::ClientEntry,
    store::UseMark,
};

/// What a header may not hold as it is: everything but blanks and visible ASCII, and `%` itself.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// How many different terms are remembered: far more than there are clients that are busy at a time.
const TERMS: usize = 10_000;
/// Bytes of terms that are remembered, and that may live beside those that are counted with a grant.
const SHARED_BYTES: usize = 16 << 20;
/// What a grant takes of the memory beside its terms: itself and its place in the cache, measured.
const GRANT_BYTES: usize = 176;
/// What terms take beside their texts.
const TERMS_BYTES: usize = 600;

/// A token that was in the store and unrevoked when it was looked up, with its client. Whether it still holds is
/// asked of it before each use, see [`super::Tokens::resolve`].
#[derive(Debug)]
pub struct Grant {
    id: TokenId,
    epoch: u32,
    issued_at: Timestamp,
    expires_at: Timestamp,
    terms: Arc<Terms>,
    /// Whether the terms are counted with this one.
    counts_terms: bool,
    mark: UseMark,
}

/// What the tokens of one client have in common that were granted the same: kept once, however many they are.
#[derive(Debug)]
struct Terms {
    client: Arc<Fresh<ClientEntry>>,
    scopes: ScopeSet,
    audiences: AudienceSet,
    identity: SharedIdentity,
    bytes: Living,
}

/// Bytes of terms that live, as long as they do.
#[derive(Debug)]
struct Living {
    all: Arc<AtomicUsize>,
    own: usize,
}

impl Living {
    fn of(all: &Arc<AtomicUsize>, own: usize) -> Self {
        all.fetch_add(own, Ordering::Relaxed);
        Self { all: all.clone(), own }
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        self.all.fetch_sub(self.own, Ordering::Relaxed);
    }
}

/// A grant as an upstream is told of it, but for what is the token's alone: header values, made once.
#[derive(Debug, Clone)]
pub struct SharedIdentity {
    /// The organisation's id.
    pub owner: HeaderValue,
    /// The organisation's name, percent-encoded.
    pub owner_name: HeaderValue,
    /// The client's id.
    pub client: HeaderValue,
    /// The client's name, percent-encoded.
    pub client_name: HeaderValue,
    /// The scopes with blanks between.
    pub scopes: HeaderValue,
    /// The scopes with commas between.
    pub scopes_with_commas: HeaderValue,
    /// The audiences with blanks between.
    pub audience: HeaderValue,
}

/// A grant as an upstream is told of it.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// What other tokens have too.
    pub shared: &'a SharedIdentity,
    /// The token.
    pub token: TokenId,
}

impl Identity<'_> {
    /// The `jti`.
    #[must_use]
    pub fn token_id(&self) -> HeaderValue {
        self.token.to_header()
    }
}

impl Deref for Identity<'_> {
    type Target = SharedIdentity;

    fn deref(&self) -> &SharedIdentity {
        self.shared
    }
}

/// Terms in use, by the client and what was granted at a token's issue.
///
/// Each is counted with the grant that it was made for, which may go before others that share it. So what lives without
/// being counted is bounded apart: once as many bytes live as that, each grant is counted with its terms.
pub(super) struct KnownTerms {
    known: Cache<TermsKey, Arc<Terms>, TermsBytes>,
    living: Arc<AtomicUsize>,
}

type TermsKey = (ClientId, ScopeSet, AudienceSet);

#[derive(Clone)]
struct TermsBytes;

impl Weighter<TermsKey, Arc<Terms>> for TermsBytes {
    fn weight(&self, _: &TermsKey, terms: &Arc<Terms>) -> u64 {
        terms.bytes.own as u64
    }
}

impl KnownTerms {
    pub(super) fn new() -> Self {
        Self { known: Cache::with_weighter(TERMS, SHARED_BYTES as u64, TermsBytes), living: Arc::default() }
    }

    /// What a token grants whose client is this one now.
    pub(super) fn grant(&self, token: Token, client: Arc<Fresh<ClientEntry>>) -> Grant {
        let Token { id, epoch, scopes, audiences, issued_at, expires_at, last_used, .. } = token;
        let key = (token.client, scopes, audiences);
        // Terms of the client as it was before a change are no good.
        let known = self.known.get(&key).filter(|terms| Arc::ptr_eq(&terms.client, &client));
        let counts_terms = known.is_none() || self.living.load(Ordering::Relaxed) > SHARED_BYTES;
        let terms = known.unwrap_or_else(|| {
            let terms = Arc::new(Terms::new(&key.1, &key.2, client, &self.living));
            self.known.insert(key, terms.clone());
            terms
        });
        Grant { id, epoch, issued_at, expires_at, terms, counts_terms, mark: UseMark::new(last_used) }
    }
}

impl Terms {
    fn new(
        scopes: &ScopeSet,
        audiences: &AudienceSet,
        client: Arc<Fresh<ClientEntry>>,
        living: &Arc<AtomicUsize>,
    ) -> Self {
        // What was taken from the client since the token's issue is taken from the token.
        let scopes = scopes.intersection(&client.client.scopes);
        let audiences = audiences.intersection(&client.client.audiences);
        let text = scopes.to_string();
        let identity = SharedIdentity {
            owner: client.owner.id.to_header(),
            owner_name: value(client.owner.name.as_str()),
            client: client.client.id.to_header(),
            client_name: value(client.client.name.as_str()),
            scopes_with_commas: value(&text.replace(' ', ",")),
            scopes: value(&text),
            audience: value(&audiences.to_string()),
        };
        let apart = 64 * (scopes.iter().len() + audiences.iter().len());
        let bytes = Living::of(living, TERMS_BYTES + identity.bytes() + apart);
        Self { client, scopes, audiences, identity, bytes }
    }
}

impl SharedIdentity {
    /// About how much of the memory its texts take, here and in the sets that they were made of: each scope and audience
    /// stands in a set and in two headers.
    fn bytes(&self) -> usize {
        let once = [&self.owner, &self.owner_name, &self.client, &self.client_name].map(HeaderValue::len);
        once.iter().sum::<usize>() + 3 * (self.scopes.len() + self.audience.len())
    }
}

impl Grant {
    /// About how much of the memory it takes, in bytes; its terms, if they are counted with it.
    pub(super) fn bytes(&self) -> usize {
        GRANT_BYTES + if self.counts_terms { self.terms.bytes.own } else { 0 }
    }

    /// The token's identifier.
    #[must_use]
    pub const fn id(&self) -> TokenId {
        self.id
    }

    /// When the token was issued.
    #[must_use]
    pub const fn issued_at(&self) -> Timestamp {
        self.issued_at
    }

    /// From when on the token is refused.
    #[must_use]
    pub const fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// The client that it was issued to.
    #[must_use]
    pub fn client(&self) -> ClientId {
        self.terms.client.client.id
    }

    /// The client's name.
    #[must_use]
    pub fn client_name(&self) -> &Name {
        &self.terms.client.client.name
    }

    /// The organisation that owns the client, and so the token: its subject.
    #[must_use]
    pub fn owner(&self) -> OrganizationId {
        self.terms.client.owner.id
    }

    /// Whether the owner is `organization` or a descendant of it.
    #[must_use]
    pub fn is_owned_within(&self, organization: OrganizationId) -> bool {
        self.terms.client.owner.is_within(organization)
    }

    /// The scopes that it has now.
    #[must_use]
    pub fn scopes(&self) -> &ScopeSet {
        &self.terms.scopes
    }

    /// The audiences that it has now.
    #[must_use]
    pub fn audiences(&self) -> &AudienceSet {
        &self.terms.audiences
    }

    /// The header values that tell an upstream of it.
    #[must_use]
    pub fn identity(&self) -> Identity<'_> {
        Identity { shared: &self.terms.identity, token: self.id }
    }

    pub(super) const fn mark(&self) -> &UseMark {
        &self.mark
    }

    pub(super) fn client_entry(&self) -> &ClientEntry {
        &self.terms.client
    }

    /// Whether the client still is as it was when this grant was made.
    pub(super) fn client_is_current(&self) -> bool {
        self.terms.client.is_current()
    }

    /// Whether the token lives at `now`, its client being as it was when this grant was made.
    pub(super) fn lives(&self, now: Timestamp) -> bool {
        let client = &self.terms.client.client;
        now < self.expires_at && client.enabled && self.epoch == client.token_epoch
    }
}

fn value(text: &str) -> HeaderValue {
    let encoded = utf8_percent_encode(text, ENCODED).to_string();
    // Encoded text is visible ASCII and blanks: always a header value.
    HeaderValue::from_maybe_shared(bytes::Bytes::from(encoded)).unwrap_or_else(|_| HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::testing::World;

    #[tokio::test]
    async fn tokens_of_a_client_that_were_granted_the_same_share_it_until_the_client_changes() {
        let world = World::new();
        let owner = world.organization(None).await.organization.id;
        let id = world.client(owner, "a b", "x").await.client.id;
        let entry = async || world.registry.client(id).await.unwrap().unwrap();
        let known = KnownTerms::new();
        let now = Timestamp::from_seconds(1);
        let grant = async |number: u8, scopes: &str| {
            let token = Token {
                id: TokenId::from_bytes([number; 20]),
                client: id,
                epoch: 0,
                scopes: scopes.parse().unwrap(),
                audiences: "x".parse().unwrap(),
                issued_at: now,
                expires_at: now,
                last_used: None,
            };
            known.grant(token, entry().await)
        };
        let (first, second, other) = (grant(1, "a b").await, grant(2, "a b").await, grant(3, "a").await);
        assert!(Arc::ptr_eq(&first.terms, &second.terms) && !Arc::ptr_eq(&first.terms, &other.terms));
        assert_eq!((second.identity().scopes.clone(), other.identity().scopes.clone()), (value("a b"), value("a")));
        assert_ne!(first.identity().token_id(), second.identity().token_id());
        assert!(second.bytes() == GRANT_BYTES && first.bytes() > second.bytes());

        // Were the first to go, nobody would count what the second holds: that is borne for so many bytes only.
        let living = known.living.clone();
        assert_eq!(living.load(Ordering::Relaxed), first.terms.bytes.own + other.terms.bytes.own);
        living.fetch_add(SHARED_BYTES, Ordering::Relaxed);
        let fourth = grant(4, "a b").await;
        assert!(Arc::ptr_eq(&first.terms, &fourth.terms) && fourth.bytes() == first.bytes());
        living.fetch_sub(SHARED_BYTES, Ordering::Relaxed);
        drop(fourth);

        world.registry.forget_client(id);
        assert!(!Arc::ptr_eq(&first.terms, &grant(1, "a b").await.terms));
        drop((first, second, other, known));
        assert_eq!(living.load(Ordering::Relaxed), 0);
    }
}
