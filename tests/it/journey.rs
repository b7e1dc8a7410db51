//! What a newcomer sees: a token is issued, narrowed, used, refused, revoked; a client is deleted.

use crate::support::{Gateway, Upstream, request};

/// Rules of an API of orders.
fn orders(upstream: &Upstream) -> String {
    let server = upstream.address;
    format!(
        r#"
        [upstreams.orders]
        servers = ["{server}"]
        [[upstreams.orders.rules]]
        path = "/orders/**"
        methods = ["GET"]
        scopes = ["orders:read"]
        [[upstreams.orders.rules]]
        path = "/orders/{{id}}"
        methods = ["GET", "PUT", "DELETE"]
        any_scope = ["orders:write", "orders:read"]
        [[upstreams.orders.rules]]
        path = "/orders"
        methods = ["POST"]
        scopes = ["orders:write"]
        [[upstreams.orders.rules]]
        path = "/orders/ping"
        access = "public"
        [[upstreams.orders.rules]]
        path = "/orders/any"
        access = "token"
        [[upstreams.orders.rules]]
        path = "/orders/maybe"
        access = "optional"
        "#
    )
}

#[test]
fn a_narrowed_token_reads_and_does_not_write() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&orders(&upstream));
    let client = gateway.client(&["orders:read", "orders:write"]);
    let token = gateway.token(&client, Some("orders:read"));

    let response = gateway.call("GET /orders/7/lines?page=2", &token);
    assert_eq!((response.status, response.body.as_slice()), (200, b"ok".as_slice()));
    let seen = upstream.one();
    assert_eq!(seen.line, "GET /orders/7/lines?page=2 HTTP/1.1");
    assert_eq!(seen.header("x-portcullis-owner"), Some(client.organization.as_str()));
    assert_eq!(seen.header("x-portcullis-owner-name"), Some("K%C3%A4se AG"));
    assert_eq!(seen.header("x-portcullis-client"), Some(client.id.as_str()));
    assert_eq!(seen.header("x-portcullis-client-name"), Some("Partner"));
    assert_eq!(seen.header("x-portcullis-scopes"), Some("orders:read"));
    assert_eq!(seen.header("authorization"), None);
    assert_eq!(seen.header("x-request-id"), response.header("x-request-id"));

    let response = gateway.call("POST /orders", &token);
    assert_eq!((response.status, response.error().as_str()), (403, "insufficient_scope"));
    let challenge = response.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer ") && challenge.contains(r#"scope="orders:write""#), "{challenge}");
    assert!(upstream.take().is_empty());
}

#[test]
fn a_token_without_a_scope_asked_for_has_the_default_ones() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&orders(&upstream));
    let organization = gateway.cli_json(&["org", "create", "Acme"], "");
    let client = gateway.client_of(&organization, &["orders:read", "orders:write"]);
    gateway.call("POST /orders", &gateway.token(&client, None));
    assert_eq!(upstream.one().header("x-portcullis-scopes"), Some("orders:read orders:write"));

    gateway.cli_json(&["client", "update", &client.id, "--default-scope", "orders:read"], "");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(1);
    while gateway.call("POST /orders", &gateway.token(&client, None)).status != 403 {
        assert!(std::time::Instant::now() < deadline, "the command line's change is not seen");
    }
}

