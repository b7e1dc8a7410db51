//! RFC 6749 sections 2.3 (client authentication), 3.2 (the token endpoint), 3.3 (scope) and 4.4 (client credentials).

use serde_json::json;

use super::{FORM, GRANT, assert_refused, outcome, world};
use crate::support::{Client, Gateway};

#[test]
fn rfc6749_2_3_more_than_one_way_of_authentication_is_refused() {
    let world = world();
    let client = &world.client;
    let form = format!("client_id={}&client_secret={}", client.id, client.secret);
    assert_refused(&world.ask(&form), 400, "invalid_request");
    let twice = format!("{}\n{}", client.basic(), client.basic());
    assert_refused(&world.gateway.post_form("/oauth2/tokens", &twice, GRANT), 400, "invalid_request");
}

#[test]
fn rfc6749_2_3_1_basic_is_supported() {
    assert_eq!(world().ask("").status, 200);
}

#[test]
fn rfc6749_2_3_1_basic_is_form_decoded() {
    let world = world();
    let encode = |text: &str| text.replace('_', "%5F").replace('e', "%65");
    let encoded = Client { id: encode(&world.client.id), secret: encode(&world.client.secret), ..world.client.clone() };
    assert_ne!(encoded.secret, world.client.secret);
    assert_eq!(world.gateway.post_form("/oauth2/tokens", &encoded.basic(), GRANT).status, 200);
}

#[test]
fn rfc6749_2_3_1_credentials_in_the_request_uri_are_not_taken() {
    let world = world();
    let path = format!("/oauth2/tokens?client_id={}&client_secret={}", world.client.id, world.client.secret);
    assert_refused(&world.gateway.post_form(&path, "", GRANT), 401, "invalid_client");
}

