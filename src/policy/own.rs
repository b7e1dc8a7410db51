//! The paths that Portcullis answers itself, on every host, before any upstream is looked for.

use super::{NormalPath, PathPattern};

/// The OAuth endpoints with their aliases, and those that are refused as being about users.
const ENDPOINTS: [&str; 10] = [
    "/oauth2/tokens",
    "/oauth2/token",
    "/oauth2/tokens/introspect",
    "/oauth2/introspect",
    "/oauth2/tokens/revoke",
    "/oauth2/revoke",
    "/oauth2/tokens/mint",
    "/oauth2/tokens/revoke-all",
    "/oauth2/authorize",
    "/oauth2/userinfo",
];

/// The metadata, and all below: the path of the public URL may follow (RFC 8414 section 3.1, RFC 9728 section 3.1).
const METADATA: [&str; 2] = ["/.well-known/oauth-authorization-server", "/.well-known/oauth-protected-resource"];

/// Management: these, and all below the first two.
const MANAGEMENT: [&str; 4] = ["/oauth2/clients", "/organizations", "/audit", "/openapi.json"];
const MANAGEMENT_TREES: [&str; 2] = ["/oauth2/clients", "/organizations"];

/// What upstreams and rules keep out of. All of `/oauth2`, so that a rule cannot sit between two endpoints.
const ROOTS: [&str; 3] = ["/oauth2", METADATA[0], METADATA[1]];

/// Whether the public door answers `path` itself; management only where it is exposed there. A slash at the end means
/// nothing.
#[must_use]
pub fn is_own_path(path: &NormalPath, expose_management: bool) -> bool {
    let text = path.as_str();
    let text = text.strip_suffix('/').unwrap_or(text);
    let below = |root: &str| text.strip_prefix(root).is_some_and(|rest| rest.starts_with('/'));
    ENDPOINTS.contains(&text)
        || METADATA.into_iter().any(|root| text == root || below(root))
        || expose_management && (MANAGEMENT.contains(&text) || MANAGEMENT_TREES.into_iter().any(below))
}

/// The path, kept for Portcullis' own endpoints, that `pattern` lies wholly at or under; case does not count. A pattern
/// that merely covers such a path (`/**`) lies under none.
#[must_use]
pub(super) fn own_root_of(pattern: &PathPattern, expose_management: bool) -> Option<&'static str> {
    let management = MANAGEMENT.into_iter().filter(|_| expose_management);
    ROOTS.into_iter().chain(management).find(|root| {
        let segments = root.split('/').filter(|segment| !segment.is_empty());
        pattern.lies_under(segments, str::eq_ignore_ascii_case)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own(path: &str, expose_management: bool) -> bool {
        is_own_path(&NormalPath::parse(path.as_bytes()).unwrap(), expose_management)
    }

    #[test]
    fn endpoints_are_ours_in_every_spelling_of_the_same_path() {
        for path in ENDPOINTS.into_iter().chain(METADATA) {
            assert!(own(path, false) && own(&format!("{path}/"), false), "{path}");
        }
        assert!(own("/.well-known/oauth-protected-resource/gate", false));
        assert!(own("/oauth2/%74okens", false));
        for path in ["/", "/oauth2", "/oauth2/tokens/x", "/oauth2/tokensx", "/OAuth2/tokens", "/v1/oauth2/tokens"] {
            assert!(!own(path, true), "{path}");
        }
    }

    #[test]
    fn management_is_ours_where_it_is_exposed() {
        for path in ["/oauth2/clients", "/oauth2/clients/x/secret", "/organizations/x", "/audit", "/openapi.json"] {
            assert!(own(path, true) && !own(path, false), "{path}");
        }
        assert!(!own("/organizationsx", true) && !own("/audit/x", true));
    }

    #[test]
    fn a_pattern_lies_under_our_paths_only_as_a_whole() {
        let root = |pattern: &str, exposed| own_root_of(&pattern.parse().unwrap(), exposed);
        for pattern in ["/oauth2", "/oauth2/**", "/oauth2/tokens/{x}", "/OAuth2/x"] {
            assert_eq!(root(pattern, false), Some("/oauth2"), "{pattern}");
        }
        assert!(root("/.well-known/oauth-protected-resource/x", false).is_some());
        for pattern in ["/", "/**", "/{x}/tokens", "/.well-known/**", "/oauth2x"] {
            assert_eq!(root(pattern, true), None, "{pattern}");
        }
        assert_eq!(root("/organizations/**", true), Some("/organizations"));
        assert_eq!(root("/organizations/**", false), None);
    }
}
