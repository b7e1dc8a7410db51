//! RFC 6750 sections 2 (how a token is sent) and 3 (how its lack is answered).

use super::{FORM, ISSUER, keeps_to_characters, world};
use crate::support::{Response, request};

/// The parameters of the one Bearer challenge of an answer.
#[track_caller]
fn challenge(response: &Response) -> Vec<(String, String)> {
    let header = response.header("www-authenticate").unwrap_or_else(|| panic!("no challenge: {response:?}"));
    let parameters = header.strip_prefix("Bearer ").unwrap_or_else(|| panic!("{header}"));
    let mut found = Vec::new();
    let mut rest = parameters;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{header}"));
        let (value, after) = after.split_once('"').unwrap_or_else(|| panic!("{header}"));
        found.push((name.to_owned(), value.to_owned()));
        rest = after.strip_prefix(", ").unwrap_or(after);
    }
    found
}

fn parameter<'a>(challenge: &'a [(String, String)], name: &str) -> Option<&'a str> {
    challenge.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// Requests that a token does not open, with the status and the challenge's `error`.
fn closed() -> Vec<(Response, u16, Option<&'static str>)> {
    let world = world();
    let token = world.token();
    let send = |head: &str| world.gateway.send(head);
    vec![
        (send("GET /orders/1"), 401, None),
        (send("GET /orders/1\nAuthorization: Basic eDp5"), 401, None),
        (send("GET /orders/1\nAuthorization: Bearer unknown"), 401, Some("invalid_token")),
        (world.gateway.call("GET /elsewhere", &token), 401, Some("invalid_token")),
        (world.gateway.call("POST /orders", &token), 403, Some("insufficient_scope")),
        (world.gateway.call("GET /owned", &token), 403, None),
        (world.gateway.call("GET /orders/1?access_token=x", &token), 400, Some("invalid_request")),
    ]
}

#[test]
fn rfc6750_2_more_than_one_way_of_sending_a_token_is_refused() {
    let world = world();
    let token = world.token();
    for head in [format!("GET /orders/1?access_token={token}"), format!("GET /orders/1\nAuthorization: Bearer {token}")]
    {
        let refused = world.gateway.call(&head, &token);
        assert_eq!((refused.status, refused.error().as_str()), (400, "invalid_request"));
    }
}

#[test]
fn rfc6750_2_1_the_authorization_header_is_supported() {
    let world = world();
    let token = world.token();
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let answer = world.gateway.send(&format!("GET /orders/1\nAuthorization: {scheme} {token}"));
        assert_eq!(answer.status, 200, "{scheme}");
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    assert!(token.trim_end_matches('=').bytes().all(allowed), "b64token");
}

#[test]
fn rfc6750_2_2_a_token_in_the_body_is_no_credential() {
    let world = world();
    let form = format!("access_token={}", world.token());
    let refused = request(world.gateway.public, &format!("POST /orders\n{FORM}"), form.as_bytes());
    assert_eq!((refused.status, refused.error().as_str()), (401, "missing_token"));
}

#[test]
fn rfc6750_2_3_a_token_in_the_query_is_refused() {
    let world = world();
    let refused = world.gateway.send(&format!("GET /orders/1?access_token={}", world.token()));
    assert_eq!((refused.status, refused.error().as_str()), (400, "invalid_request"));
}

#[test]
fn rfc6750_3_every_refusal_for_want_of_a_token_has_a_bearer_challenge() {
    for (response, status, _) in closed() {
        assert_eq!(response.status, status);
        let challenge = challenge(&response);
        assert!(!challenge.is_empty() && parameter(&challenge, "realm").is_some(), "{response:?}");
    }
}

#[test]
fn rfc6750_3_no_parameter_of_a_challenge_stands_twice() {
    for (response, ..) in closed() {
        let mut names: Vec<String> = challenge(&response).into_iter().map(|(name, _)| name).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all, "{response:?}");
    }
}

#[test]
fn rfc6750_3_the_parameters_keep_to_their_characters() {
    for (response, ..) in closed() {
        for (name, value) in challenge(&response) {
            assert!(keeps_to_characters(&value), "{name}: {value}");
        }
    }
}

#[test]
fn rfc6750_3_the_scope_lists_what_is_needed() {
    let world = world();
    let refused = world.gateway.call("POST /orders", &world.token());
    assert_eq!(parameter(&challenge(&refused), "scope"), Some("orders:admin orders:write"));
}

#[test]
fn rfc6750_3_1_each_error_has_its_status_and_none_is_told_without_a_token() {
    for (response, status, error) in closed() {
        assert_eq!((response.status, parameter(&challenge(&response), "error")), (status, error));
    }
}

#[test]
fn rfc9728_5_1_a_challenge_names_the_metadata_of_the_resource() {
    let world = world();
    let origin = ISSUER.strip_suffix("/gate").unwrap();
    for (response, ..) in closed() {
        let challenge = challenge(&response);
        let url = parameter(&challenge, "resource_metadata").unwrap();
        let path = url.strip_prefix(origin).unwrap();
        assert_eq!(world.gateway.send(&format!("GET {path}")).json()["resource"], ISSUER);
    }
}