#[test]
fn rfc6749_2_3_1_a_secret_cannot_be_guessed() {
    let gateway = Gateway::start("");
    let client = gateway.client(&["a"]);
    let random = client.secret.strip_prefix("prt_cs_").unwrap();
    assert!(random.len() >= 27, "160 bits in base64url are 27 characters");
    // What this gateway never made is refused before anything is looked up or hashed, however often.
    let looked_up = || gateway.metric(r#"portcullis_store_operations_total{operation="client",result="ok"}"#);
    gateway.token(&client, None);
    assert!(looked_up() > 0.0, "the metric is another");
    // Changes of its own process are heard of by the feed as well, which makes it look the client up once more.
    std::thread::sleep(std::time::Duration::from_millis(500));
    gateway.token(&client, None);
    let before = looked_up();
    for guess in 0..200 {
        let guess = Client { secret: format!("prt_cs_{guess:0>32}"), ..client.clone() };
        let refused = gateway.post_form("/oauth2/tokens", &guess.basic(), GRANT);
        assert!(matches!(refused.status, 401 | 429), "{refused:?}");
    }
    assert!((looked_up() - before).abs() < f64::EPSILON);
    // And the right one goes on.
    gateway.token(&client, None);
}

#[test]
fn rfc6749_3_2_the_endpoints_uri_has_no_fragment() {
    let metadata = world().gateway.send("GET /.well-known/oauth-authorization-server").json();
    for name in ["token_endpoint", "introspection_endpoint", "revocation_endpoint"] {
        assert!(!metadata[name].as_str().unwrap().contains('#'), "{name}");
    }
}

#[test]
fn rfc6749_3_2_a_token_is_asked_for_with_post() {
    let world = world();
    for method in ["GET", "PUT", "DELETE"] {
        let refused = world.gateway.send(&format!("{method} /oauth2/tokens?{GRANT}\n{}", world.client.basic()));
        assert_eq!((refused.status, refused.header("allow")), (405, Some("POST")), "{method}");
    }
}

#[test]
fn rfc6749_3_2_a_parameter_without_a_value_counts_as_left_out() {
    let world = world();
    let all = world.ask("scope=&resource=&client_id=&client_secret=&unknown");
    assert_eq!((all.status, all.json()["scope"].as_str()), (200, Some("orders:read orders:write")));
    assert_refused(&world.post("/oauth2/tokens", "grant_type="), 400, "invalid_request");
}

#[test]
fn rfc6749_3_2_unknown_parameters_are_ignored() {
    assert_eq!(world().ask("unknown=1&redirect_uri=x&username=a&password=b").status, 200);
}

#[test]
fn rfc6749_3_2_no_parameter_stands_twice() {
    let world = world();
    for repeated in [GRANT, "scope=orders:read&scope=orders:write", "unknown=1&unknown=1", "%67rant_type=x"] {
        assert_refused(&world.ask(repeated), 400, "invalid_request");
    }
    let answer = String::from_utf8(world.ask("").body).unwrap();
    for name in ["access_token", "token_type", "expires_in", "scope"] {
        assert_eq!(answer.matches(&format!("\"{name}\":")).count(), 1, "{name}");
    }
}

#[test]
fn rfc6749_3_2_1_a_client_must_authenticate() {
    let world = world();
    let alone = format!("{GRANT}&client_id={}", world.client.id);
    for form in [GRANT, &alone, &format!("{alone}&client_secret=")] {
        assert_refused(&world.gateway.post_form("/oauth2/tokens", "", form), 401, "invalid_client");
    }
}

#[test]
fn rfc6749_3_3_the_scope_is_told_when_it_is_not_the_one_asked_for() {
    let world = world();
    assert_eq!(world.ask("").json()["scope"], "orders:read orders:write", "left out: the client's own");
    assert_eq!(world.ask("scope=orders:write+orders:read").json()["scope"], "orders:read orders:write");
    assert_refused(&world.ask("scope=orders:read+orders:admin"), 400, "invalid_scope");
}

#[test]
fn rfc6749_3_3_a_scope_keeps_to_the_grammar() {
    let world = world();
    for scope in ["%22", "%5C", "%C3%A4", "%00", "%20", "orders:read%20%20orders:write", "orders:read%20", "%09"] {
        assert_refused(&world.ask(&format!("scope={scope}")), 400, "invalid_scope");
    }
}

#[test]
fn rfc6749_4_4_only_confidential_clients_have_this_grant() {
    let world = world();
    let mut draft = json!({"client_name": "c", "scopes": ["a"], "grant_types": ["client_credentials"], "public": true});
    let create = |draft: &serde_json::Value| {
        outcome(&world.gateway.manage("POST /oauth2/clients", &world.client, &draft.to_string()))
    };
    assert_eq!(create(&draft), (400, "invalid_request".to_owned()));
    draft["public"] = false.into();
    assert_eq!(create(&draft).0, 201);
}

#[test]
fn rfc6749_4_4_2_the_grant_type_is_required_and_this_one() {
    let world = world();
    assert_refused(&world.post("/oauth2/tokens", "scope=orders:read"), 400, "invalid_request");
    for other in ["password", "authorization_code", "refresh_token", "CLIENT_CREDENTIALS", "client_credentials%20"] {
        let refused = world.post("/oauth2/tokens", &format!("grant_type={other}"));
        assert_refused(&refused, 400, "unsupported_grant_type");
    }
}

#[test]
fn rfc6749_4_4_2_the_client_is_authenticated() {
    let world = world();
    let wrong = |id: &str, secret: &str| {
        let client = Client { id: id.to_owned(), secret: secret.to_owned(), ..world.client.clone() };
        world.gateway.post_form("/oauth2/tokens", &client.basic(), GRANT)
    };
    let (client, stranger) = (&world.client, &world.stranger);
    for (id, secret) in [(&client.id, &stranger.secret), (&stranger.id, &client.secret), (&client.id, &client.key)] {
        assert_refused(&wrong(id, secret), 401, "invalid_client");
    }
}

#[test]
fn rfc6749_4_4_3_no_refresh_token_is_given() {
    assert_eq!(world().ask("").json().get("refresh_token"), None);
}

#[test]
fn rfc6749_appendix_b_parameters_are_a_form_in_utf_8() {
    let world = world();
    let basic = world.client.basic();
    let send = |kind: &str, body: &[u8]| {
        crate::support::request(world.gateway.public, &format!("POST /oauth2/tokens\n{basic}\n{kind}"), body)
    };
    assert_refused(&send(FORM, b"grant_type=client_credentials&x=\xff"), 400, "invalid_request");
    assert_refused(&send("Content-Type: application/json", GRANT.as_bytes()), 400, "invalid_request");
    assert_eq!(send(&format!("{FORM}; charset=UTF-8"), GRANT.as_bytes()).status, 200);
}
