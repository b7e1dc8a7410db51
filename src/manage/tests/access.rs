//! Who may call, and what about: credentials, the tree, methods.

use serde_json::json;

use std::net::IpAddr;

use super::{Face, by, draft};
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

#[tokio::test]
async fn wrong_keys_are_soon_refused_where_they_come_from() {
    let face = Face::new().await;
    let [here, elsewhere]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
    let id = face.root.organization.id.to_string();
    let guess = || request("GET /oauth2/clients").header("x-org-id", &id).header("x-api-key", "guess");
    for _ in 0..20 {
        let answer = send(&face.routes, guess().extension(here), "").await;
        assert_eq!(answer.outcome(), (401, "unauthorized".to_owned()));
    }
    let answer = send(&face.routes, guess().extension(here), "").await;
    assert_eq!(answer.outcome(), (429, "rate_limited".to_owned()));
    assert_eq!((answer.header("retry-after"), answer.header("www-authenticate")), ("6", ""));
    assert_eq!(answer.header("ratelimit-policy"), r#""wrong-credentials-by-caller";q=20;w=120"#);
    let right = by("GET /oauth2/clients", &face.root).extension(elsewhere);
    assert_eq!(send(&face.routes, right, "").await.status, 200);
    let without_credentials = request("GET /oauth2/clients").extension(here);
    assert_eq!(send(&face.routes, without_credentials, "").await.status, 401, "none are not wrong ones");
}

/// One node is consistent at once, whatever its clients are willing to wait for.
#[tokio::test]
async fn the_hosted_services_wishes_for_consistency_are_accepted() {
    let face = Face::new().await;
    for (consistency, timeout) in [("local_region", "30"), ("all_regions", "1"), ("", "soon")] {
        let call = by("POST /oauth2/clients", &face.root)
            .header("SlashID-Required-Consistency", consistency)
            .header("SlashID-Required-Consistency-Timeout", timeout);
        assert_eq!(send(&face.routes, call, draft(&json!({}))).await.status, 201, "{consistency}");
    }
}
