//! The decision over the real services: who is counted by which limit, and in which order a request is refused.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, Method, header};

use super::{CallerLimits, Denial, Guard, Incoming, Permit, Refused};
use crate::{
    model::{Exceeded, RateLimit, Room},
    policy::{Access, CallerLimit, Mode, NormalPath, Per, RouteTable, Rule, UpstreamPolicy, UpstreamRules},
    registry::{NewClient, NewOrganizationKey},
    tokens::{IssueRequest, testing::World},
};

const HERE: &str = "192.0.2.1";
const ELSEWHERE: &str = "192.0.2.2";

/// `burst` at once, then one a minute.
fn limit(burst: u32, per: Per) -> CallerLimit {
    let limit = RateLimit { rate: "1/m".parse().unwrap(), burst: burst.try_into().unwrap() };
    CallerLimit { limit, per }
}

/// An upstream at `/name` with these rules below it.
fn upstream(
    index: usize,
    name: &str,
    limit: Option<CallerLimit>,
    rules: &[(&str, Access, Option<CallerLimit>)],
) -> UpstreamRules {
    let rule = |(index, (path, access, limit)): (usize, &(&str, Access, Option<CallerLimit>))| Rule {
        limit: *limit,
        index,
        ..Rule::new(format!("/{name}/{path}").parse().unwrap(), access.clone())
    };
    let policy = UpstreamPolicy { index, limit, ..UpstreamPolicy::new(name) };
    UpstreamRules::new(policy, format!("/{name}").parse().unwrap(), rules.iter().enumerate().map(rule).collect())
}

/// The upstream `a`, where all kinds of rules have what limit the upstream has.
fn one(limit: Option<CallerLimit>) -> Vec<UpstreamRules> {
    let read = Access::AllScopes("read".parse().unwrap());
    let rules = [("read", read, None), ("open", Access::Public, None), ("maybe", Access::Optional, None)];
    vec![upstream(0, "a", limit, &rules)]
}

struct Gate {
    world: World,
    guard: Guard,
    table: RouteTable,
    limits: CallerLimits,
    owner: NewOrganizationKey,
}

impl Gate {
    async fn new(common: Option<CallerLimit>, upstreams: Vec<UpstreamRules>) -> Self {
        let world = World::new();
        let limits = CallerLimits::new(common, &upstreams, world.clock.clone());
        let table = RouteTable::compile(upstreams, false).unwrap();
        let owner = world.organization(None).await;
        Self { guard: Guard::new(world.tokens.clone()), world, table, limits, owner }
    }

    /// A token of a client, with all its scopes.
    async fn token_of(&self, client: &NewClient) -> String {
        let client = self.world.registry.vouch_for(client.client.id).await.unwrap();
        self.world.tokens.issue(&client, &IssueRequest::default()).await.unwrap().text.expose().to_owned()
    }

    /// A token of a new client of the owner.
    async fn token(&self, scopes: &str) -> String {
        self.token_of(&self.world.client(self.owner.organization.id, scopes, "").await).await
    }

    async fn admit(&self, path: &str, token: &str, from: &str) -> Result<Option<Room>, Refused> {
        self.permit(path, token, from).await.map(|permit| permit.room().copied())
    }

    async fn permit(&self, path: &str, token: &str, from: &str) -> Result<Permit, Refused> {
        let mut headers = HeaderMap::new();
        if !token.is_empty() {
            headers.insert(header::AUTHORIZATION, HeaderValue::from_str(&format!("Bearer {token}")).unwrap());
        }
        let incoming = Incoming {
            host: &"h".parse().unwrap(),
            path: &NormalPath::parse(path.as_bytes()).unwrap(),
            query: None,
            method: &Method::GET,
            headers: &headers,
            from: Some(from.parse::<IpAddr>().unwrap()),
        };
        self.guard.admit(&self.table, &self.limits, &incoming).await
    }

    /// `ok`, or the error.
    async fn ask(&self, path: &str, token: &str, from: &str) -> &'static str {
        self.admit(path, token, from).await.map_or_else(|refused| refused.denial.error(), |_| "ok")
    }

    /// How many of ten are let through.
    async fn passed(&self, path: &str, token: &str, from: &str) -> usize {
        let mut passed = 0;
        for _ in 0..10 {
            passed += usize::from(self.ask(path, token, from).await == "ok");
        }
        passed
    }
}

