//! Floor 3, tokens: issue, resolve, introspect, revoke.
//!
//! A token's text becomes a [`Grant`] in one way, whoever asks: check bytes first (a guess ends there), then the
//! bounded cache, then one look-up shared by all who wait. The cache holds the token's record and its client, never a
//! verdict: what a rule asks is asked on every request.

mod grant;
mod service;

pub use grant::{Grant, Identity, SharedIdentity};
pub use service::{IssueError, IssueRequest, Issued, Revocation, Tokens, Unresolved};

#[cfg(test)]
pub(crate) mod testing;
