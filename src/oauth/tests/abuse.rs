//! What is asked too often, for others, or in words of the hosted service that mean nothing here.

use std::{net::IpAddr, sync::Arc};

use super::*;
use crate::{
    limits::{Limit, quota},
    model::{ClientId, RateLimit},
    store::{Actor, Audit, ClientUpdate},
    tokens::testing::MOST_LIVE,
};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// A token request with these credentials, as from this address.
async fn ask(face: &Face, id: &str, secret: &str, from: &str) -> Answer {
    let call = form("/oauth2/tokens").header("authorization", basic(id, secret)).extension(address(from));
    send(&face.routes, call, GRANT).await
}

fn limited(answer: &Answer) -> bool {
    let limited = answer.status == 429;
    assert_eq!(answer.outcome().1, if limited { "rate_limited" } else { "invalid_client" });
    limited
}

#[tokio::test]
async fn wrong_credentials_of_any_kind_are_soon_refused_unseen_and_alike() {
    let face = Face::new().await;
    let other = face.world.client(face.owner, "read", "").await;
    let disabled = face.world.client(face.owner, "read", "").await;
    let audit = Audit { actor: Actor::CommandLine, at: face.world.registry.clock().now(), request_id: None };
    let update = ClientUpdate { enabled: Some(false), ..ClientUpdate::default() };
    face.world.registry.update_client(disabled.client.id, update, audit).await.unwrap();
    let (id, secret) = (face.client.client.id.to_string(), face.client.secret.expose());
    let unknown = "cl_aaaaaaaaaaaaa";
    let mut descriptions = Vec::new();
    for (number, (name, id, secret)) in [
        ("a guess", id.as_str(), "guess"),
        ("a guess that is read in two ways", &id, "50%25+1"),
        ("another's secret", &id, other.secret.expose()),
        ("an unknown client", unknown, secret),
        ("a guess for an unknown client", unknown, "guess"),
        ("a disabled client", &disabled.client.id.to_string(), disabled.secret.expose()),
    ]
    .into_iter()
    .enumerate()
    {
        let from = format!("192.0.2.{number}");
        for _ in 0..20 {
            assert!(!limited(&ask(&face, id, secret, &from).await), "{name}");
        }
        let answer = ask(&face, id, secret, &from).await;
        assert!(limited(&answer), "{name}");
        assert_eq!(answer.header("retry-after"), "6", "{name}");
        assert_eq!(answer.header("ratelimit"), r#""wrong-credentials-by-caller";r=0;t=6"#, "{name}");
        assert_eq!(answer.header("ratelimit-policy"), r#""wrong-credentials-by-caller";q=20;w=120"#, "{name}");
        descriptions.push(answer.json()["error_description"].clone());
    }
    descriptions.dedup();
    assert_eq!(descriptions.len(), 1);
    let metrics = String::from_utf8(face.world.registry.metrics().encode().unwrap()).unwrap();
    assert!(metrics.contains(r#"portcullis_rate_limited_total{upstream="portcullis"} 6"#), "{metrics}");
    assert!(metrics.contains(r#"portcullis_token_requests_total{result="rate_limited"} 6"#), "{metrics}");
}

#[tokio::test]
async fn nobody_locks_a_client_out_for_the_right_caller() {
    let face = Face::new().await;
    let other = face.world.client(face.owner, "read", "").await;
    let (id, secret) = (face.client.client.id.to_string(), face.client.secret.expose());
    let (here, elsewhere) = ("2001:db8:0:1::1", "2001:db8:0:2::1");
    for _ in 0..30 {
        ask(&face, &id, "guess", here).await;
    }
    assert!(limited(&ask(&face, &id, "guess", "2001:db8:0:1:ffff::").await), "the same network");
    for from in [here, elsewhere] {
        assert_eq!(ask(&face, &id, secret, from).await.status, 200, "the right one is looked at, {from}");
    }
    assert!(limited(&ask(&face, &id, other.secret.expose(), here).await), "another is not");
    let another = ask(&face, &other.client.id.to_string(), other.secret.expose(), here).await;
    assert_eq!(another.status, 200, "another client of the same address");

    // Whatever is changed of a client, its right secret stays right, and a new one is.
    let audit = || Audit { actor: Actor::CommandLine, at: face.world.registry.clock().now(), request_id: None };
    let client = face.client.client.id;
    let update = ClientUpdate { name: Some("new".parse().unwrap()), ..ClientUpdate::default() };
    face.world.registry.update_client(client, update, audit()).await.unwrap();
    assert_eq!(ask(&face, &id, secret, here).await.status, 200);
    let new = face.world.registry.rotate_secret(client, Duration::from_hours(1), audit()).await.unwrap();
    assert_eq!(ask(&face, &id, new.text.expose(), here).await.status, 200);

    let update = ClientUpdate { enabled: Some(false), ..ClientUpdate::default() };
    face.world.registry.update_client(client, update, audit()).await.unwrap();
    assert!(limited(&ask(&face, &id, secret, here).await), "disabled, it is right no more");
    face.world.clock.advance(Duration::from_secs(6));
    assert!(!limited(&ask(&face, &id, "guess", here).await), "there is room for one again");
    assert!(limited(&ask(&face, &id, "guess", here).await));
}

#[tokio::test]
async fn without_room_too_it_takes_as_long_for_one_that_exists_as_for_none() {
    let face = Face::new().await;
    let (world, from) = (&face.world, address("192.0.2.1"));
    let (other, organization) = (world.client(face.owner, "read", "").await, world.organization(None).await);
    let (known, secret) = (face.client.client.id.to_string(), other.secret.expose());
    for number in 0..150 {
        ask(&face, &ClientId::from_bytes([number; 8]).to_string(), "guess", "192.0.2.1").await;
    }
    // Remembered from here on.
    assert_eq!(ask(&face, &known, face.client.secret.expose(), "192.0.2.1").await.status, 200);
    for id in [known.as_str(), "cl_aaaaaaaaaaaaa", "nobody's"] {
        let before = world.store_operations("client");
        assert!(limited(&ask(&face, id, secret, "192.0.2.1").await), "{id}");
        assert_eq!(world.store_operations("client") - before, 1, "{id}");
    }
    let known = face.owner.to_string();
    for id in [known.as_str(), "org_aaaaaaaaaaaaa", "nobody's"] {
        let before = world.store_operations("organization");
        let key = organization.key.expose();
        let call = form("/oauth2/introspect").header("x-org-id", id).header("x-api-key", key).extension(from);
        assert!(limited(&send(&face.routes, call, "token=x").await), "{id}");
        assert_eq!(world.store_operations("organization") - before, 1, "{id}");
    }
}

#[tokio::test]
async fn right_credentials_are_not_counted() {
    let face = Face::new().await;
    let (id, secret) = (face.client.client.id.to_string(), face.client.secret.expose());
    for _ in 0..200 {
        let call = form("/oauth2/introspect").header("authorization", basic(&id, secret));
        let answer = send(&face.routes, call.extension(address("192.0.2.1")), "token=unknown").await;
        assert_eq!(answer.status, 200);
    }
}

#[tokio::test]
async fn every_endpoint_counts_and_guesses_are_never_looked_up() {
    let face = Face::new().await;
    let from = address("192.0.2.1");
    let call =
        |path: &str, id: &str, secret: &str| form(path).header("authorization", basic(id, secret)).extension(from);
    let paths = ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"];
    for (number, path) in (0..120).zip(paths.into_iter().cycle()) {
        let id = ClientId::from_bytes([number; 8]).to_string();
        assert!(!limited(&send(&face.routes, call(path, &id, "guess"), "token=x").await), "{number}");
    }
    let organization = face.world.organization(None).await;
    let (id, key) = (organization.organization.id.to_string(), organization.key.expose());
    let as_organization =
        |key: &str| form("/oauth2/introspect").header("x-org-id", &id).header("x-api-key", key).extension(from);
    let (client, secret) = (face.client.client.id.to_string(), face.client.secret.expose());
    for path in paths {
        let answer = send(&face.routes, call(path, &client, "guess"), "token=x").await;
        assert!(limited(&answer), "{path}");
        assert_eq!(answer.header("ratelimit-policy"), r#""wrong-credentials-by-address";q=120;w=120"#);
    }
    assert!(limited(&send(&face.routes, as_organization("guess"), "token=x").await));
    assert_eq!((face.world.store_operations("client"), face.world.store_operations("organization")), (0, 0));

    // Those who share the address with a guesser go on.
    assert_eq!(send(&face.routes, call("/oauth2/introspect", &client, secret), "token=x").await.status, 200);
    assert_eq!(send(&face.routes, as_organization(key), "token=x").await.status, 200);
}

#[tokio::test]
async fn token_requests_of_an_address_are_limited_whatever_becomes_of_them() {
    let face = Face::new().await;
    let (registry, tokens) = (face.world.registry.clone(), face.world.tokens.clone());
    let limit = RateLimit { rate: "1/m".parse().unwrap(), burst: 3.try_into().unwrap() };
    let limit = Limit::new("token-requests", quota(limit), 10, face.world.clock.clone());
    let token_requests = Some(Arc::new(limit));
    let oauth = Oauth { registry, tokens, public_url: ISSUER.into(), token_requests, organizations_introspect: false };
    let face = Face { routes: desk(router(oauth)), ..face };
    let (id, secret) = (face.client.client.id.to_string(), face.client.secret.expose());
    for (secret, status) in [(secret, 200), ("guess", 401), (secret, 200), (secret, 429), ("guess", 429)] {
        assert_eq!(ask(&face, &id, secret, "2001:db8::1").await.status, status);
    }
    let refused = ask(&face, &id, secret, "2001:db8::ffff:1").await;
    assert_eq!(refused.outcome(), (429, "rate_limited".to_owned()), "the same network");
    assert_eq!(refused.header("retry-after"), "60");
    assert_eq!(refused.header("ratelimit"), r#""token-requests";r=0;t=60"#);
    assert_eq!(ask(&face, &id, secret, "2001:db8:0:1::1").await.status, 200, "another one");
    face.world.clock.advance(Duration::from_mins(1));
    assert_eq!(ask(&face, &id, secret, "2001:db8::1").await.status, 200);
    let metrics = String::from_utf8(face.world.registry.metrics().encode().unwrap()).unwrap();
    assert!(metrics.contains(r#"portcullis_rate_limited_total{upstream="portcullis"} 3"#), "{metrics}");
    assert!(metrics.contains(r#"portcullis_token_requests_total{result="rate_limited"} 3"#), "{metrics}");
}

#[tokio::test]
async fn a_client_has_no_more_living_tokens_than_it_may() {
    let face = Face::new().await;
    let other = face.world.client(face.owner, "read", "").await;
    let mut tokens = Vec::new();
    for _ in 0..MOST_LIVE {
        tokens.push(face.token(&face.client, "").await);
        face.world.clock.advance(Duration::from_mins(1));
    }
    let refused = face.post("/oauth2/tokens", &face.client, GRANT).await;
    assert_eq!(refused.outcome(), (429, "rate_limited".to_owned()));
    assert_eq!(refused.header("retry-after"), (86_400 - u64::from(MOST_LIVE) * 60).to_string());
    assert_eq!(face.post("/oauth2/tokens", &other, GRANT).await.status, 200);

    let revoked = face.post("/oauth2/revoke", &face.client, &format!("token={}", tokens[3])).await;
    assert_eq!(revoked.status, 200);
    face.token(&face.client, "").await;
    assert_eq!(face.post("/oauth2/tokens", &face.client, GRANT).await.status, 429);
    face.world.clock.advance(Duration::from_secs(86_400 - u64::from(MOST_LIVE) * 60));
    face.token(&face.client, "").await;
    assert_eq!(face.post("/oauth2/tokens", &face.client, GRANT).await.status, 429, "only the first had expired");
}

#[tokio::test]
async fn what_is_about_users_is_not_implemented_and_says_so() {
    let face = Face::new().await;
    for line in [
        "POST /oauth2/tokens/mint",
        "POST /oauth2/tokens/revoke-all",
        "GET /oauth2/authorize?response_type=code",
        "POST /oauth2/authorize",
        "GET /oauth2/userinfo",
        "POST /oauth2/userinfo",
    ] {
        let answer = send(&face.routes, request(line), "").await;
        assert_eq!(answer.outcome(), (501, "not_implemented".to_owned()), "{line}");
        assert!(answer.json()["error_description"].as_str().unwrap().contains("machine clients only"), "{line}");
    }
    let other = send(&face.routes, request("GET /oauth2/tokens/mint"), "").await;
    assert_eq!((other.outcome().0, other.header("allow")), (405, "POST"));
}

/// One node is consistent at once, whatever its clients are willing to wait for.
#[tokio::test]
async fn the_hosted_services_wishes_for_consistency_are_accepted() {
    let face = Face::new().await;
    let client = basic(&face.client.client.id.to_string(), face.client.secret.expose());
    for (consistency, timeout) in [("local_region", "30"), ("all_regions", "1"), ("", "soon")] {
        let call = form("/oauth2/tokens")
            .header("authorization", &client)
            .header("SlashID-Required-Consistency", consistency)
            .header("SlashID-Required-Consistency-Timeout", timeout);
        assert_eq!(send(&face.routes, call, GRANT).await.status, 200, "{consistency}");
    }
}
