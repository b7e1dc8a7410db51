//! Which of a client's headers go no further.

use std::sync::LazyLock;

use http::{HeaderName, HeaderValue, header};
use memchr::memchr;

use super::Passage;
use crate::{
    edge::{ReservedNames, foreign::is_foreign},
    model::holds_secret,
};

/// Names by which some servers let a header override the target or the method that a rule was found for.
static OVERRIDES: LazyLock<ReservedNames> = LazyLock::new(|| {
    let mut names = ReservedNames::default();
    for name in [
        "X-Original-URL",
        "X-Original-URI",
        "X-Rewrite-URL",
        "X-HTTP-Method",
        "X-HTTP-Method-Override",
        "X-Method-Override",
        "X-Forwarded-Uri",
        "X-Forwarded-Path",
        "X-Forwarded-Prefix",
        "X-Forwarded-Method",
    ] {
        names.add_name(name);
    }
    names
});

/// What proxies tell of the request before them.
static FORWARDED: LazyLock<ReservedNames> = LazyLock::new(|| {
    let mut names = ReservedNames::default();
    names.add_name("Forwarded");
    names.add_family("X-Forwarded-");
    names
});

/// Whether a proxy tells by it of the request before it.
pub(super) fn tells_of_proxies(name: &HeaderName) -> bool {
    FORWARDED.covers(name.as_str())
}

impl Passage<'_> {
    /// Whether a header of the client goes no further, whatever its value.
    pub(super) fn refuses(&self, name: &HeaderName) -> bool {
        if *name == header::AUTHORIZATION {
            return !(self.settings.forward_authorization || self.settings.rules.policy.observes());
        }
        let text = name.as_str();
        // Some servers read `_` as `-`.
        let ambiguous = memchr(b'_', text.as_bytes()).is_some();
        if ambiguous || *name == header::PROXY_AUTHORIZATION || self.reserved.covers(text) {
            return true;
        }
        if OVERRIDES.covers(text) {
            return !self.settings.pass_override_headers;
        }
        !self.origin.trusted && tells_of_proxies(name)
    }

    /// Whether a header goes no further, with all of its values, because of this one.
    pub(super) fn taints(&self, name: &HeaderName, value: &HeaderValue) -> bool {
        if *name == header::AUTHORIZATION {
            return !self.settings.forward_authorization && !is_foreign(value);
        }
        holds_secret(value.as_bytes())
    }
}
