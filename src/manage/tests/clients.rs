//! Clients, and what their bodies may say.

use serde_json::json;

use super::{Face, draft};

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

    let change = json!({"client_name": " d ", "scopes": ["c", "a"], "access_token_duration": 60, "enabled": false,
        "grant_types": ["client_credentials"], "audiences": ["https://x"], "default_scopes": ["a"],
        "refresh_token_duration": 9, "redirect_uris": ["https://a/cb"]});
    let patched = face.root(&format!("PATCH {path}"), change.to_string()).await;
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
    let change = format!("PATCH {path}");
    let create = "POST /oauth2/clients";
    let cases = [
        (create, String::new(), "client_name"),
        (create, "[]".to_owned(), "JSON object"),
        (create, r#"{"client_name":"c","scopes":[]}"#.to_owned(), "grant_types"),
        (create, draft(&json!({"client_nam": "x"})), "client_nam"),
        (create, draft(&json!({"enabled": "yes"})), "enabled"),
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
        (&change, r#"{"client_name":null}"#.to_owned(), "client_name"),
        (&change, r#"{"public":false}"#.to_owned(), "public"),
        (&change, r#"{"enabled":"yes"}"#.to_owned(), "enabled"),
        (&change, r#"{"grant_types":["password"]}"#.to_owned(), "grant_types"),
        (&change, r#"{"access_token_duration":2592001}"#.to_owned(), "access_token_duration"),
        (&change, r#"{"default_scopes":["z"]}"#.to_owned(), "default_scopes"),
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
async fn every_body_refuses_a_member_that_it_does_not_know_and_names_it() {
    let face = Face::new().await;
    let path = face.client(&face.root).await;
    let unknown = r#"{"no_such_member":1}"#;
    for (line, body) in [
        ("POST /oauth2/clients".to_owned(), draft(&json!({"no_such_member": 1}))),
        (format!("PATCH {path}"), unknown.to_owned()),
        (format!("PUT {path}/secret"), unknown.to_owned()),
        (format!("POST {path}/secrets"), unknown.to_owned()),
        ("POST /organizations/suborganizations".to_owned(), r#"{"sub_org_name":"x","no_such_member":1}"#.to_owned()),
        ("PUT /organizations/api-keys".to_owned(), unknown.to_owned()),
    ] {
        let answer = face.root(&line, body).await;
        assert_eq!(answer.outcome(), (400, "invalid_request".to_owned()), "{line}");
        let told = answer.json();
        assert!(told["error_description"].as_str().unwrap().contains("`no_such_member`"), "{line}: {told}");
    }
}

#[tokio::test]
async fn names_scopes_and_audiences_are_bounded() {
    let face = Face::new().await;
    let many = |length: usize, count: usize| (0..count).map(|n| format!("{n:0length$}")).collect::<Vec<_>>();
    for (what, fits, too_much) in [
        ("client_name", json!("x".repeat(200)), json!("x".repeat(201))),
        ("client_name", json!("x"), json!("a\nb")),
        ("scopes", json!(["x".repeat(128)]), json!(["x".repeat(129)])),
        ("scopes", json!(many(127, 32)), json!(many(127, 33))),
        ("scopes", json!(["!#[]~"]), json!(["a\"b"])),
        ("scopes", json!(["a", "a"]), json!(["ä"])),
        ("audiences", json!(["x".repeat(256)]), json!(["x".repeat(257)])),
        ("audiences", json!(many(2, 32)), json!(many(2, 33))),
        ("redirect_uris", json!([format!("a:{}", "x".repeat(2046))]), json!([format!("a:{}", "x".repeat(2047))])),
    ] {
        let created = face.root("POST /oauth2/clients", draft(&json!({what: fits}))).await;
        assert_eq!(created.status, 201, "{what}: {created:?}");
        let refused = face.root("POST /oauth2/clients", draft(&json!({what: too_much}))).await;
        assert_eq!(refused.outcome(), (400, "invalid_request".to_owned()), "{what} {too_much}");
        assert!(refused.json()["error_description"].as_str().unwrap().contains(what), "{what}: {refused:?}");
    }
}
