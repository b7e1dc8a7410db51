//! What an upstream is sent: the client's headers cleaned, then the identity and what the upstream's settings add.
//!
//! Called for each attempt from `upstream_request_filter` only: what `Connection` names is gone by then, so that a
//! client cannot have our own headers taken away. Everything is inserted, nothing appended, so a second call on a retry
//! changes nothing.

mod refused;

use http::{HeaderMap, HeaderName, HeaderValue, header};
use pingora::{Result, http::RequestHeader};

use super::{
    HostHeader, ListStyle, ReservedNames, UpstreamSettings,
    origin::{FORWARDED_FOR, Origin},
};
use crate::{model::RequestId, tokens::Identity};
pub(super) use refused::holds_secret;

/// The header that names a request.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Tells an upstream that only observes why a request would have been refused.
const WOULD_DENY: HeaderName = HeaderName::from_static("x-portcullis-would-deny");
const FORWARDED_HOST: &str = "x-forwarded-host";
const FORWARDED_PROTO: &str = "x-forwarded-proto";

/// The client's own name for the request if it gave one and it is harmless, else a new one.
pub(super) fn request_id(sent: &HeaderMap) -> Option<RequestId> {
    let mut names = sent.get_all(REQUEST_ID).iter();
    let own = match (names.next(), names.next()) {
        (Some(value), None) => value.to_str().ok().and_then(RequestId::from_caller),
        _ => None,
    };
    own.or_else(|| RequestId::random().ok())
}

/// Makes one field of the cookies that HTTP/2 lets a client send in several (RFC 9113 section 8.2.3).
///
/// # Errors
/// If it cannot be set.
pub(super) fn join_cookies(request: &mut RequestHeader) -> Result<()> {
    let cookies: Vec<&[u8]> = request.headers.get_all(header::COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if cookies.len() > 1 {
        request.insert_header(header::COOKIE, cookies.join(&b"; "[..]))?;
    }
    Ok(())
}

/// One request on its way to one upstream.
#[derive(Debug)]
pub(super) struct Passage<'a> {
    pub(super) settings: &'a UpstreamSettings,
    pub(super) reserved: &'a ReservedNames,
    pub(super) identity: Option<Identity<'a>>,
    /// Why it would have been refused, if it would have been.
    pub(super) would_deny: Option<&'static str>,
    pub(super) request_id: Option<&'a RequestId>,
    pub(super) origin: Origin,
    /// The headers as the client sent them.
    pub(super) sent: &'a HeaderMap,
    /// The host that the client asked for, as sent.
    pub(super) host: Option<&'a HeaderValue>,
    /// The server's own authority.
    pub(super) server: Option<&'a HeaderValue>,
}

