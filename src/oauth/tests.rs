//! The endpoints over the real services, as tables of what is sent and what comes back.

mod abuse;

use std::time::Duration;

use axum::Router;
use serde_json::{Value, json};

use super::{Oauth, router};
use crate::{
    model::OrganizationId,
    registry::NewClient,
    tokens::testing::World,
    web::{
        desk,
        testing::{Answer, basic, form, request, send},
    },
};

const ISSUER: &str = "https://api.example.com";
const GRANT: &str = "grant_type=client_credentials";

struct Face {
    world: World,
    routes: Router,
    owner: OrganizationId,
    client: NewClient,
}

impl Face {
    async fn new() -> Self {
        let world = World::new();
        let owner = world.organization(None).await.organization.id;
        let client = world.client(owner, "read write", "https://a https://b").await;
        let routes = routes(&world, true);
        Self { world, routes, owner, client }
    }

    async fn post(&self, path: &str, client: &NewClient, body: &str) -> Answer {
        let basic = basic(&client.client.id.to_string(), client.secret.expose());
        send(&self.routes, form(path).header("authorization", basic), body.to_owned()).await
    }

    async fn token(&self, client: &NewClient, more: &str) -> String {
        let answer = self.post("/oauth2/tokens", client, &format!("{GRANT}{more}")).await;
        answer.json()["access_token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
    }

    async fn introspect(&self, client: &NewClient, token: &str) -> Value {
        self.post("/oauth2/tokens/introspect", client, &format!("token={token}")).await.json()
    }
}

fn routes(world: &World, organizations_introspect: bool) -> Router {
    let (registry, tokens) = (world.registry.clone(), world.tokens.clone());
    desk(router(Oauth { registry, tokens, public_url: ISSUER.into(), token_requests: None, organizations_introspect }))
}

#[tokio::test]
async fn a_token_is_answered_as_rfc_6749_says() {
    let face = Face::new().await;
    for path in ["/oauth2/tokens", "/oauth2/token"] {
        let answer = face.post(path, &face.client, &format!("{GRANT}&scope=read&unknown=x&scope=")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!((answer.header("cache-control"), answer.header("pragma")), ("no-store", "no-cache"));
        let body = answer.json();
        assert!(body["access_token"].as_str().unwrap().starts_with("prt_at_"));
        assert_eq!(
            (&body["token_type"], &body["expires_in"], &body["scope"]),
            (&json!("bearer"), &json!(86400), &json!("read"))
        );
        assert_eq!(body.as_object().unwrap().len(), 4);
    }
}

#[tokio::test]
async fn each_mistake_has_its_error() {
    let face = Face::new().await;
    for (body, status, error) in [
        ("", 400, "invalid_request"),
        ("scope=read", 400, "invalid_request"),
        ("grant_type=", 400, "invalid_request"),
        ("grant_type=password&username=a&password=b", 400, "unsupported_grant_type"),
        ("grant_type=Client_Credentials", 400, "unsupported_grant_type"),
        ("grant_type=client_credentials&grant_type=client_credentials", 400, "invalid_request"),
        ("grant_type=client_credentials&x=1&x=2", 400, "invalid_request"),
        ("grant_type=client_credentials&scope=admin", 400, "invalid_scope"),
        ("grant_type=client_credentials&scope=read%20admin", 400, "invalid_scope"),
        ("grant_type=client_credentials&scope=read%20%20write", 400, "invalid_scope"),
        ("grant_type=client_credentials&scope=%22", 400, "invalid_scope"),
        ("grant_type=client_credentials&scope=+", 400, "invalid_scope"),
        ("grant_type=client_credentials&resource=https://c", 400, "invalid_target"),
        ("grant_type=client_credentials&audience=https://a&resource=https://a/", 400, "invalid_target"),
        ("grant_type=client_credentials&audience=a%20b", 400, "invalid_target"),
        ("grant_type=%zz", 400, "invalid_request"),
        ("grant_type=%ff", 400, "invalid_request"),
        ("grant_type=client_credentials&client_id=cl_another", 400, "invalid_request"),
        ("grant_type=client_credentials&client_secret=x", 400, "invalid_request"),
    ] {
        let answer = face.post("/oauth2/tokens", &face.client, body).await;
        assert_eq!(answer.outcome(), (status, error.to_owned()), "{body}");
        let told = answer.json();
        assert!(!told["error_description"].as_str().unwrap().is_empty(), "{body}");
        assert_eq!(told["errors"][0]["httpcode"], status, "{body}");
        assert_eq!(told["request_id"], answer.header("x-request-id"), "{body}");
        assert_eq!(answer.header("cache-control"), "no-store", "{body}");
    }
    let metrics = String::from_utf8(face.world.registry.metrics().encode().unwrap()).unwrap();
    assert!(metrics.contains(r#"portcullis_token_requests_total{result="invalid_target"} 3"#), "{metrics}");
}

#[tokio::test]
async fn the_body_must_be_a_form_of_bounded_size() {
    let face = Face::new().await;
    let basic = basic(&face.client.client.id.to_string(), face.client.secret.expose());
    let post = || request("POST /oauth2/tokens").header("authorization", &basic);
    let json = post().header("content-type", "application/json");
    assert_eq!(
        send(&face.routes, json, r#"{"grant_type":"client_credentials"}"#).await.outcome(),
        (400, "invalid_request".to_owned())
    );
    assert_eq!(send(&face.routes, post(), GRANT).await.outcome(), (400, "invalid_request".to_owned()));
    let charset = post().header("content-type", "application/x-www-form-urlencoded; charset=utf-8");
    assert_eq!(send(&face.routes, charset, GRANT).await.status, 200);
    let large = post().header("content-type", "application/x-www-form-urlencoded");
    let answer = send(&face.routes, large, format!("{GRANT}&x={}", "x".repeat(70_000))).await;
    assert_eq!(answer.outcome(), (413, "content_too_large".to_owned()));
}

#[tokio::test]
async fn a_client_authenticates_in_exactly_one_way() {
    let face = Face::new().await;
    let (id, secret) = (face.client.client.id.to_string(), face.client.secret.expose().to_owned());
    let other = face.world.client(face.owner, "read", "").await;
    let encoded_id = id.replace('_', "%5F");
    let good = basic(&id, &secret);
    let post = format!("client_id={id}&client_secret={secret}");
    let wrong = |id: &str, secret: &str| Some(basic(id, secret));
    for (name, authorization, more, status, error) in [
        ("basic", Some(good.clone()), String::new(), 200, ""),
        ("basic in any case", Some(good.replace("Basic", "BASIC")), String::new(), 200, ""),
        ("basic form-encoded", wrong(&encoded_id, &secret.replace('_', "%5f")), String::new(), 200, ""),
        ("basic with its own client_id", Some(good.clone()), format!("client_id={id}"), 200, ""),
        ("post", None, post.clone(), 200, ""),
        ("both", Some(good.clone()), post.clone(), 400, "invalid_request"),
        ("basic with another client_id", Some(good.clone()), "client_id=x".to_owned(), 400, "invalid_request"),
        ("bearer and post", Some("Bearer x".to_owned()), post.clone(), 400, "invalid_request"),
        ("a secret without an id", None, format!("client_secret={secret}"), 400, "invalid_request"),
        ("neither", None, String::new(), 401, "invalid_client"),
        ("an id alone", None, format!("client_id={id}"), 401, "invalid_client"),
        ("an empty secret", None, format!("client_id={id}&client_secret="), 401, "invalid_client"),
        ("bearer", Some(format!("Bearer {secret}")), String::new(), 401, "invalid_client"),
        ("malformed basic", Some("Basic !!!".to_owned()), String::new(), 401, "invalid_client"),
        ("a guessed secret", wrong(&id, "guess"), String::new(), 401, "invalid_client"),
        ("another's secret", wrong(&id, other.secret.expose()), String::new(), 401, "invalid_client"),
        ("an unknown client", wrong("cl_aaaaaaaaaaaaa", &secret), String::new(), 401, "invalid_client"),
        ("no id", wrong("x", &secret), String::new(), 401, "invalid_client"),
        ("a secret with a blank", wrong(&id, &format!("{secret} ")), String::new(), 401, "invalid_client"),
    ] {
        let mut call = form("/oauth2/tokens");
        if let Some(authorization) = &authorization {
            call = call.header("authorization", authorization);
        }
        let answer = send(&face.routes, call, format!("{GRANT}&{more}")).await;
        assert_eq!(answer.outcome(), (status, error.to_owned()), "{name}");
        let challenge = if status == 401 { r#"Basic realm="portcullis", charset="UTF-8""# } else { "" };
        assert_eq!(answer.header("www-authenticate"), challenge, "{name}");
        assert!(!answer.text.contains(&secret), "{name}");
    }
    let twice = form("/oauth2/tokens").header("authorization", &good).header("authorization", &good);
    assert_eq!(send(&face.routes, twice, GRANT).await.outcome(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn a_disabled_client_is_answered_like_an_unknown_one() {
    use crate::store::{Actor, Audit, ClientUpdate};
    let face = Face::new().await;
    let audit = Audit { actor: Actor::CommandLine, at: face.world.registry.clock().now(), request_id: None };
    let update = ClientUpdate { enabled: Some(false), ..ClientUpdate::default() };
    face.world.registry.update_client(face.client.client.id, update, audit).await.unwrap();
    let disabled = face.post("/oauth2/tokens", &face.client, GRANT).await;
    let unknown = basic("cl_aaaaaaaaaaaaa", face.client.secret.expose());
    let unknown = send(&face.routes, form("/oauth2/tokens").header("authorization", unknown), GRANT).await;
    assert_eq!(disabled.status, 401);
    assert_eq!(disabled.json()["error_description"], unknown.json()["error_description"]);
}

#[tokio::test]
async fn an_active_token_is_shown_whole() {
    let face = Face::new().await;
    let token = face.token(&face.client, "&scope=write+read").await;
    let expected = json!({
        "active": true,
        "client_id": face.client.client.id,
        "exp": 1_700_086_400,
        "iat": 1_700_000_000,
        "scope": "read write",
        "sub": face.owner,
        "aud": ["https://a", "https://b"],
        "iss": ISSUER,
        "token_type": "bearer",
    });
    for path in ["/oauth2/tokens/introspect", "/oauth2/introspect"] {
        let answer = face.post(path, &face.client, &format!("token={token}&token_type_hint=refresh_token")).await;
        assert_eq!(answer.header("cache-control"), "no-store");
        let mut body = answer.json();
        let jti = body.as_object_mut().unwrap().remove("jti").unwrap();
        assert!(jti.as_str().unwrap().starts_with("tok_"));
        assert_eq!(body, expected);
    }
}

#[tokio::test]
async fn the_audience_is_a_text_a_list_or_left_out() {
    let face = Face::new().await;
    let one = face.token(&face.client, "&resource=https://b").await;
    assert_eq!(face.introspect(&face.client, &one).await["aud"], "https://b");
    let both = face.token(&face.client, "&resource=https://b&audience=https://a&resource=https://b").await;
    assert_eq!(face.introspect(&face.client, &both).await["aud"], json!(["https://a", "https://b"]));
    let without = face.world.client(face.owner, "", "").await;
    let token = face.token(&without, "").await;
    let body = face.introspect(&without, &token).await;
    assert_eq!((body.get("aud"), &body["scope"]), (None, &json!("")));
}

#[tokio::test]
async fn introspection_with_scopes_asks_for_all_of_them() {
    let face = Face::new().await;
    let token = face.token(&face.client, "&scope=read").await;
    for (scope, active) in [("read", true), ("", true), ("write", false), ("read%20write", false), ("other", false)] {
        let body = format!("token={token}&scope={scope}");
        let answer = face.post("/oauth2/introspect", &face.client, &body).await.json();
        assert_eq!(answer["active"], active, "{scope}");
        assert!(active || answer == json!({"active": false}), "{scope}");
    }
    let malformed = face.post("/oauth2/introspect", &face.client, &format!("token={token}&scope=a++b")).await;
    assert_eq!(malformed.outcome(), (400, "invalid_request".to_owned()));
    let missing = face.post("/oauth2/introspect", &face.client, "token=").await;
    assert_eq!(missing.outcome(), (400, "invalid_request".to_owned()));
}

#[tokio::test]
async fn a_token_is_seen_from_its_own_organisation_and_from_above() {
    let face = Face::new().await;
    let root = face.world.organization(None).await;
    let parent = face.world.organization(Some(&root)).await;
    let child = face.world.organization(Some(&parent)).await;
    let owner = face.world.client(parent.organization.id, "read", "").await;
    let token = face.token(&owner, "").await;
    let hidden = json!({"active": false});
    for (name, organization, sees) in [("own", &parent, true), ("above", &root, true), ("below", &child, false)] {
        let viewer = face.world.client(organization.organization.id, "x", "").await;
        assert_eq!(face.introspect(&viewer, &token).await["active"], sees, "{name}");
    }
    assert_eq!(face.introspect(&face.client, &token).await, hidden, "a stranger");
    for text in ["x", "prt_at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "%C3%A4", &token.to_uppercase()] {
        assert_eq!(face.introspect(&owner, text).await, hidden, "{text}");
    }
    face.world.clock.advance(Duration::from_hours(24));
    assert_eq!(face.introspect(&owner, &token).await, hidden, "expired");
}

#[tokio::test]
async fn an_organisation_introspects_by_its_headers_where_that_is_served() {
    let face = Face::new().await;
    let root = face.world.organization(None).await;
    let client = face.world.client(root.organization.id, "read", "").await;
    let body = format!("token={}", face.token(&client, "").await);
    let id = root.organization.id.to_string();
    let call = |id: &str, key: &str| form("/oauth2/introspect").header("x-org-id", id).header("slashid-api-key", key);

    let answer = send(&face.routes, call(&id, root.key.expose()), body.clone()).await;
    assert_eq!(answer.json()["active"], true, "{answer:?}");
    let wrong = send(&face.routes, call(&id, "wrong"), body.clone()).await;
    assert_eq!(wrong.outcome(), (401, "invalid_client".to_owned()));
    let half = send(&face.routes, form("/oauth2/introspect").header("x-org-id", &id), body.clone()).await;
    assert_eq!(half.outcome(), (401, "invalid_client".to_owned()));
    let two_keys = call(&id, root.key.expose()).header("x-api-key", "other");
    assert_eq!(send(&face.routes, two_keys, body.clone()).await.outcome(), (400, "invalid_request".to_owned()));
    let both = call(&id, root.key.expose())
        .header("authorization", basic(&client.client.id.to_string(), client.secret.expose()));
    assert_eq!(send(&face.routes, both, body.clone()).await.outcome(), (400, "invalid_request".to_owned()));

    let public = routes(&face.world, false);
    let answer = send(&public, call(&id, root.key.expose()), body).await;
    assert_eq!(answer.outcome(), (401, "invalid_client".to_owned()));
}

#[tokio::test]
async fn a_client_revokes_its_own_tokens_and_no_others() {
    let face = Face::new().await;
    let other = face.world.client(face.owner, "read", "").await;
    for path in ["/oauth2/tokens/revoke", "/oauth2/revoke"] {
        let token = face.token(&face.client, "").await;
        let body = format!("token={token}&token_type_hint=whatever");
        assert_eq!(face.post(path, &other, &body).await.outcome(), (400, "unauthorized_client".to_owned()));
        assert_eq!(face.introspect(&face.client, &token).await["active"], true);
        for _ in 0..2 {
            let answer = face.post(path, &face.client, &body).await;
            assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({})));
        }
        assert_eq!(face.introspect(&face.client, &token).await, json!({"active": false}));
        assert_eq!(face.post(path, &face.client, "token=unknown").await.json(), json!({}));
        assert_eq!(face.post(path, &face.client, "").await.outcome(), (400, "invalid_request".to_owned()));
        let nobody = send(&face.routes, form(path), body).await;
        assert_eq!(nobody.outcome(), (401, "invalid_client".to_owned()));
    }
    let changes = face.world.registry.store().changes(0, 100).await.unwrap();
    let revoked = changes.iter().filter(|change| change.action.as_str() == "token.revoked");
    let actors: Vec<String> = revoked.map(|change| change.actor.to_string()).collect();
    assert_eq!(actors, vec![face.client.client.id.to_string(); 2]);
}

#[tokio::test]
async fn metadata_names_the_endpoints() {
    let face = Face::new().await;
    let server = send(&face.routes, request("GET /.well-known/oauth-authorization-server"), "").await.json();
    for (name, value) in [
        ("issuer", json!(ISSUER)),
        ("token_endpoint", json!("https://api.example.com/oauth2/tokens")),
        ("introspection_endpoint", json!("https://api.example.com/oauth2/tokens/introspect")),
        ("revocation_endpoint", json!("https://api.example.com/oauth2/tokens/revoke")),
        ("response_types_supported", json!(["none"])),
        ("grant_types_supported", json!(["client_credentials"])),
        ("token_endpoint_auth_methods_supported", json!(["client_secret_basic", "client_secret_post"])),
    ] {
        assert_eq!(server[name], value, "{name}");
    }
    let resource = send(&face.routes, request("GET /.well-known/oauth-protected-resource"), "").await.json();
    assert_eq!((&resource["resource"], &resource["authorization_servers"]), (&json!(ISSUER), &json!([ISSUER])));
}

#[tokio::test]
async fn other_methods_are_refused_with_the_ones_there_are() {
    let face = Face::new().await;
    for (line, allow) in [
        ("GET /oauth2/tokens", "POST"),
        ("DELETE /oauth2/revoke", "POST"),
        ("PUT /oauth2/tokens/introspect", "POST"),
        ("POST /.well-known/oauth-authorization-server", "GET, HEAD"),
    ] {
        let answer = send(&face.routes, request(line), "").await;
        assert_eq!(answer.outcome(), (405, "method_not_allowed".to_owned()), "{line}");
        assert_eq!(answer.header("allow"), allow, "{line}");
    }
}