#[tokio::test]
async fn an_upstream_that_only_observes_is_sent_what_is_beyond_the_limit_too() {
    let mut upstreams = one(Some(limit(3, Per::Client)));
    upstreams[0].policy.mode = Mode::Observe;
    let gate = Gate::new(None, upstreams).await;
    let token = gate.token("read").await;
    let mut observed = 0;
    for _ in 0..10 {
        let permit = gate.permit("/a/read", &token, HERE).await.unwrap();
        assert!(permit.identity().is_some());
        observed += usize::from(permit.decision() == ("would_deny", "rate_limited"));
    }
    assert_eq!(observed, 7);
}

#[tokio::test]
async fn beyond_its_burst_a_client_waits_and_nobody_else_does() {
    let gate = Gate::new(None, one(Some(limit(3, Per::Client)))).await;
    let token = gate.token("read").await;
    let within = Duration::from_mins(3);
    for left in [2, 1, 0] {
        let room = Room { limit: "requests-to-upstream", most: 3, within, left };
        assert_eq!(gate.admit("/a/read", &token, HERE).await.unwrap(), Some(room));
    }
    let refused = gate.admit("/a/read", &token, ELSEWHERE).await.unwrap_err();
    let wait = Duration::from_mins(1);
    let exceeded = Exceeded { limit: "requests-to-upstream", most: 3, within, wait };
    assert_eq!(refused.denial, Denial::RateLimited(exceeded), "wherever it comes from");
    assert_eq!(&*refused.upstream.unwrap().name, "a");
    assert!(refused.rule.is_some() && refused.grant.is_some());
    let headers = Denial::RateLimited(exceeded).refusal("").headers;
    let told = ["retry-after", "ratelimit", "ratelimit-policy"]
        .map(|name| headers.iter().find(|(known, _)| known == name).unwrap().1.to_str().unwrap());
    assert_eq!(told, ["60", r#""requests-to-upstream";r=0;t=60"#, r#""requests-to-upstream";q=3;w=180"#]);

    let other = gate.token("read").await;
    assert_eq!(gate.passed("/a/read", &other, HERE).await, 3, "another client of the same owner and address");
    gate.world.clock.advance(Duration::from_secs(59));
    assert_eq!(gate.ask("/a/read", &token, HERE).await, "rate_limited");
    gate.world.clock.advance(Duration::from_secs(1));
    assert_eq!(gate.passed("/a/read", &token, HERE).await, 1);
}

#[tokio::test]
async fn another_token_of_the_client_makes_no_new_caller() {
    let gate = Gate::new(None, one(Some(limit(3, Per::Client)))).await;
    let client = gate.world.client(gate.owner.organization.id, "read", "").await;
    let tokens = [gate.token_of(&client).await, gate.token_of(&client).await];
    assert_eq!(gate.passed("/a/read", &tokens[0], HERE).await, 3);
    assert_eq!(gate.passed("/a/read", &tokens[1], HERE).await, 0);
}

#[tokio::test]
async fn by_owner_its_clients_count_together_and_by_address_whoever_comes_from_there() {
    let gate = Gate::new(None, one(Some(limit(3, Per::Owner)))).await;
    let tokens = [gate.token("read").await, gate.token("read").await];
    assert_eq!(gate.passed("/a/read", &tokens[0], HERE).await, 3);
    assert_eq!(gate.passed("/a/read", &tokens[1], ELSEWHERE).await, 0);
    let stranger = gate.world.organization(None).await;
    let stranger = gate.world.client(stranger.organization.id, "read", "").await;
    assert_eq!(gate.passed("/a/read", &gate.token_of(&stranger).await, HERE).await, 3);

    let gate = Gate::new(None, one(Some(limit(3, Per::Address)))).await;
    let tokens = [gate.token("read").await, gate.token("read").await];
    assert_eq!(gate.passed("/a/read", &tokens[0], HERE).await, 3);
    assert_eq!(gate.passed("/a/read", &tokens[1], HERE).await, 0);
    assert_eq!(gate.passed("/a/read", &tokens[0], ELSEWHERE).await, 3);
}

#[tokio::test]
async fn without_a_token_the_address_counts_whatever_the_limit_says() {
    for per in [Per::Client, Per::Owner, Per::Address] {
        let gate = Gate::new(None, one(Some(limit(3, per)))).await;
        assert_eq!(gate.passed("/a/open", "", HERE).await, 3);
        assert_eq!(gate.passed("/a/maybe", "", HERE).await, 0, "the same limit");
        assert_eq!(gate.passed("/a/maybe", "", ELSEWHERE).await, 3);
        assert_eq!(gate.passed("/a/open", "prt_at_any", HERE).await, 0, "credentials are not looked at");
        assert_eq!(gate.passed("/a/open", "", "2001:db8::1").await, 3);
        assert_eq!(gate.passed("/a/open", "", "2001:db8::ffff:1").await, 0, "the same network");
        let token = gate.token("read").await;
        let of_token = if per == Per::Address { 0 } else { 3 };
        assert_eq!(gate.passed("/a/maybe", &token, HERE).await, of_token, "a token where it is optional");
    }
}

#[tokio::test]
async fn the_most_specific_limit_alone_counts() {
    let token = |limit| (Access::Token, limit);
    let rules = |own: &'static str| {
        let ((all, none), (_, one)) = (token(None), token(Some(limit(1, Per::Client))));
        [(own, all.clone(), none), ("x", all, one)]
    };
    let upstreams =
        vec![upstream(0, "own", Some(limit(2, Per::Client)), &rules("**")), upstream(1, "none", None, &rules("**"))];
    let gate = Gate::new(Some(limit(4, Per::Client)), upstreams).await;
    let token = gate.token("read").await;
    assert_eq!(gate.passed("/own/x", &token, HERE).await, 1, "the rule's");
    assert_eq!(gate.passed("/own/y", &token, HERE).await, 2, "the upstream's");
    assert_eq!(gate.passed("/none/x", &token, HERE).await, 1, "another rule's");
    assert_eq!(gate.passed("/none/y", &token, HERE).await, 4, "the common one");

    let upstreams = vec![upstream(0, "a", None, &rules("**")), upstream(1, "b", None, &rules("**"))];
    let gate = Gate::new(Some(limit(4, Per::Client)), upstreams).await;
    let token = gate.token("read").await;
    assert_eq!(gate.passed("/a/y", &token, HERE).await, 4);
    assert_eq!(gate.passed("/b/y", &token, HERE).await, 0, "one limit for all that fall under it");
    let none = Gate::new(None, one(None)).await;
    assert_eq!(none.admit("/a/open", "", HERE).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_refused_for_another_reason_is_told_so_and_not_counted() {
    let gate = Gate::new(None, one(Some(limit(3, Per::Client)))).await;
    let (token, weak) = (gate.token("read").await, gate.token("other").await);
    for _ in 0..5 {
        assert_eq!(gate.ask("/a/read", &weak, HERE).await, "insufficient_scope");
        assert_eq!(gate.ask("/a/read", "prt_at_wrong", HERE).await, "invalid_token");
        assert_eq!(gate.ask("/a/read", "", HERE).await, "missing_token");
        assert_eq!(gate.ask("/a/nothing", &token, HERE).await, "not_found");
    }
    assert_eq!(gate.passed("/a/maybe", &weak, HERE).await, 3);
    assert_eq!(gate.ask("/a/read", &weak, HERE).await, "insufficient_scope", "before it is too much");
    assert_eq!(gate.passed("/a/read", &token, HERE).await, 3);
    assert_eq!(gate.passed("/a/open", "", HERE).await, 3);
}

#[tokio::test]
async fn over_a_reload_an_unchanged_limit_goes_on_and_a_changed_one_begins_anew() {
    let mut gate = Gate::new(None, one(Some(limit(3, Per::Client)))).await;
    let token = gate.token("read").await;
    let clock: Arc<dyn crate::model::Clock> = gate.world.clock.clone();
    assert_eq!(gate.passed("/a/read", &token, HERE).await, 3);
    for (common, own, passed) in [
        (None, Some(limit(3, Per::Client)), 0),
        (Some(limit(9, Per::Client)), Some(limit(3, Per::Client)), 0),
        (None, Some(limit(2, Per::Client)), 2),
        (None, Some(limit(3, Per::Client)), 3),
        (None, None, 10),
    ] {
        // Before it there is another upstream by now.
        let mut upstreams = vec![upstream(0, "b", None, &[])];
        upstreams.extend(one(own));
        upstreams[1].policy.index = 1;
        let mut limits = CallerLimits::new(common, &upstreams, clock.clone());
        limits.inherit(&gate.limits);
        (gate.limits, gate.table) = (limits, RouteTable::compile(upstreams, false).unwrap());
        assert_eq!(gate.passed("/a/read", &token, HERE).await, passed, "{common:?} {own:?}");
    }
}
