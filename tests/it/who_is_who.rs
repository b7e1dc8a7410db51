//! Whoever is refused learns nothing of why: neither from the answer nor from the work that it took. How long it takes
//! is measured in `benches/auth_timing.rs`.

use crate::support::{Client, Gateway, Response, request};

/// What an answer tells, without what differs between any two.
fn told(response: &Response) -> (u16, String, serde_json::Value) {
    let mut body = response.json();
    body.as_object_mut().unwrap().remove("request_id");
    (response.status, response.header("www-authenticate").unwrap().to_owned(), body)
}

#[test]
fn unknown_wrong_and_disabled_clients_are_refused_alike_after_the_same_look_ups() {
    let gateway = Gateway::start("");
    let (known, other, disabled) = (gateway.client(&["a"]), gateway.client(&["a"]), gateway.client(&["a"]));
    for client in [&known, &other, &disabled] {
        gateway.token(client, None);
    }
    let path = format!("PATCH /oauth2/clients/{}", disabled.id);
    assert_eq!(gateway.manage(&path, &disabled, r#"{"enabled":false}"#).status, 200);
    let look_ups = || gateway.metric(r#"portcullis_store_operations_total{operation="client",result="ok"}"#);
    let refuse = |client: &Client| {
        let form = "grant_type=client_credentials";
        let before = look_ups();
        let answer = gateway.post_form("/oauth2/tokens", &client.basic(), form);
        (told(&answer), look_ups() - before)
    };
    let wrong = Client { secret: other.secret.clone(), ..known };
    let unknown = Client { id: "cl_aaaaaaaaaaaaa".to_owned(), ..wrong.clone() };
    // What is known is in memory from the second time on.
    let _ = [refuse(&wrong), refuse(&disabled)];
    let refused = [refuse(&wrong), refuse(&unknown), refuse(&disabled)];
    assert_eq!(refused[0].0.0, 401);
    assert!((refused[0].1 - 1.0).abs() < f64::EPSILON, "{refused:?}");
    assert_eq!((&refused[1], &refused[2]), (&refused[0], &refused[0]));
}

#[test]
fn unknown_organisations_and_wrong_keys_are_refused_alike_after_the_same_look_ups() {
    let gateway = Gateway::start("");
    let (known, other) = (gateway.client(&["a"]), gateway.client(&["a"]));
    assert_eq!(gateway.manage("GET /oauth2/clients", &known, "").status, 200);
    let look_ups = || gateway.metric(r#"portcullis_store_operations_total{operation="organization",result="ok"}"#);
    let refuse = |id: &str| {
        let before = look_ups();
        let head = format!("GET /oauth2/clients\nX-Org-Id: {id}\nX-API-Key: {}", other.key);
        (told(&request(gateway.admin, &head, b"")), look_ups() - before)
    };
    let refused = [refuse(&known.organization), refuse("org_aaaaaaaaaaaaa")];
    assert!((refused[0].1 - 1.0).abs() < f64::EPSILON, "{refused:?}");
    assert_eq!(refused[0], refused[1]);
}
