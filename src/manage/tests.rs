//! The endpoints over the real services, as tables of what is sent and what comes back.

use std::time::Duration;

use axum::{Router, body::Body};
use http::request::Builder;
use serde_json::{Value, json};

use super::{Manage, router};
use crate::{
    registry::{AuthenticationError, NewOrganizationKey},
    tokens::{IssueRequest, testing::World},
    web::{
        desk,
        testing::{Answer, request, send},
    },
};

struct Face {
    world: World,
    routes: Router,
    root: NewOrganizationKey,
}

fn by(line: &str, organization: &NewOrganizationKey) -> Builder {
    request(line)
        .header("x-org-id", organization.organization.id.to_string())
        .header("x-api-key", organization.key.expose())
}

fn draft(more: &Value) -> String {
    let mut draft = json!({"client_name": "c", "scopes": ["b", "a"], "grant_types": ["client_credentials"]});
    for (name, value) in more.as_object().unwrap() {
        draft[name] = value.clone();
    }
    draft.to_string()
}

impl Face {
    async fn new() -> Self {
        let world = World::new();
        let root = world.organization(None).await;
        let (registry, tokens) = (world.registry.clone(), world.tokens.clone());
        Self { world, root, routes: desk(router(Manage { registry, tokens })) }
    }

    async fn call(&self, line: &str, organization: &NewOrganizationKey, body: impl Into<Body>) -> Answer {
        send(&self.routes, by(line, organization), body).await
    }

    async fn root(&self, line: &str, body: impl Into<Body>) -> Answer {
        self.call(line, &self.root, body).await
    }

    /// The path of a new client of an organisation.
    async fn client(&self, owner: &NewOrganizationKey) -> String {
        let client = self.world.client(owner.organization.id, "a b", "https://x").await;
        format!("/oauth2/clients/{}", client.client.id)
    }

    /// Issues a token to the client of this path.
    async fn issue(&self, path: &str) -> String {
        let id = path.rsplit('/').next().unwrap().parse().unwrap();
        let client = self.world.registry.vouch_for(id).await.unwrap();
        let issued = self.world.tokens.issue(&client, IssueRequest::default()).await.unwrap();
        issued.text.expose().to_owned()
    }
}

