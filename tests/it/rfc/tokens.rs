//! RFC 7009 section 2 (revocation) and RFC 7662 section 2 (introspection).

use serde_json::json;

use super::{assert_refused, world};
use crate::support::Client;

#[test]
fn rfc7009_2_a_token_is_revoked_with_post() {
    let world = world();
    let path = format!("/oauth2/tokens/revoke?token={}", world.token());
    let refused = world.gateway.send(&format!("GET {path}\n{}", world.client.basic()));
    assert_eq!((refused.status, refused.header("allow")), (405, Some("POST")));
}

#[test]
fn rfc7009_2_1_the_client_authenticates_first() {
    let world = world();
    let token = world.token();
    let form = format!("token={token}");
    let wrong = Client { secret: world.stranger.secret.clone(), ..world.client.clone() };
    for headers in [String::new(), wrong.basic()] {
        assert_refused(&world.gateway.post_form("/oauth2/tokens/revoke", &headers, &form), 401, "invalid_client");
        assert_refused(&world.gateway.post_form("/oauth2/tokens/revoke", &headers, ""), 401, "invalid_client");
    }
    assert_eq!(world.gateway.call("GET /orders/1", &token).status, 200);
}

#[test]
fn rfc7009_2_1_a_token_of_another_client_is_not_revoked() {
    let world = world();
    let token = world.token();
    let form = format!("token={token}");
    let refused = world.gateway.post_form("/oauth2/tokens/revoke", &world.stranger.basic(), &form);
    assert_refused(&refused, 400, "unauthorized_client");
    assert_eq!(world.gateway.call("GET /orders/1", &token).status, 200);
}

#[test]
fn rfc7009_2_1_a_wrong_hint_does_not_narrow_the_search() {
    let world = world();
    for hint in ["access_token", "refresh_token", "unheard_of", ""] {
        let token = world.token();
        let revoked = world.post("/oauth2/tokens/revoke", &format!("token={token}&token_type_hint={hint}"));
        assert_eq!(revoked.status, 200, "{hint}");
        assert_eq!(world.gateway.call("GET /orders/1", &token).error(), "invalid_token", "{hint}");
    }
}

#[test]
fn rfc7009_2_1_a_revoked_token_cannot_be_used_again() {
    let world = world();
    let token = world.token();
    assert_eq!(world.gateway.call("GET /orders/1", &token).status, 200);
    assert_eq!(world.post("/oauth2/tokens/revoke", &format!("token={token}")).status, 200);
    assert_eq!(world.gateway.call("GET /orders/1", &token).status, 401);
    assert_eq!(world.introspect(&token).json(), json!({"active": false}));
}

#[test]
fn rfc7009_2_2_a_token_that_is_dead_or_unknown_is_answered_as_one_revoked() {
    let world = world();
    let token = world.token();
    for token in [token.as_str(), token.as_str(), "unknown", "%C3%A4"] {
        assert_eq!(world.post("/oauth2/tokens/revoke", &format!("token={token}")).status, 200, "{token}");
    }
}

#[test]
fn rfc7009_2_2_1_mistakes_are_told_as_rfc_6749_5_2_says() {
    let world = world();
    for form in ["", "token=", "token_type_hint=access_token", "token=a&token=b"] {
        assert_refused(&world.post("/oauth2/tokens/revoke", form), 400, "invalid_request");
    }
}

#[test]
fn rfc7662_2_1_a_token_is_asked_about_with_a_posted_form() {
    let world = world();
    let path = format!("/oauth2/tokens/introspect?token={}", world.token());
    let refused = world.gateway.send(&format!("GET {path}\n{}", world.client.basic()));
    assert_eq!((refused.status, refused.header("allow")), (405, Some("POST")));
    assert_refused(&world.post(&path, ""), 400, "invalid_request");
    assert_refused(&world.post("/oauth2/tokens/introspect", "token="), 400, "invalid_request");
}

#[test]
fn rfc7662_2_1_a_wrong_hint_does_not_narrow_the_search() {
    let world = world();
    let token = world.token();
    for hint in ["access_token", "refresh_token", "unheard_of", ""] {
        let told = world.post("/oauth2/tokens/introspect", &format!("token={token}&token_type_hint={hint}"));
        assert_eq!(told.json()["active"], true, "{hint}");
    }
}

#[test]
fn rfc7662_2_1_nobody_asks_without_authorization() {
    let world = world();
    let form = format!("token={}", world.token());
    let bearer = format!("Authorization: Bearer {}", world.token());
    for headers in ["", &bearer] {
        assert_refused(&world.gateway.post_form("/oauth2/tokens/introspect", headers, &form), 401, "invalid_client");
    }
}

#[test]
fn rfc7662_2_2_a_living_token_is_told_in_json_with_the_types_of_the_standard() {
    let world = world();
    let answer = world.introspect(&world.token());
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let told = answer.json();
    assert_eq!(told["active"], true);
    for name in ["scope", "client_id", "token_type", "sub", "iss", "jti"] {
        assert!(told[name].is_string(), "{name}: {told}");
    }
    assert!(told["iat"].is_u64() && told["exp"].as_u64() > told["iat"].as_u64(), "{told}");
    assert_eq!(told["aud"], json!(["https://a", "https://b"]));
}

#[test]
fn rfc7662_2_2_any_token_that_is_not_good_is_told_as_inactive_and_no_more() {
    let world = world();
    let (revoked, foreign) = (world.token(), world.gateway.token(&world.stranger, None));
    world.post("/oauth2/tokens/revoke", &format!("token={revoked}"));
    for token in [revoked.as_str(), foreign.as_str(), "unknown", "prt_at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "%C3%A4"] {
        let answer = world.introspect(token);
        assert_eq!((answer.status, answer.json()), (200, json!({"active": false})), "{token}");
    }
}

#[test]
fn rfc7662_2_3_wrong_credentials_are_told_as_rfc_6749_5_2_says() {
    let world = world();
    let wrong = Client { secret: world.stranger.secret.clone(), ..world.client.clone() };
    let form = format!("token={}", world.token());
    let refused = world.gateway.post_form("/oauth2/tokens/introspect", &wrong.basic(), &form);
    assert_refused(&refused, 401, "invalid_client");
}
