//! Organisations, lists and the audit trail.

use serde_json::json;

use super::{Face, by, draft};
use crate::web::testing::{request, send};

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
async fn organisations_stand_so_deep_and_no_deeper() {
    let face = Face::new().await;
    let mut lowest = face.world.organization(Some(&face.root)).await;
    for _ in 0..29 {
        lowest = face.world.organization(Some(&lowest)).await;
    }
    let create = "POST /organizations/suborganizations";
    let last = face.call(create, &lowest, r#"{"sub_org_name":"32"}"#).await.result();
    let below = |line: &str| {
        let text = |name: &str| last[name].as_str().unwrap().to_owned();
        request(line).header("x-org-id", text("id")).header("x-api-key", text("api_key"))
    };
    let refused = send(&face.routes, below(create), r#"{"sub_org_name":"33"}"#).await;
    assert_eq!(refused.outcome(), (409, "conflict".to_owned()));
    assert!(refused.text.contains("at most 32 deep"), "{refused:?}");
    assert_eq!(send(&face.routes, below("GET /organizations/suborganizations"), "").await.result(), json!([]));
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