#[test]
fn refusals_say_why_in_the_terms_of_rfc_6750() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&orders(&upstream));
    let client = gateway.client(&["orders:read"]);
    let token = gateway.token(&client, None);

    let response = gateway.send("GET /orders/1");
    assert_eq!((response.status, response.error().as_str()), (401, "missing_token"));
    let challenge = response.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer realm=") && !challenge.contains("error="), "{challenge}");
    assert!(challenge.contains("resource_metadata="), "{challenge}");

    for (head, status, error) in [
        ("GET /orders/1\nAuthorization: Basic eDp5".to_owned(), 401, "missing_token"),
        ("GET /orders/1\nAuthorization: Bearer nonsense".to_owned(), 401, "invalid_token"),
        (
            "GET /orders/1\nAuthorization: Bearer prt_at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".to_owned(),
            401,
            "invalid_token",
        ),
        (
            format!("GET /orders/1\nAuthorization: Bearer {token}\nAuthorization: Bearer {token}"),
            400,
            "invalid_request",
        ),
        (format!("GET /orders/1?access_token={token}"), 400, "invalid_request"),
        (format!("GET /orders/1?%61ccess_token\nAuthorization: Bearer {token}"), 400, "invalid_request"),
        (format!("DELETE /orders\nAuthorization: Bearer {token}"), 405, "method_not_allowed"),
        (format!("GET /elsewhere\nAuthorization: Bearer {token}"), 404, "not_found"),
        ("GET /orders/any".to_owned(), 401, "missing_token"),
        ("GET /orders/maybe\nAuthorization: Bearer nonsense".to_owned(), 401, "invalid_token"),
    ] {
        let response = gateway.send(&head);
        assert_eq!((response.status, response.error().as_str()), (status, error), "{head}");
        if status == 405 {
            assert_eq!(response.header("allow"), Some("POST"), "{head}");
        }
    }
    assert!(upstream.take().is_empty(), "a refused request reached the upstream");
    for (head, owner) in [
        ("GET /orders/ping".to_owned(), None),
        (format!("GET /orders/ping\nAuthorization: Bearer {token}"), None),
        ("GET /orders/maybe".to_owned(), None),
        (format!("GET /orders/maybe\nAuthorization: bearer {token}"), Some(client.organization.as_str())),
        (format!("HEAD /orders/any\nAuthorization: Bearer {token}"), Some(client.organization.as_str())),
    ] {
        assert_eq!(gateway.send(&head).status, 200, "{head}");
        let seen = upstream.one();
        assert_eq!(seen.header("x-portcullis-owner"), owner, "{head}");
        assert_eq!(seen.header("authorization"), None, "{head}");
    }
}

#[test]
fn a_revoked_token_is_refused_at_the_very_next_request() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&orders(&upstream));
    let client = gateway.client(&["orders:read"]);
    let (token, other) = (gateway.token(&client, None), gateway.token(&client, None));
    assert_eq!(gateway.call("GET /orders/1", &token).status, 200);

    let response = gateway.post_form("/oauth2/tokens/revoke", &client.basic(), &format!("token={token}"));
    assert_eq!((response.status, response.body.as_slice()), (200, b"{}".as_slice()));
    assert_eq!(gateway.call("GET /orders/1", &token).error(), "invalid_token");
    assert_eq!(gateway.call("GET /orders/1", &other).status, 200);
    let introspected = gateway.post_form("/oauth2/introspect", &client.basic(), &format!("token={token}"));
    assert_eq!(introspected.body, br#"{"active":false}"#);
}

#[test]
fn with_a_client_its_tokens_die_at_once() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&orders(&upstream));
    let client = gateway.client(&["orders:read"]);
    let token = gateway.token(&client, None);
    assert_eq!(gateway.call("GET /orders/1", &token).status, 200);
    assert_eq!(gateway.manage(&format!("DELETE /oauth2/clients/{}", client.id), &client, "").status, 204);
    assert_eq!(gateway.call("GET /orders/1", &token).error(), "invalid_token");
    let response = gateway.post_form("/oauth2/token", &client.basic(), "grant_type=client_credentials");
    assert_eq!((response.status, response.error().as_str()), (401, "invalid_client"));
}

