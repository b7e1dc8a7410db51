//! Secrets and tokens of a client.

use std::time::Duration;

use serde_json::json;

use super::Face;
use crate::{
    model::SecretText,
    registry::{AuthenticationError, ClientCredentials},
    store::Use,
};

#[tokio::test]
async fn secrets_rotate_at_once_or_with_an_overlap() {
    let face = Face::new().await;
    let client = face.world.client(face.root.organization.id, "a", "").await;
    let path = format!("/oauth2/clients/{}", client.client.id);
    let works = async |secret: &str| {
        let secret = SecretText::new(secret.to_owned());
        let credentials = ClientCredentials { id: client.client.id.to_string(), secret };
        match face.world.registry.authenticate_client(&[credentials], None).await {
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
    let used = Use::Secret(id.parse().unwrap(), face.world.registry.clock().now());
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
