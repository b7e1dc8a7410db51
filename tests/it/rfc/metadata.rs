//! RFC 8414 sections 2 and 3 (authorization server) and RFC 9728 sections 2 and 3 (protected resource).

use serde_json::Value;

use super::{ISSUER, World, world};
use crate::support::Response;

/// The well-known part between the issuer's host and its path.
const SERVER: &str = "/.well-known/oauth-authorization-server/gate";
const RESOURCE: &str = "/.well-known/oauth-protected-resource/gate";

#[track_caller]
fn get(world: &World, path: &str) -> Response {
    world.gateway.send(&format!("GET {path}"))
}

/// Whether a text is a URL that a client may take for an identifier: https, without query and fragment.
fn is_identifier(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.starts_with("https://") && !text.contains(['?', '#']))
}

/// Checks that a document is answered as both standards want it.
#[track_caller]
fn assert_document(answer: &Response) {
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    for (name, value) in answer.json().as_object().unwrap() {
        let many = name.ends_with("_supported") || name == "authorization_servers";
        assert_eq!(value.is_array(), many, "{name}");
        assert!(value.as_array().is_none_or(|values| !values.is_empty()), "{name} has no element");
        assert!(!value.is_null(), "{name}");
    }
}

#[test]
fn rfc8414_2_the_issuer_is_https_without_query_and_fragment() {
    assert!(is_identifier(&get(&world(), SERVER).json()["issuer"]));
}

#[test]
fn rfc8414_2_what_is_required_is_there() {
    let told = get(&world(), SERVER).json();
    assert!(told["response_types_supported"].is_array());
    // The authorization endpoint may be left out, for no grant here uses it.
    assert_eq!(told["grant_types_supported"], serde_json::json!(["client_credentials"]));
    assert_eq!(told.get("authorization_endpoint"), None);
    for name in ["token_endpoint", "introspection_endpoint", "revocation_endpoint"] {
        let path = told[name].as_str().unwrap().strip_prefix(ISSUER).unwrap().to_owned();
        assert_eq!(get(&world(), &path).status, 405, "{name} is there, for POST");
        assert!(told[format!("{name}_auth_methods_supported")].is_array(), "{name}");
    }
}

#[test]
fn rfc8414_3_the_document_stands_between_host_and_path() {
    let world = world();
    assert_eq!(get(&world, SERVER).status, 200);
    assert_eq!(get(&world, "/.well-known/oauth-authorization-server/other").status, 404);
}

#[test]
fn rfc8414_3_1_the_document_is_got() {
    let world = world();
    assert_eq!(world.gateway.send(&format!("HEAD {SERVER}")).status, 200);
    assert_eq!(world.gateway.send(&format!("POST {SERVER}")).header("allow"), Some("GET, HEAD"));
}

#[test]
fn rfc8414_3_1_a_slash_at_the_issuers_end_is_left_out() {
    assert!(super::PUBLIC_URL.ends_with('/'));
    assert_eq!(get(&world(), SERVER).json()["issuer"], ISSUER);
}

#[test]
fn rfc8414_3_2_the_answer_is_json_without_empty_lists() {
    assert_document(&get(&world(), SERVER));
}

#[test]
fn rfc8414_3_3_the_issuer_is_the_one_that_was_asked_for() {
    let world = world();
    assert_eq!(get(&world, SERVER).json()["issuer"], ISSUER);
    let told = world.introspect(&world.token()).json();
    assert_eq!(told["iss"], ISSUER);
}

#[test]
fn rfc9728_2_the_resource_is_https_without_fragment() {
    let told = get(&world(), RESOURCE).json();
    assert!(is_identifier(&told["resource"]), "{told}");
}

#[test]
fn rfc9728_2_the_servers_are_issuers() {
    let world = world();
    let told = get(&world, RESOURCE).json();
    assert_eq!(told["authorization_servers"], serde_json::json!([get(&world, SERVER).json()["issuer"]]));
    assert_eq!(told["bearer_methods_supported"], serde_json::json!(["header"]));
}

#[test]
fn rfc9728_3_the_document_stands_between_host_and_path() {
    let world = world();
    assert_eq!(get(&world, RESOURCE).status, 200);
    assert_eq!(get(&world, "/.well-known/oauth-protected-resource/other").status, 404);
}

#[test]
fn rfc9728_3_1_the_document_is_got() {
    let world = world();
    assert_eq!(world.gateway.send(&format!("HEAD {RESOURCE}")).status, 200);
    assert_eq!(world.gateway.send(&format!("POST {RESOURCE}")).header("allow"), Some("GET, HEAD"));
}

#[test]
fn rfc9728_3_2_the_answer_is_json_without_empty_lists() {
    assert_document(&get(&world(), RESOURCE));
}

#[test]
fn rfc9728_3_3_the_resource_is_the_one_that_was_asked_for() {
    assert_eq!(get(&world(), RESOURCE).json()["resource"], ISSUER);
}
