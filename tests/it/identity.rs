//! No client can tell an upstream who it is: whatever it sends under a reserved name never arrives.

use crate::support::{Gateway, Upstream};

fn configuration(upstream: &Upstream, more: &str) -> String {
    format!(
        r#"
        [upstreams.api]
        servers = ["{}"]
        {more}
        [[upstreams.api.rules]]
        path = "/public/**"
        access = "public"
        [[upstreams.api.rules]]
        path = "/**"
        access = "token"
        "#,
        upstream.address
    )
}

const SPOOFED: &str = "\
X-Portcullis-Owner: org_evil
x_portcullis_owner: org_evil
X-PORTCULLIS_Owner: org_evil
XPortcullisOwner: org_evil
X-Portcullis-Anything: org_evil
x-portcullis.owner: org_evil
X-Port-Cullis-Owner: org_evil
Proxy-Authorization: org_evil
some_name: org_evil
X-Original-URL: /org_evil
X-HTTP-Method-Override: org_evil
Forwarded: for=org_evil
X-Forwarded-For: org_evil
X-Forwarded-Host: org_evil
Connection: X-Portcullis-Owner, X-Portcullis-Client";

#[test]
fn spoofed_identity_never_arrives_on_any_route() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&configuration(&upstream, ""));
    let client = gateway.client(&["a"]);
    let token = gateway.token(&client, None);

    // `Connection` is sent by the caller here, so not by way of `request`, which sends its own.
    let send = |path: &str, more: &str| {
        let mut connection = crate::support::Connection::open(gateway.public);
        let headers = SPOOFED.replace('\n', "\r\n");
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{headers}\r\n{more}\r\n").as_bytes());
        connection.answer(false).unwrap().status
    };
    for path in ["/public/x", "/private"] {
        let status = send(path, &format!("Authorization: Bearer {token}\r\n"));
        assert_eq!(status, 200, "{path}");
        let seen = upstream.one();
        let text = format!("{seen:?}");
        assert!(!text.contains("org_evil"), "{text}");
        assert!(!text.contains(&token), "{text}");
        let owner = (path == "/private").then_some(client.organization.as_str());
        assert_eq!(seen.header("x-portcullis-owner"), owner, "{path}");
        assert_eq!(seen.header("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(seen.header("x-forwarded-proto"), Some("http"));
        assert_eq!(seen.header("x-forwarded-host"), Some("a"));
    }
}

#[test]
fn a_secret_in_any_header_is_not_passed_on() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&configuration(&upstream, ""));
    let token = gateway.token(&gateway.client(&["a"]), None);
    let head = format!("GET /public/x\nCookie: token={token}\nX-Token: {token}\nX-Request-Id: {token}\nX-Fine: 1");
    let response = gateway.send(&head);
    assert_eq!(response.status, 200);
    let seen = upstream.one();
    assert!(!format!("{seen:?}").contains("prt_at_"), "{seen:?}");
    assert_eq!(seen.header("x-fine"), Some("1"));
    assert_ne!(response.header("x-request-id"), Some(token.as_str()));
}

#[test]
fn authorization_goes_through_where_it_is_wanted() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&configuration(&upstream, "forward_authorization = true"));
    let token = gateway.token(&gateway.client(&["a"]), None);
    gateway.call("GET /x", &token);
    assert_eq!(upstream.one().header("authorization"), Some(format!("Bearer {token}").as_str()));
}

#[test]
fn presets_and_single_names_speak_the_upstreams_language() {
    let upstream = Upstream::start();
    let kong = "[upstreams.api.identity]\npreset = \"kong\"\nclient = \"X-Partner\"";
    let gateway = Gateway::start(&configuration(&upstream, kong));
    let client = gateway.client(&["b", "a"]);
    let token = gateway.token(&client, None);
    gateway.send(&format!("GET /x\nAuthorization: Bearer {token}\nX-Consumer-Groups: evil\nx-partner: evil"));
    let seen = upstream.one();
    for (name, value) in [
        ("x-consumer-id", Some(client.organization.as_str())),
        ("x-consumer-custom-id", Some(client.organization.as_str())),
        ("x-consumer-username", Some("K%C3%A4se AG")),
        ("x-authenticated-scope", Some("a,b")),
        ("x-partner", Some(client.id.as_str())),
        ("x-consumer-groups", None),
        ("x-portcullis-owner", None),
    ] {
        assert_eq!(seen.header(name), value, "{name}");
    }
}

#[test]
fn an_upstream_gets_the_headers_it_is_configured_to_get() {
    let upstream = Upstream::start();
    let more = r#"set_headers = { Authorization = { file = "basic.txt" }, X-Plain = "text" }
        remove_headers = ["X-Debug"]
        host_header = "legacy.internal""#;
    let mut gateway = Gateway::prepare("", &configuration(&upstream, more));
    std::fs::write(gateway.folder.path().join("basic.txt"), "Basic bGVnYWN5\n").unwrap();
    gateway.launch();
    let token = gateway.token(&gateway.client(&["a"]), None);
    gateway.send(&format!("GET /x\nAuthorization: Bearer {token}\nX-Debug: 1\nX-Plain: theirs"));
    let seen = upstream.one();
    assert_eq!(seen.header("authorization"), Some("Basic bGVnYWN5"));
    assert_eq!(seen.header("x-plain"), Some("text"));
    assert_eq!(seen.header("x-debug"), None);
    assert_eq!(seen.header("host"), Some("legacy.internal"));
}
