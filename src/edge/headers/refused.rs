//! Which of a client's headers go no further.

use std::sync::LazyLock;

use http::{HeaderName, HeaderValue, header};

use super::Passage;
use crate::edge::{ReservedNames, foreign::is_foreign};

/// What every secret of ours starts with, in lower case.
const SECRET: &[u8] = b"prt_";

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

impl Passage<'_> {
    /// Whether a header of the client goes no further.
    pub(super) fn refuses(&self, name: &HeaderName, value: &HeaderValue) -> bool {
        if *name == header::AUTHORIZATION {
            let observed = self.settings.rules.policy.observes() && is_foreign(value);
            return !(self.settings.forward_authorization || observed);
        }
        let text = name.as_str();
        // Some servers read `_` as `-`.
        if text.contains('_')
            || *name == header::PROXY_AUTHORIZATION
            || self.reserved.covers(text)
            || holds_secret(value)
        {
            return true;
        }
        if OVERRIDES.covers(text) {
            return !self.settings.pass_override_headers;
        }
        !self.origin.trusted && FORWARDED.covers(text)
    }
}

/// Whether a secret of ours stands in it.
pub(in crate::edge) fn holds_secret(value: &HeaderValue) -> bool {
    value.as_bytes().windows(SECRET.len()).any(|window| window.eq_ignore_ascii_case(SECRET))
}
