//! Who may call, and what about: credentials, the tree, methods.

use serde_json::json;

use super::Face;
use crate::web::testing::{request, send};

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