impl Passage<'_> {
    /// Cleans and completes what is sent.
    ///
    /// # Errors
    /// If a name or value cannot be set; nothing may be sent then.
    pub(super) fn apply(&self, request: &mut RequestHeader) -> Result<()> {
        let refused: Vec<HeaderName> = request
            .headers
            .iter()
            .filter(|(name, value)| self.refuses(name, value))
            .map(|(name, _)| name.clone())
            .collect();
        for name in refused.iter().chain(&self.settings.remove_headers) {
            request.remove_header(name);
        }
        self.set_forwarded(request)?;
        if let Some(identity) = self.identity {
            self.set_identity(request, &identity)?;
        }
        if let Some(error) = self.would_deny {
            request.insert_header(WOULD_DENY, error)?;
        }
        if let Some(id) = self.request_id {
            request.insert_header(REQUEST_ID, id.as_str())?;
        }
        for (name, value) in &self.settings.set_headers {
            request.insert_header(name.clone(), value.clone())?;
        }
        let host = match &self.settings.host_header {
            HostHeader::Client => self.host,
            HostHeader::Upstream => self.server,
            HostHeader::Literal(value) => Some(value),
        };
        if let Some(host) = host {
            request.insert_header(header::HOST, host.clone())?;
        }
        Ok(())
    }

    /// Tells the upstream of the client: anew, or, behind a trusted proxy, what that said and the proxy itself.
    fn set_forwarded(&self, request: &mut RequestHeader) -> Result<()> {
        let mut hops = String::new();
        if self.origin.trusted {
            // From what was sent, not from what an earlier attempt made of it.
            let values = self.sent.get_all(FORWARDED_FOR).iter().filter(|value| !holds_secret(value));
            for value in values.filter_map(|value| value.to_str().ok()) {
                hops.push_str(value);
                hops.push_str(", ");
            }
        }
        match self.origin.peer {
            Some(peer) => {
                hops.push_str(&peer.ip().to_canonical().to_string());
                request.insert_header(FORWARDED_FOR, hops)?;
            }
            None => {
                request.remove_header(FORWARDED_FOR);
            }
        }
        let kept = |request: &RequestHeader, name| self.origin.trusted && request.headers.contains_key(name);
        if !kept(request, FORWARDED_PROTO) {
            request.insert_header(FORWARDED_PROTO, if self.origin.secure { "https" } else { "http" })?;
        }
        if let (false, Some(host)) = (kept(request, FORWARDED_HOST), self.host) {
            request.insert_header(FORWARDED_HOST, host.clone())?;
        }
        Ok(())
    }

    fn set_identity(&self, request: &mut RequestHeader, identity: &Identity<'_>) -> Result<()> {
        let names = &self.settings.identity;
        let roles = [
            (&names.owner, &identity.owner),
            (&names.owner_name, &identity.owner_name),
            (&names.client, &identity.client),
            (&names.client_name, &identity.client_name),
            (&names.audience, &identity.audience),
        ];
        for (names, value) in roles {
            for name in names {
                request.insert_header(name.clone(), value.clone())?;
            }
        }
        for name in &names.token_id {
            request.insert_header(name.clone(), identity.token_id())?;
        }
        for (name, style) in &names.scopes {
            let value = match style {
                ListStyle::Blanks => &identity.scopes,
                ListStyle::Commas => &identity.scopes_with_commas,
            };
            request.insert_header(name.clone(), value.clone())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{edge::tests::upstream_settings, model::TokenId, policy::Mode, tokens::SharedIdentity};

    /// What arrives of `sent`, as sorted lines.
    fn arrives(
        settings: &UpstreamSettings,
        identity: Option<Identity<'_>>,
        trusted: bool,
        sent: &[(&str, &str)],
    ) -> Vec<String> {
        let mut reserved = ReservedNames::default();
        reserved.add_family("X-Portcullis-");
        reserved.add_name("X-Customer");
        let mut request = RequestHeader::build("GET", b"/", None).unwrap();
        for (name, value) in sent {
            request.append_header((*name).to_owned(), *value).unwrap();
        }
        let original = request.headers.clone();
        let host = HeaderValue::from_static("a.example");
        let server = HeaderValue::from_static("server:81");
        let id = RequestId::from_caller("r1").unwrap();
        let origin = Origin { peer: Some("192.0.2.1:9".parse().unwrap()), secure: false, trusted, client: None };
        let passage = Passage {
            settings,
            reserved: &reserved,
            identity,
            would_deny: None,
            request_id: Some(&id),
            origin,
            sent: &original,
            host: Some(&host),
            server: Some(&server),
        };
        passage.apply(&mut request).unwrap();
        let once = request.headers.clone();
        passage.apply(&mut request).unwrap();
        assert_eq!(once, request.headers, "a retry changes nothing");
        let mut lines: Vec<String> =
            once.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        lines.sort();
        lines
    }

    /// Of what the client sent, what arrives; without what is always set.
    fn passes(settings: &UpstreamSettings, trusted: bool, sent: &[(&str, &str)]) -> Vec<String> {
        let always = arrives(settings, None, false, &[]);
        arrives(settings, None, trusted, sent).into_iter().filter(|line| !always.contains(line)).collect()
    }

    #[test]
    fn every_spelling_of_a_reserved_name_is_removed() {
        let settings = upstream_settings("u", "/", 1);
        for name in [
            "X-Portcullis-Owner",
            "x-portcullis-anything",
            "x_portcullis_owner",
            "X-Portcullis_Owner",
            "x.portcullis.owner",
            "xportcullisowner",
            "X-Customer",
            "x_customer",
            "x-cus-tomer",
        ] {
            assert_eq!(passes(&settings, true, &[(name, "org_x")]), [""; 0], "{name}");
        }
        assert_eq!(passes(&settings, false, &[("X-Customers", "1")]), ["x-customers: 1"]);
    }

    #[test]
    fn names_with_underscores_and_credentials_are_removed() {
        let settings = upstream_settings("u", "/", 1);
        for name in ["a_b", "Proxy-Authorization", "Authorization"] {
            assert_eq!(passes(&settings, false, &[(name, "x")]), [""; 0], "{name}");
        }
    }

    #[test]
    fn a_header_that_holds_a_secret_is_removed_with_all_of_its_values() {
        let settings = upstream_settings("u", "/", 1);
        let sent = [("Cookie", "a=PRT_at_x"), ("X-Key", "ok"), ("X-Key", "prt_cs_x"), ("X-Plain", "prt-at")];
        assert_eq!(passes(&settings, false, &sent), ["x-plain: prt-at"]);
    }

    #[test]
    fn authorization_passes_where_it_is_asked_for() {
        let mut settings = upstream_settings("u", "/", 1);
        settings.forward_authorization = true;
        let sent = [("Authorization", "Bearer prt_at_x"), ("X-Copy", "Bearer prt_at_x")];
        assert_eq!(passes(&settings, false, &sent), ["authorization: Bearer prt_at_x"]);
    }

    #[test]
    fn an_observing_upstream_keeps_getting_credentials_that_are_not_ours() {
        let mut settings = upstream_settings("u", "/", 1);
        settings.rules.policy.mode = Mode::Observe;
        let sent = [("Authorization", "Basic eDp5")];
        assert_eq!(passes(&settings, false, &sent), ["authorization: Basic eDp5"]);
        assert_eq!(passes(&settings, false, &[("Authorization", "Bearer prt_at_x")]), [""; 0]);
    }

    #[test]
    fn headers_that_override_the_target_or_the_method_need_leave() {
        let mut settings = upstream_settings("u", "/", 1);
        let sent = [("X-Original-URL", "/x"), ("X-HTTP-Method-Override", "DELETE"), ("X-Rewrite-Url", "/y")];
        assert_eq!(passes(&settings, false, &sent), [""; 0]);
        settings.pass_override_headers = true;
        assert_eq!(passes(&settings, false, &sent).len(), 3);
    }

    #[test]
    fn what_a_stranger_says_of_the_client_is_replaced() {
        let settings = upstream_settings("u", "/", 1);
        let sent = [
            ("X-Forwarded-For", "198.51.100.7"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "evil"),
            ("X-Forwarded-Port", "1"),
            ("Forwarded", "for=x"),
        ];
        assert_eq!(
            arrives(&settings, None, false, &sent),
            [
                "host: a.example",
                "x-forwarded-for: 192.0.2.1",
                "x-forwarded-host: a.example",
                "x-forwarded-proto: http",
                "x-request-id: r1",
            ]
        );
    }

    #[test]
    fn what_a_trusted_proxy_says_is_kept_and_itself_appended() {
        let settings = upstream_settings("u", "/", 1);
        let sent = [
            ("X-Forwarded-For", "198.51.100.7"),
            ("X-Forwarded-For", "203.0.113.9"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "shop"),
            ("Forwarded", "for=x"),
        ];
        assert_eq!(
            arrives(&settings, None, true, &sent),
            [
                "forwarded: for=x",
                "host: a.example",
                "x-forwarded-for: 198.51.100.7, 203.0.113.9, 192.0.2.1",
                "x-forwarded-host: shop",
                "x-forwarded-proto: https",
                "x-request-id: r1",
            ]
        );
    }

    #[test]
    fn the_identity_is_told_under_the_configured_names() {
        let mut settings = upstream_settings("u", "/", 1);
        let name = HeaderName::from_static;
        settings.identity.owner = vec![name("x-customer"), name("x-consumer-id")];
        settings.identity.token_id = vec![name("x-t")];
        settings.identity.scopes = vec![(name("x-a"), ListStyle::Blanks), (name("x-b"), ListStyle::Commas)];
        let value = HeaderValue::from_static;
        let shared = SharedIdentity {
            owner: value("org_1"),
            owner_name: value("n"),
            client: value("c"),
            client_name: value("n"),
            scopes: value("a b"),
            scopes_with_commas: value("a,b"),
            audience: value(""),
        };
        let identity = Identity { shared: &shared, token: TokenId::from_bytes([0; 20]) };
        let lines = arrives(&settings, Some(identity), false, &[("x-customer", "spoofed"), ("X_Customer", "spoofed")]);
        for line in
            ["x-customer: org_1", "x-consumer-id: org_1", "x-a: a b", "x-b: a,b", &*format!("x-t: {}", identity.token)]
        {
            assert!(lines.iter().any(|found| found == line), "{line} in {lines:?}");
        }
        assert!(!lines.iter().any(|line| line.contains("spoofed")));
    }

    #[test]
    fn an_upstreams_settings_have_the_last_word() {
        let mut settings = upstream_settings("u", "/", 1);
        settings.remove_headers = vec![HeaderName::from_static("x-debug")];
        settings.set_headers = vec![(header::AUTHORIZATION, HeaderValue::from_static("Basic x"))];
        settings.host_header = HostHeader::Upstream;
        let lines = arrives(&settings, None, false, &[("X-Debug", "1"), ("Authorization", "Bearer x")]);
        assert!(lines.contains(&"authorization: Basic x".to_owned()) && lines.contains(&"host: server:81".to_owned()));
        assert!(!lines.iter().any(|line| line.starts_with("x-debug")));
    }
}
