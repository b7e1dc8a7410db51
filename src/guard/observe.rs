//! An upstream that only observes: a refusal becomes a permit that names it.
//!
//! It holds for what rules and tokens refuse. What cannot be understood in one way is refused by every upstream, and so
//! is a request whose token cannot be looked up: nobody could say whether it may carry an identity.

use super::{Denial, Guard, Incoming, Permit, Refused};

impl Refused {
    /// Whether the request goes to its upstream all the same.
    pub(super) fn is_observed(&self) -> bool {
        self.upstream.as_ref().is_some_and(|upstream| upstream.observes()) && !stands(&self.denial)
    }
}

/// Whether a request is refused by an upstream that only observes, too.
const fn stands(denial: &Denial) -> bool {
    match denial {
        Denial::AmbiguousPath | Denial::Credentials(_) | Denial::Unavailable => true,
        Denial::NotFound
        | Denial::MethodNotAllowed(_)
        | Denial::MissingToken
        | Denial::InvalidToken
        | Denial::InsufficientScope(_)
        | Denial::AccessDenied
        | Denial::RateLimited(_) => false,
    }
}

impl Guard {
    /// The permit of a request whose refusal is only observed.
    ///
    /// # Errors
    /// [`Refused`] if its credentials, which nobody has looked at where no rule was found, are refused everywhere.
    pub(super) async fn let_through(&self, refused: Refused, incoming: &Incoming<'_>) -> Result<Permit, Refused> {
        let Some(upstream) = refused.upstream.clone() else { return Err(refused) };
        if !matches!(refused.denial, Denial::NotFound | Denial::MethodNotAllowed(_)) {
            return Ok(Permit::observed(upstream, refused));
        }
        match self.identify(incoming).await {
            Ok(grant) => Ok(Permit::observed(upstream, Refused { grant, ..refused })),
            Err(denial) if stands(&denial) => Err(Refused { denial, ..refused }),
            Err(_) => Ok(Permit::observed(upstream, refused)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use http::{HeaderMap, HeaderValue, Method, header};

    use super::*;
    use crate::{
        guard::CallerLimits,
        model::{OrganizationId, SystemClock},
        policy::{Access, MethodSet, Mode, NormalPath, RouteTable, Rule, UpstreamPolicy, UpstreamRules},
        registry::NewOrganizationKey,
        tokens::{IssueRequest, testing::World},
    };

    /// Asks the guard of a world.
    struct House {
        world: World,
        guard: Guard,
        limits: CallerLimits,
        owner: NewOrganizationKey,
    }

    impl House {
        async fn new() -> Self {
            let world = World::new();
            let owner = world.organization(None).await;
            let limits = CallerLimits::new(None, &[], Arc::new(SystemClock));
            Self { guard: Guard::new(world.tokens.clone()), limits, world, owner }
        }

        /// A token of a client with these scopes, for `https://here`.
        async fn token(&self, scopes: &str) -> String {
            let client = self.world.client(self.owner.organization.id, scopes, "https://here").await.client;
            let client = self.world.registry.vouch_for(client.id).await.unwrap();
            let issued = self.world.tokens.issue(&client, &IssueRequest::default()).await.unwrap();
            format!("Bearer {}", issued.text.expose())
        }

        async fn asks(
            &self,
            rules: &RouteTable,
            line: &str,
            authorizations: &[&str],
        ) -> Result<Permit, (Denial, Option<Arc<UpstreamPolicy>>)> {
            let (method, target) = line.split_once(' ').unwrap();
            let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
            let mut headers = HeaderMap::new();
            for value in authorizations {
                headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            let incoming = Incoming {
                host: &"a.example".parse().unwrap(),
                path: &NormalPath::parse(path.as_bytes()).unwrap(),
                query,
                method: &method.parse::<Method>().unwrap(),
                headers: &headers,
                from: None,
            };
            self.guard.admit(rules, &self.limits, &incoming).await.map_err(|refused| (refused.denial, refused.upstream))
        }
    }

    /// `/api/read` needs the scope `read`, and GET; `/api/any` one of `a` and `b`; `/api/optional` nothing.
    fn rules(mode: Mode, audience: &str, owners: &[OrganizationId]) -> RouteTable {
        let rule = |path: &str, access| {
            let methods = Some(MethodSet::new([Method::GET]));
            Rule { methods, ..Rule::new(path.parse().unwrap(), access) }
        };
        let audience = (!audience.is_empty()).then(|| audience.parse().unwrap());
        let policy = UpstreamPolicy { audience, owners: owners.to_vec(), mode, ..UpstreamPolicy::new("api") };
        let rules = vec![
            rule("/api/read", Access::AllScopes("read".parse().unwrap())),
            rule("/api/any", Access::AnyScope("a b".parse().unwrap())),
            rule("/api/optional", Access::Optional),
        ];
        let upstream = UpstreamRules::new(policy, "/api".parse().unwrap(), rules);
        RouteTable::compile(vec![upstream], false).unwrap()
    }

    #[tokio::test]
    async fn what_rules_and_tokens_refuse_goes_through_with_the_identity_of_a_valid_token_alone() {
        let house = House::new().await;
        let (good, other) = (house.token("read").await, house.token("other").await);
        let (anyone, nobody) = (&[][..], &[OrganizationId::from_bytes([9; 8])][..]);
        for (line, authorization, audience, owners, error, identified, rule) in [
            ("GET /api/read", "", "", anyone, "missing_token", false, "/api/read"),
            ("GET /api/read", "Basic eDp5", "", anyone, "missing_token", false, "/api/read"),
            ("GET /api/read", "Bearer foreign", "", anyone, "invalid_token", false, "/api/read"),
            ("GET /api/optional", "Bearer foreign", "", anyone, "invalid_token", false, "/api/optional"),
            ("GET /api/read", &good, "https://there", anyone, "invalid_token", false, "/api/read"),
            ("GET /api/read", &other, "", anyone, "insufficient_scope", true, "/api/read"),
            ("GET /api/any", &good, "", anyone, "insufficient_scope", true, "/api/any"),
            ("GET /api/read", &good, "", nobody, "access_denied", true, "/api/read"),
            ("PUT /api/read", &good, "", anyone, "method_not_allowed", true, "/api/read"),
            ("PUT /api/read", "", "", anyone, "method_not_allowed", false, "/api/read"),
            ("GET /api/none", &good, "", anyone, "not_found", true, ""),
            ("GET /api/none", &good, "https://there", anyone, "not_found", false, ""),
            ("GET /api/none", "Bearer foreign", "", anyone, "not_found", false, ""),
        ] {
            let sent: Vec<&str> = [authorization].into_iter().filter(|value| !value.is_empty()).collect();
            let refused = house.asks(&rules(Mode::Enforce, audience, owners), line, &sent).await.err();
            assert_eq!(refused.map(|(denial, _)| denial.error()), Some(error), "{line} {error}");
            let permit = house.asks(&rules(Mode::Observe, audience, owners), line, &sent).await.unwrap();
            assert_eq!(permit.decision(), ("would_deny", error), "{line}");
            assert_eq!(permit.identity().is_some(), identified, "{line} {error}");
            let through = permit.rule().map(|rule| rule.path.to_string());
            assert_eq!(through.unwrap_or_default(), rule, "{line} {error}");
        }
    }

    #[tokio::test]
    async fn what_passes_anyway_is_no_different() {
        let house = House::new().await;
        let good = house.token("read").await;
        for mode in [Mode::Enforce, Mode::Observe] {
            let rules = rules(mode, "https://here", &[house.owner.organization.id]);
            let permit = house.asks(&rules, "GET /api/read", &[&good]).await.unwrap();
            assert_eq!((permit.decision(), permit.identity().is_some()), (("allow", "token"), true));
            let permit = house.asks(&rules, "GET /api/optional", &[]).await.unwrap();
            assert_eq!((permit.decision(), permit.identity().is_some()), (("allow", "public"), false));
        }
    }

    #[tokio::test]
    async fn what_can_be_understood_in_two_ways_is_refused_whatever_rule_there_is() {
        let house = House::new().await;
        let good = house.token("read").await;
        for path in ["/api/read", "/api/none"] {
            let rules = rules(Mode::Observe, "", &[]);
            for (target, sent) in [
                (path.to_owned(), &[good.as_str(), "Basic eDp5"][..]),
                (format!("{path}?access_token=x"), &[good.as_str()]),
                (format!("{path}%2fx"), &[good.as_str()]),
            ] {
                let denial = house.asks(&rules, &format!("GET {target}"), sent).await.unwrap_err().0;
                assert_eq!(denial.error(), "invalid_request", "{target}");
            }
        }
        let (denial, upstream) = house.asks(&rules(Mode::Observe, "", &[]), "GET /x", &[]).await.unwrap_err();
        assert!(denial == Denial::NotFound && upstream.is_none(), "there is no upstream that could observe");
    }

    #[test]
    fn a_token_that_cannot_be_looked_up_is_refused_everywhere() {
        let policy = UpstreamPolicy { mode: Mode::Observe, ..UpstreamPolicy::new("api") };
        let refused = |denial| Refused { denial, upstream: Some(Arc::new(policy.clone())), rule: None, grant: None };
        assert!(!refused(Denial::Unavailable).is_observed());
        assert!(refused(Denial::InvalidToken).is_observed());
    }
}
