//! A path cannot be spelt so that another rule, or none, decides over it.

use crate::support::{Connection, Gateway, Upstream};

fn gateway(upstream: &Upstream) -> Gateway {
    Gateway::start(&format!(
        r#"
        [upstreams.orders]
        servers = ["{0}"]
        path = "/orders"
        [[upstreams.orders.rules]]
        scopes = ["orders:read"]
        [upstreams.admin]
        servers = ["{0}"]
        path = "/admin"
        [[upstreams.admin.rules]]
        scopes = ["admin"]
        [upstreams.files]
        servers = ["{0}"]
        path = "/files"
        strip_prefix = true
        [[upstreams.files.rules]]
        access = "public"
        "#,
        upstream.address
    ))
}

#[test]
fn no_spelling_gets_around_a_rule() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let token = gateway.token(&gateway.client(&["orders:read"]), None);
    for target in [
        "/orders/../admin",
        "/orders/%2e%2e/admin",
        "/orders/%2E./admin",
        "/orders/.%2e/admin",
        "//admin",
        "/orders//../admin",
        "/orders/..;/admin",
        "/orders/..%2fadmin",
        "/orders/%252e%252e/admin",
        "/orders/..\\admin",
        "/orders/%5c..%5cadmin",
        "/orders/x%00",
        "/orders/%zz",
        "/orders/x#/admin",
        "/orders/\u{e9}",
        "admin",
        "*",
        "http://other/admin",
    ] {
        let response = gateway.call(&format!("GET {target}"), &token);
        assert!([400, 404].contains(&response.status), "{target}: {}", response.status);
        assert!(upstream.take().is_empty(), "{target} reached the upstream");
    }
    for target in ["/admin", "/%61dmin", "/admin/", "/admin/x", "/%61%64min/?a=b"] {
        assert_eq!(gateway.call(&format!("GET {target}"), &token).error(), "insufficient_scope", "{target}");
        assert!(upstream.take().is_empty(), "{target} reached the upstream");
    }
}

#[test]
fn the_form_that_matched_is_the_form_that_is_forwarded() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let token = gateway.token(&gateway.client(&["orders:read"]), None);
    for (sent, forwarded) in [
        ("/orders/%61%7e?q=%61&x", "/orders/a~?q=%61&x"),
        ("/orders/a%c3%a9b", "/orders/a%C3%A9b"),
        ("/orders/", "/orders/"),
        ("/orders?", "/orders?"),
        ("/files/a/b?c", "/a/b?c"),
        ("/files", "/"),
    ] {
        assert_eq!(gateway.call(&format!("GET {sent}"), &token).status, 200, "{sent}");
        assert_eq!(upstream.one().target(), forwarded, "{sent}");
    }
}

#[test]
fn ambiguous_framing_and_hosts_are_refused_and_the_connection_closed() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    for head in [
        "GET /files/x HTTP/1.1\r\n\r\n",
        "GET /files/x HTTP/1.1\r\nHost:\r\n\r\n",
        "GET /files/x HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET /files/x HTTP/1.1\r\nHost: u@a\r\n\r\n",
        "GET /files/x HTTP/1.0\r\n\r\n",
        "GET /files/x HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "POST /files/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /files/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok",
        "POST /files/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\nok",
        "POST /files/x HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\nok",
        "POST /files/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n",
        "POST /files/x HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /files/x HTTP/1.1\r\nHost: a\r\nName : v\r\n\r\n",
        "GET /files/x HTTP/1.1\r\nHost: a\r\nA: b\r\n folded\r\n\r\n",
        "GET http://b/files/x HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let mut connection = Connection::open(gateway.public);
        connection.send(head.as_bytes());
        let response = connection.answer(false).unwrap_or_else(|| panic!("no answer to {head:?}"));
        assert_eq!(response.status, 400, "{head:?}");
        assert!(connection.is_closed(), "{head:?} left the connection open");
        assert!(upstream.take().is_empty(), "{head:?} reached the upstream");
    }
}

#[test]
fn sizes_methods_and_expectations_have_their_limits() {
    let upstream = Upstream::start();
    let rest =
        format!("[upstreams.api]\nservers = [\"{}\"]\n[[upstreams.api.rules]]\naccess = \"public\"", upstream.address);
    let limits = "max_target_bytes = \"1KiB\"\nmax_header_bytes = \"2KiB\"\nmax_headers = 20\nmax_body = \"1KiB\"";
    let gateway = Gateway::with(limits, &rest);
    let many = (0..30).map(|n| format!("\nX-{n}: 1")).collect::<Vec<_>>().concat();
    for (head, status, error) in [
        (format!("GET /{}", "a".repeat(1100)), 414, "uri_too_long"),
        (format!("GET /\nX-Long: {}", "a".repeat(2100)), 431, "request_header_fields_too_large"),
        (format!("GET /{many}"), 431, "request_header_fields_too_large"),
        ("POST /\nContent-Length: 2000".to_owned(), 413, "content_too_large"),
        ("GET /\nExpect: the-unexpected".to_owned(), 417, "expectation_failed"),
        ("TRACE /".to_owned(), 405, "method_not_allowed"),
        ("BREW /".to_owned(), 405, "method_not_allowed"),
    ] {
        let response = gateway.send(&head);
        assert_eq!((response.status, response.error().as_str()), (status, error), "{head}");
    }
    assert!(upstream.take().is_empty());

    let mut connection = Connection::open(gateway.public);
    let chunk = "a".repeat(600);
    let chunked = format!("258\r\n{chunk}\r\n").repeat(2);
    let head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    connection.send(format!("{head}{chunked}0\r\n\r\n").as_bytes());
    assert_eq!(connection.answer(false).unwrap().status, 413);
}

#[test]
fn a_refusal_keeps_the_connection_for_the_next_request() {
    let upstream = Upstream::start();
    let gateway = gateway(&upstream);
    let mut connection = Connection::open(gateway.public);
    for (head, body, status) in [
        ("POST /orders/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n", "body", 401),
        ("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n", "", 404),
        ("GET /files/x HTTP/1.1\r\nHost: a\r\n\r\n", "", 200),
    ] {
        connection.send(format!("{head}{body}").as_bytes());
        assert_eq!(connection.answer(false).unwrap_or_else(|| panic!("{head}: closed")).status, status, "{head}");
    }
}
