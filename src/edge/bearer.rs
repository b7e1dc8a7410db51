//! The token that a request runs under, watched for as long as it runs: what outlives its token is cut by `watch`.
//!
//! Nothing is registered anywhere, and a short request costs nothing. A grant knows by itself whether something was
//! said against it (see [`crate::cache`]); it is asked that twice a second, and only then what has become of its token.

use std::{
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::{
    cache::Fresh,
    tokens::{Grant, Tokens, Unresolved},
};

/// How often it is asked whether a token lives.
const EVERY: Duration = Duration::from_millis(500);

/// The token of a request that runs.
pub(super) struct Bearer {
    tokens: Arc<Tokens>,
    grant: Arc<Fresh<Grant>>,
    /// When it is asked next.
    next: Instant,
    /// What has become of the token, while that is looked up.
    renewed: Option<BoxFuture<'static, Result<Arc<Fresh<Grant>>, Unresolved>>>,
}

impl Bearer {
    /// The token of a request that was admitted just now.
    pub(super) fn new(tokens: Arc<Tokens>, grant: Arc<Fresh<Grant>>, now: Instant) -> Self {
        Self { tokens, grant, next: now + EVERY, renewed: None }
    }

    /// When [`Self::poll_ended`] is to be called; nothing while that wakes its caller itself.
    pub(super) fn due(&self) -> Option<Instant> {
        self.renewed.is_none().then_some(self.next)
    }

    /// Ready once the token has come to its end. If nobody can tell, it goes on.
    pub(super) fn poll_ended(&mut self, now: Instant, context: &mut Context<'_>) -> Poll<()> {
        if self.renewed.is_none() && now < self.next {
            return Poll::Pending;
        }
        self.next = now + EVERY;
        if self.renewed.is_none() && self.tokens.still_holds(&self.grant) {
            return Poll::Pending;
        }
        let renewed = self.renewed.get_or_insert_with(|| {
            let (tokens, grant) = (self.tokens.clone(), self.grant.clone());
            Box::pin(async move { tokens.renew(&grant).await })
        });
        let renewed = ready!(renewed.as_mut().poll(context));
        self.renewed = None;
        match renewed {
            Ok(grant) => self.grant = grant,
            Err(Unresolved::Invalid) => return Poll::Ready(()),
            Err(Unresolved::Unavailable(_)) => {}
        }
        Poll::Pending
    }
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bearer").field("token", &self.grant.id()).finish_non_exhaustive()
    }
}