#[test]
fn a_scope_taken_from_a_client_is_taken_from_its_tokens() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&orders(&upstream));
    let client = gateway.client(&["orders:read", "orders:write"]);
    let token = gateway.token(&client, None);
    assert_eq!(gateway.call("POST /orders", &token).status, 200);
    let path = format!("PATCH /oauth2/clients/{}", client.id);
    assert_eq!(gateway.manage(&path, &client, r#"{"scopes":["orders:read"]}"#).status, 200);
    assert_eq!(gateway.call("POST /orders", &token).error(), "insufficient_scope");
    assert_eq!(gateway.call("GET /orders/1", &token).status, 200);
    let asked = format!("token={token}&scope=orders%3Awrite");
    assert_eq!(gateway.post_form("/oauth2/introspect", &client.basic(), &asked).body, br#"{"active":false}"#);
}

#[test]
fn an_audience_and_owners_are_asked_for_where_configured() {
    let upstream = Upstream::start();
    let gateway = Gateway::prepare("", "");
    let owner = gateway.cli_json(&["org", "create", "Owner"], "");
    let id = owner["id"].as_str().unwrap();
    let child = gateway.cli_json(&["org", "create", "Child", "--parent", id], "");
    let rest = format!(
        r#"
        [upstreams.api]
        servers = ["{}"]
        audience = "https://orders"
        owners = ["{id}"]
        [[upstreams.api.rules]]
        access = "token"
        "#,
        upstream.address
    );
    gateway.configure("", &rest);
    let mut gateway = gateway;
    gateway.launch();
    let stranger = gateway.client(&["a"]);
    let create = |organization: &serde_json::Value, audience: &str| {
        let id = organization["id"].as_str().unwrap();
        gateway.cli_json(&["client", "create", "--org", id, "--name", "c", "--scope", "a", "--audience", audience], "")
    };
    let issue = |client: &serde_json::Value| {
        let issued = gateway.cli_json(&["token", "issue", "--client", client["client_id"].as_str().unwrap()], "");
        issued["access_token"].as_str().unwrap().to_owned()
    };
    assert_eq!(gateway.call("GET /", &gateway.token(&stranger, None)).error(), "invalid_token");
    let stranger = gateway.cli_json(&["org", "create", "Stranger"], "");
    assert_eq!(gateway.call("GET /", &issue(&create(&stranger, "https://orders"))).error(), "access_denied");
    assert_eq!(gateway.call("GET /", &issue(&create(&owner, "https://other"))).error(), "invalid_token");
    assert_eq!(gateway.call("GET /", &issue(&create(&owner, "https://orders"))).status, 200);
    assert_eq!(gateway.call("GET /", &issue(&create(&child, "https://orders"))).status, 200);
    assert_eq!(upstream.take()[0].header("x-portcullis-audience"), Some("https://orders"));
}

#[test]
fn a_client_of_the_hosted_service_works_with_its_own_header_names() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&orders(&upstream));
    let owner = gateway.client(&["x"]);
    let head = format!(
        "POST /oauth2/clients\nSlashID-OrgID: {}\nSlashID-API-Key: {}\nContent-Type: application/json",
        owner.organization, owner.key
    );
    let body = br#"{"client_name":"theirs","scopes":["orders:read"],"grant_types":["client_credentials"]}"#;
    let created = request(gateway.admin, &head, body);
    assert_eq!(created.status, 201, "{}", created.json());
    let result = &created.json()["result"];
    assert_eq!(result["access_token_duration"], 86400);
    let text = |key: &str| result[key].as_str().unwrap().to_owned();
    let client = crate::support::Client { id: text("client_id"), secret: text("client_secret"), ..owner };
    assert_eq!(gateway.call("GET /orders/1", &gateway.token(&client, None)).status, 200);
}

#[test]
fn what_happened_is_counted_and_logged_without_paths_and_tokens() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&orders(&upstream));
    let client = gateway.client(&["orders:read"]);
    let token = gateway.token(&client, None);
    let id =
        gateway.call("GET /orders/secret-path/x?q=secret-query", &token).header("x-request-id").unwrap().to_owned();
    gateway.send("POST /orders");
    gateway.send("BREW /orders");

    let line = gateway.wait_for_log(&id);
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    for (key, value) in [
        ("upstream", "orders"),
        ("rule", "/orders/**"),
        ("decision", "allow"),
        ("reason", "token"),
        ("client", client.id.as_str()),
        ("owner", client.organization.as_str()),
        ("method", "GET"),
    ] {
        assert_eq!(line[key], value, "{key} in {line}");
    }
    assert_eq!(line["status"], 200);
    for line in gateway.log() {
        assert!(serde_json::from_str::<serde_json::Value>(&line).is_ok(), "not JSON: {line}");
        assert!(!line.contains("secret-path") && !line.contains("secret-query"), "{line}");
    }
    for (metric, value) in [
        (r#"portcullis_requests_total{method="GET",status="200",upstream="orders"}"#, 1.0),
        (r#"portcullis_decisions_total{decision="allow",reason="token",upstream="orders"}"#, 1.0),
        (r#"portcullis_decisions_total{decision="deny",reason="missing_token",upstream="orders"}"#, 1.0),
        (r#"portcullis_requests_total{method="POST",status="200",upstream="portcullis"}"#, 1.0),
        (r#"portcullis_token_requests_total{result="ok"}"#, 1.0),
        ("portcullis_tokens_issued_total", 1.0),
    ] {
        assert!((gateway.metric(metric) - value).abs() < f64::EPSILON, "{metric}: {}", gateway.metric(metric));
    }
    assert!(crate::support::text(&gateway.get_admin("/metrics").body).contains(r#"method="other""#));
}