#[tokio::test]
async fn a_client_is_created_shown_changed_and_deleted() {
    let face = Face::new().await;
    let created = face.root("POST /oauth2/clients", draft(&json!({}))).await;
    assert_eq!(created.status, 201, "{created:?}");
    assert_eq!(created.header("cache-control"), "no-store");
    let mut client = created.result();
    let secret = client.as_object_mut().unwrap().remove("client_secret").unwrap();
    assert!(secret.as_str().unwrap().starts_with("prt_cs_"));
    let id = client["client_id"].as_str().unwrap().to_owned();
    let expected = json!({
        "client_id": id, "client_name": "c", "grant_types": ["client_credentials"], "response_types": [],
        "scopes": ["a", "b"], "audiences": [], "public": false, "enabled": true, "access_token_duration": 86400,
        "created_at": "2023-11-14T22:13:20Z",
    });
    assert_eq!(client, expected);
    let path = format!("/oauth2/clients/{id}");
    assert_eq!(face.root(&format!("GET {path}"), "").await.result(), expected);

    let patch = json!({"client_name": " d ", "scopes": ["c", "a"], "access_token_duration": 60, "enabled": false,
        "grant_types": ["client_credentials"], "audiences": ["https://x"], "default_scopes": ["a"],
        "refresh_token_duration": 9, "redirect_uris": ["https://a/cb"]});
    let patched = face.root(&format!("PATCH {path}"), patch.to_string()).await;
    assert_eq!(patched.status, 200, "{patched:?}");
    let expected = json!({
        "client_id": id, "client_name": "d", "grant_types": ["client_credentials"], "response_types": [],
        "scopes": ["a", "c"], "default_scopes": ["a"], "audiences": ["https://x"], "public": false, "enabled": false,
        "access_token_duration": 60, "refresh_token_duration": 9, "redirect_uris": ["https://a/cb"],
        "created_at": "2023-11-14T22:13:20Z",
    });
    assert_eq!(patched.result(), expected);
    let unset = face.root(&format!("PATCH {path}"), r#"{"default_scopes":null}"#).await;
    assert_eq!(unset.result().get("default_scopes"), None);
    let same = face.root(&format!("PATCH {path}"), "").await;
    assert_eq!(same.result(), unset.result());

    assert_eq!(face.root(&format!("DELETE {path}"), "").await.status, 204);
    for line in ["GET", "PATCH", "DELETE"] {
        assert_eq!(face.root(&format!("{line} {path}"), "").await.outcome(), (404, "not_found".to_owned()), "{line}");
    }
}

#[tokio::test]
async fn what_a_client_may_be_is_kept_and_given_back() {
    let face = Face::new().await;
    let more = json!({"public": false, "access_token_duration": 2_592_000, "default_scopes": ["a"],
        "audiences": ["https://x"], "refresh_token_duration": 60, "redirect_uris": ["https://a/cb", "app:/x"]});
    let created = face.root("POST /oauth2/clients", draft(&more)).await;
    assert_eq!(created.status, 201, "{created:?}");
    for (name, value) in more.as_object().unwrap() {
        assert_eq!(&created.result()[name], value, "{name}");
    }
    let with_nulls = json!({"audiences": null, "default_scopes": null, "redirect_uris": null, "public": null});
    assert_eq!(face.root("POST /oauth2/clients", draft(&with_nulls)).await.status, 201);
}

#[tokio::test]
async fn mistakes_in_a_body_are_named() {
    let face = Face::new().await;
    let path = face.client(&face.root).await;
    let patch = format!("PATCH {path}");
    let create = "POST /oauth2/clients";
    let cases = [
        (create, String::new(), "client_name"),
        (create, "[]".to_owned(), "JSON object"),
        (create, r#"{"client_name":"c","scopes":[]}"#.to_owned(), "grant_types"),
        (create, draft(&json!({"client_nam": "x"})), "client_nam"),
        (create, draft(&json!({"enabled": true})), "enabled"),
        (create, draft(&json!({"client_name": 1})), "client_name"),
        (create, draft(&json!({"client_name": "  "})), "client_name"),
        (create, draft(&json!({"client_name": null})), "client_name"),
        (create, draft(&json!({"scopes": "a b"})), "scopes"),
        (create, draft(&json!({"scopes": ["a b"]})), "scopes"),
        (create, draft(&json!({"scopes": [1]})), "scopes[0]"),
        (create, draft(&json!({"audiences": ["a b"]})), "audiences"),
        (create, draft(&json!({"default_scopes": ["c"]})), "default_scopes"),
        (create, draft(&json!({"public": true})), "public"),
        (create, draft(&json!({"public": "no"})), "public"),
        (create, draft(&json!({"grant_types": []})), "grant_types"),
        (create, draft(&json!({"grant_types": ["authorization_code"]})), "grant_types"),
        (create, draft(&json!({"grant_types": ["client_credentials", "refresh_token"]})), "grant_types"),
        (create, draft(&json!({"access_token_duration": 0})), "access_token_duration"),
        (create, draft(&json!({"access_token_duration": 2_592_001})), "access_token_duration"),
        (create, draft(&json!({"access_token_duration": -1})), "access_token_duration"),
        (create, draft(&json!({"access_token_duration": "1h"})), "access_token_duration"),
        (create, draft(&json!({"refresh_token_duration": 0})), "refresh_token_duration"),
        (create, draft(&json!({"redirect_uris": ["/cb"]})), "redirect_uris"),
        (create, draft(&json!({"redirect_uris": vec!["a:b"; 33]})), "redirect_uris"),
        (create, r#"{"client_name":"c","client_name":"d"}"#.to_owned(), "client_name"),
        (&patch, r#"{"client_name":null}"#.to_owned(), "client_name"),
        (&patch, r#"{"public":false}"#.to_owned(), "public"),
        (&patch, r#"{"enabled":"yes"}"#.to_owned(), "enabled"),
        (&patch, r#"{"grant_types":["password"]}"#.to_owned(), "grant_types"),
        (&patch, r#"{"access_token_duration":2592001}"#.to_owned(), "access_token_duration"),
        (&patch, r#"{"default_scopes":["z"]}"#.to_owned(), "default_scopes"),
        ("POST /organizations/suborganizations", "{}".to_owned(), "sub_org_name"),
        ("POST /organizations/suborganizations", r#"{"sub_org_name":"x","admins":[]}"#.to_owned(), "admins"),
        ("PUT /organizations/api-keys", r#"{"x":1}"#.to_owned(), "`x`"),
    ];
    for (line, body, name) in cases {
        let answer = face.root(line, body.clone()).await;
        assert_eq!(answer.outcome(), (400, "invalid_request".to_owned()), "{line} {body}");
        let told = answer.json();
        assert!(told["error_description"].as_str().unwrap().contains(name), "{line} {body}: {told}");
        assert_eq!(told["errors"][0]["httpcode"], 400);
    }
    let large = face.root(create, vec![b' '; 70_000]).await;
    assert_eq!(large.outcome(), (413, "content_too_large".to_owned()));
}

#[tokio::test]
async fn an_organisation_shows_itself_by_one_pair_of_headers() {
    let face = Face::new().await;
    let (id, key) = (face.root.organization.id.to_string(), face.root.key.expose().to_owned());
    let other = face.world.organization(None).await;
    let other_key = other.key.expose();
    for (name, headers, status) in [
        ("ours", &[("X-Org-Id", id.as_str()), ("X-API-Key", &key)][..], 200),
        ("theirs", &[("SlashID-OrgID", &id), ("SlashID-API-Key", &key)], 200),
        (
            "both alike",
            &[("SlashID-OrgID", &id), ("SlashID-API-Key", &key), ("X-Org-Id", &id), ("X-API-Key", &key)],
            200,
        ),
        ("two ids", &[("SlashID-OrgID", &id), ("X-Org-Id", "other"), ("X-API-Key", &key)], 400),
        ("two keys", &[("X-Org-Id", &id), ("X-API-Key", &key), ("SlashID-API-Key", "other")], 400),
        ("one key twice", &[("X-Org-Id", &id), ("X-API-Key", &key), ("X-API-Key", &key)], 200),
        ("one name twice", &[("X-Org-Id", &id), ("X-API-Key", &key), ("X-API-Key", "other")], 400),
        ("none", &[], 401),
        ("no key", &[("X-Org-Id", &id)], 401),
        ("no id", &[("X-API-Key", &key)], 401),
        ("a guessed key", &[("X-Org-Id", &id), ("X-API-Key", "guess")], 401),
        ("another's key", &[("X-Org-Id", &id), ("X-API-Key", other_key)], 401),
        ("an unknown id", &[("X-Org-Id", "org_aaaaaaaaaaaaa"), ("X-API-Key", &key)], 401),
        ("a malformed id", &[("X-Org-Id", "../x"), ("X-API-Key", &key)], 401),
    ] {
        let call =
            headers.iter().fold(request("GET /oauth2/clients"), |call, (name, value)| call.header(*name, *value));
        let answer = send(&face.routes, call, "").await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        if status == 401 {
            assert_eq!(answer.outcome().1, "unauthorized", "{name}");
            assert_eq!(answer.header("www-authenticate"), r#"ApiKey realm="portcullis""#, "{name}");
        }
    }
}

#[tokio::test]
async fn a_client_is_worked_on_by_its_owner_and_from_above_only() {
    let face = Face::new().await;
    let parent = face.world.organization(Some(&face.root)).await;
    let own = face.world.organization(Some(&parent)).await;
    let sibling = face.world.organization(Some(&parent)).await;
    let child = face.world.organization(Some(&own)).await;
    let stranger = face.world.organization(None).await;
    let path = face.client(&own).await;
    let jti = {
        face.issue(&path).await;
        let listed = face.call(&format!("GET {path}/tokens"), &own, "").await;
        listed.result()[0]["jti"].as_str().unwrap().to_owned()
    };
    let lines = [
        format!("GET {path}"),
        format!("PATCH {path}"),
        format!("PUT {path}/secret"),
        format!("GET {path}/secrets"),
        format!("POST {path}/secrets"),
        format!("DELETE {path}/secrets/sec_aaaaaaaaaaaaa"),
        format!("GET {path}/tokens"),
        format!("DELETE {path}/tokens/{jti}"),
        format!("DELETE {path}/tokens"),
        format!("DELETE {path}"),
    ];
    for outsider in [&sibling, &child, &stranger] {
        for line in &lines {
            let answer = face.call(line, outsider, "").await;
            assert_eq!(answer.outcome(), (404, "not_found".to_owned()), "{line}");
            let absent = face.call(&line.replace(&path, "/oauth2/clients/cl_aaaaaaaaaaaaa"), outsider, "").await;
            let malformed = face.call(&line.replace(&path, "/oauth2/clients/%ff"), outsider, "").await;
            for same in [absent, malformed] {
                assert_eq!(same.outcome(), answer.outcome(), "{line}");
                assert_eq!(same.json()["error_description"], answer.json()["error_description"], "{line}");
            }
        }
    }
    for line in &lines {
        let answer = send(&face.routes, request(line), "").await;
        assert_eq!(answer.outcome(), (401, "unauthorized".to_owned()), "{line}");
    }
    for insider in [&own, &parent, &face.root] {
        for (line, status) in [("GET", 200), ("PATCH", 200)] {
            assert_eq!(face.call(&format!("{line} {path}"), insider, "").await.status, status, "{line}");
        }
        assert_eq!(face.call(&format!("PUT {path}/secret"), insider, "").await.status, 200);
        let another = face.client(&own).await;
        assert_eq!(face.call(&format!("DELETE {another}"), insider, "").await.status, 204);
    }
    let listed = face.call("GET /oauth2/clients", &parent, "").await;
    assert_eq!(listed.result(), json!([]), "a list shows one's own only");
}

#[tokio::test]
async fn lists_come_in_pages() {
    let face = Face::new().await;
    for _ in 0..3 {
        face.client(&face.root).await;
        face.world.organization(Some(&face.root)).await;
    }
    for list in ["/oauth2/clients", "/organizations/suborganizations"] {
        let first = face.root(&format!("GET {list}?limit=2"), "").await.json();
        assert_eq!(first["result"].as_array().unwrap().len(), 2, "{list}");
        let meta = &first["meta"];
        assert_eq!(meta["pagination"], json!({"limit": 2, "offset": 0, "total_count": 3}), "{list}");
        assert_eq!(
            (&meta["cursor_pagination"]["limit"], &meta["cursor_pagination"]["total_count"]),
            (&json!(2), &json!(3))
        );
        let cursor = meta["cursor_pagination"]["cursor"].as_str().unwrap();
        let second = face.root(&format!("GET {list}?limit=2&cursor={cursor}"), "").await.json();
        assert_eq!(second["result"].as_array().unwrap().len(), 1, "{list}");
        assert_eq!(
            second["meta"],
            json!({"cursor_pagination": {"limit": 2, "cursor": "", "total_count": 3}}),
            "{list}"
        );
        assert!(!first["result"].as_array().unwrap().contains(&second["result"][0]), "{list}");
        let whole = face.root(&format!("GET {list}"), "").await.json();
        assert_eq!(whole["meta"]["cursor_pagination"], json!({"limit": 50, "cursor": "", "total_count": 3}), "{list}");
        for bad in ["limit=0", "limit=1001", "limit=x", "limit=-1", "limit=1&limit=2", "cursor=nonsense"] {
            let answer = face.root(&format!("GET {list}?{bad}"), "").await;
            assert_eq!(answer.outcome(), (400, "invalid_request".to_owned()), "{list} {bad}");
        }
    }
}

#[tokio::test]
async fn organisations_are_created_below_and_deleted_as_leaves() {
    let face = Face::new().await;
    let created = face.root("POST /organizations/suborganizations", r#"{"sub_org_name":"Käse AG"}"#).await;
    assert_eq!(created.status, 200, "{created:?}");
    let child = created.result();
    assert_eq!((&child["org_name"], &child["parent_id"]), (&json!("Käse AG"), &json!(face.root.organization.id)));
    let as_child = |line: &str| {
        request(line)
            .header("x-org-id", child["id"].as_str().unwrap())
            .header("x-api-key", child["api_key"].as_str().unwrap())
    };
    let grandchild =
        send(&face.routes, as_child("POST /organizations/suborganizations"), r#"{"sub_org_name":"x"}"#).await;
    let grandchild = grandchild.result();
    let mut ids = vec![child["id"].clone(), grandchild["id"].clone()];
    ids.sort_by_key(ToString::to_string);
    let listed = face.root("GET /organizations/suborganizations", "").await.result();
    let mut listed = listed.as_array().unwrap().clone();
    listed.sort_by_key(ToString::to_string);
    assert_eq!(listed, ids);

    assert_eq!(face.root("DELETE /organizations", "").await.outcome(), (409, "conflict".to_owned()), "a root");
    let with_child = send(&face.routes, as_child("DELETE /organizations"), "").await;
    assert_eq!(with_child.outcome(), (409, "conflict".to_owned()));
    let leaf = |line: &str| {
        request(line)
            .header("x-org-id", grandchild["id"].as_str().unwrap())
            .header("x-api-key", grandchild["api_key"].as_str().unwrap())
    };
    assert_eq!(send(&face.routes, leaf("DELETE /organizations"), "").await.status, 204);
    assert_eq!(send(&face.routes, leaf("GET /oauth2/clients"), "").await.status, 401);
    assert_eq!(send(&face.routes, as_child("DELETE /organizations"), "").await.status, 204);
}

#[tokio::test]
async fn a_new_key_ends_the_old_one() {
    let face = Face::new().await;
    let rotated = face.root("PUT /organizations/api-keys", "").await;
    assert_eq!(rotated.status, 200, "{rotated:?}");
    assert_eq!(face.root("GET /oauth2/clients", "").await.status, 401);
    let new = rotated.result();
    let call = request("GET /oauth2/clients")
        .header("x-org-id", new["id"].as_str().unwrap())
        .header("x-api-key", new["api_key"].as_str().unwrap());
    assert_eq!(send(&face.routes, call, "").await.status, 200);
}

#[tokio::test]
async fn secrets_rotate_at_once_or_with_an_overlap() {
    let face = Face::new().await;
    let client = face.world.client(face.root.organization.id, "a", "").await;
    let path = format!("/oauth2/clients/{}", client.client.id);
    let works = async |secret: &str| {
        let secret = crate::model::SecretText::new(secret.to_owned());
        match face.world.registry.authenticate_client(&client.client.id.to_string(), &secret).await {
            Ok(_) => true,
            Err(AuthenticationError::Wrong) => false,
            Err(error) => panic!("{error}"),
        }
    };
    let first = client.secret.expose();
    let added = face.root(&format!("POST {path}/secrets"), r#"{"overlap":"2d"}"#).await;
    assert_eq!(added.status, 201, "{added:?}");
    let second = added.result()["client_secret"].as_str().unwrap().to_owned();
    assert!(works(first).await && works(&second).await);
    let listed = face.root(&format!("GET {path}/secrets"), "").await.result();
    assert_eq!(listed[0]["expires_at"], "2023-11-16T22:13:20Z");
    assert_eq!(listed[1]["id"], added.result()["id"]);
    assert_eq!((listed[1].get("expires_at"), listed[1].get("client_secret")), (None, None));
    assert_eq!(listed[1]["hint"], second[second.len() - 4..]);
    face.world.clock.advance(Duration::from_hours(48));
    assert!(!works(first).await && works(&second).await);

    let put = face.root(&format!("PUT {path}/secret"), "").await;
    assert_eq!((put.status.as_u16(), put.result().as_object().unwrap().len()), (200, 1));
    assert!(!works(&second).await);
    assert!(works(put.result()["client_secret"].as_str().unwrap()).await);

    for bad in [r#"{"overlap":"soon"}"#, r#"{"overlap":7}"#, r#"{"overlap":"-1d"}"#, r#"{"over":"1d"}"#] {
        let answer = face.root(&format!("POST {path}/secrets"), bad).await;
        assert_eq!(answer.outcome(), (400, "invalid_request".to_owned()), "{bad}");
    }
}

#[tokio::test]
async fn a_client_has_five_secrets_at_most_and_each_can_be_removed() {
    let face = Face::new().await;
    let path = face.client(&face.root).await;
    for _ in 0..4 {
        assert_eq!(face.root(&format!("POST {path}/secrets"), "").await.status, 201);
    }
    let sixth = face.root(&format!("POST {path}/secrets"), "").await;
    assert_eq!(sixth.outcome(), (409, "conflict".to_owned()));
    let listed = face.root(&format!("GET {path}/secrets"), "").await.result();
    assert_eq!(listed.as_array().unwrap().len(), 5);
    let one = format!("DELETE {path}/secrets/{}", listed[0]["id"].as_str().unwrap());
    let bad_query = face.root(&format!("{one}?force=maybe"), "").await;
    assert_eq!(bad_query.outcome(), (400, "invalid_request".to_owned()));
    assert_eq!(face.root(&one, "").await.status, 204);
    for gone in [one, format!("DELETE {path}/secrets/nonsense")] {
        assert_eq!(face.root(&gone, "").await.outcome(), (404, "not_found".to_owned()), "{gone}");
    }
    // With five again, a replacement still works: it ends the others.
    assert_eq!(face.root(&format!("POST {path}/secrets"), "").await.status, 201);
    assert_eq!(face.root(&format!("PUT {path}/secret"), "").await.status, 200);
}

#[tokio::test]
async fn a_secret_in_use_is_removed_with_force_only() {
    let face = Face::new().await;
    let path = face.client(&face.root).await;
    let id = face.root(&format!("GET {path}/secrets"), "").await.result()[0]["id"].as_str().unwrap().to_owned();
    let used = crate::store::Use::Secret(id.parse().unwrap(), face.world.registry.clock().now());
    face.world.registry.store().record_uses(vec![used]).await.unwrap();
    let line = format!("DELETE {path}/secrets/{id}");
    assert_eq!(face.root(&line, "").await.outcome(), (409, "conflict".to_owned()));
    assert_eq!(face.root(&format!("{line}?force=true"), "").await.status, 204);
}

#[tokio::test]
async fn tokens_are_listed_and_revoked_without_their_text() {
    let face = Face::new().await;
    let (path, other) = (face.client(&face.root).await, face.client(&face.root).await);
    let texts = [face.issue(&path).await, face.issue(&path).await, face.issue(&path).await];
    let listed = face.root(&format!("GET {path}/tokens?limit=2"), "").await;
    assert!(!texts.iter().any(|text| listed.text.contains(text)));
    assert_eq!(listed.json()["meta"]["cursor_pagination"]["total_count"], 3);
    let first = listed.result()[0].clone();
    let jti = first["jti"].as_str().unwrap();
    let expected = json!({"jti": jti, "scopes": ["a", "b"], "aud": "https://x",
        "iat": "2023-11-14T22:13:20Z", "exp": "2023-11-15T22:13:20Z"});
    assert_eq!(first, expected);

    let one = format!("DELETE {path}/tokens/{jti}");
    let foreign = face.root(&format!("DELETE {other}/tokens/{jti}"), "").await;
    assert_eq!(foreign.outcome(), (404, "not_found".to_owned()));
    assert!(face.world.tokens.resolve(&texts[0]).await.is_ok());
    assert_eq!(face.root(&one, "").await.status, 204);
    assert!(face.world.tokens.resolve(&texts[0]).await.is_err());
    for gone in [one, format!("DELETE {path}/tokens/nonsense")] {
        assert_eq!(face.root(&gone, "").await.outcome(), (404, "not_found".to_owned()), "{gone}");
    }
    assert_eq!(face.root(&format!("DELETE {path}/tokens"), "").await.status, 204);
    assert!(face.world.tokens.resolve(&texts[1]).await.is_err());
    assert_eq!(face.root(&format!("GET {path}/tokens"), "").await.result(), json!([]));
}

#[tokio::test]
async fn the_audit_trail_says_who_did_what_within_ones_own_tree() {
    let face = Face::new().await;
    let stranger = face.world.organization(None).await;
    let child = face.world.organization(Some(&face.root)).await;
    let created =
        send(&face.routes, by("POST /oauth2/clients", &child).header("x-request-id", "call-1"), draft(&json!({})))
            .await;
    let (client, secret) = (created.result()["client_id"].clone(), created.result()["client_secret"].clone());
    let seen = face.root("GET /audit", "").await;
    assert!(!seen.text.contains(secret.as_str().unwrap()));
    let rows = seen.result();
    let last = rows.as_array().unwrap().last().unwrap().clone();
    let expected = json!({"seq": last["seq"], "at": "2023-11-14T22:13:20Z", "actor": child.organization.id,
        "action": "client.created", "subject": client, "org_id": child.organization.id, "request_id": "call-1"});
    assert_eq!(last, expected);
    let after = face.root(&format!("GET /audit?after={}", last["seq"]), "").await;
    assert_eq!(after.result(), json!([]));
    let one = face.root("GET /audit?limit=1", "").await;
    assert_eq!(one.result().as_array().unwrap().len(), 1);
    let foreign = face.call("GET /audit", &stranger, "").await;
    assert!(!foreign.text.contains(client.as_str().unwrap()));
    for bad in ["limit=0", "limit=1001", "after=x"] {
        assert_eq!(face.root(&format!("GET /audit?{bad}"), "").await.outcome().0, 400, "{bad}");
    }
}

#[tokio::test]
async fn other_methods_are_refused_with_the_ones_there_are() {
    let face = Face::new().await;
    for (line, allow) in [
        ("PUT /oauth2/clients", "GET, HEAD, POST"),
        ("POST /oauth2/clients/x", "DELETE, GET, HEAD, PATCH"),
        ("GET /oauth2/clients/x/secret", "PUT"),
        ("GET /organizations", "DELETE"),
        ("POST /organizations/api-keys", "PUT"),
        ("DELETE /organizations/suborganizations", "GET, HEAD, POST"),
    ] {
        let answer = send(&face.routes, request(line), "").await;
        assert_eq!(answer.outcome(), (405, "method_not_allowed".to_owned()), "{line}");
        assert_eq!(answer.header("allow"), allow, "{line}");
    }
}
