//! RFC 6749 section 5: what a token request is answered.

use super::{assert_refused, keeps_to_characters, world};
use crate::support::Client;

#[test]
fn rfc6749_5_1_a_token_is_told_in_json_with_the_types_of_the_standard() {
    let answer = world().ask("scope=orders:read");
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    let body = answer.json();
    assert!(body["access_token"].is_string() && body["expires_in"].is_u64() && body["scope"].is_string(), "{body}");
    assert!(body["token_type"].as_str().unwrap().eq_ignore_ascii_case("bearer"));
    let token = body["access_token"].as_str().unwrap();
    assert!(token.bytes().all(|byte| (0x20..=0x7E).contains(&byte)), "appendix A.12");
}

#[test]
fn rfc6749_5_1_nobody_may_keep_a_token() {
    let answer = world().ask("");
    assert_eq!((answer.header("cache-control"), answer.header("pragma")), (Some("no-store"), Some("no-cache")));
}

#[test]
fn rfc6749_5_2_each_mistake_has_its_code_and_is_a_400() {
    let world = world();
    for (more, error) in [
        ("scope=orders:read&scope=orders:read", "invalid_request"),
        ("client_id=another", "invalid_request"),
        ("x=%zz", "invalid_request"),
        ("scope=orders:admin", "invalid_scope"),
        ("resource=https://c", "invalid_target"),
    ] {
        assert_refused(&world.ask(more), 400, error);
    }
    assert_refused(&world.post("/oauth2/tokens", "grant_type=password"), 400, "unsupported_grant_type");
}

#[test]
fn rfc6749_5_2_wrong_basic_credentials_are_a_401_with_a_basic_challenge() {
    let world = world();
    let wrong = Client { secret: "wrong".to_owned(), ..world.client.clone() };
    for authorization in [wrong.basic(), "Authorization: Basic !".to_owned(), "Authorization: Bearer x".to_owned()] {
        let refused = world.gateway.post_form("/oauth2/tokens", &authorization, super::GRANT);
        assert_refused(&refused, 401, "invalid_client");
    }
}

#[test]
fn rfc6749_5_2_error_and_description_keep_to_their_characters() {
    let world = world();
    let odd = "%22%5C%C3%A4%0A%7F%00";
    for more in [
        format!("scope={odd}"),
        format!("resource=https://{odd}"),
        format!("audience={odd}"),
        format!("{odd}=1&{odd}=2"),
        format!("client_id={odd}"),
    ] {
        let body = world.ask(&more).json();
        for name in ["error", "error_description"] {
            assert!(keeps_to_characters(body[name].as_str().unwrap()), "{more}: {body}");
        }
        assert_eq!(body.get("error_uri"), None);
    }
}
