//! Limits per caller: who is counted, by which of them, what a caller is told, and what a reload keeps.

use std::{
    net::{IpAddr, Ipv4Addr},
    thread,
    time::{Duration, Instant},
};

use crate::support::{Gateway, Response, Upstream, request_from};

/// Another address of this machine for each number.
fn caller(number: u8) -> IpAddr {
    Ipv4Addr::new(127, 1, 2, number).into()
}

/// An upstream `api` at `/` with `limits` as a whole, and for the rule `/slow`.
fn api(upstream: &Upstream, limits: &str, slow: &str) -> String {
    format!(
        r#"
        [upstreams.api]
        servers = ["{}"]
        {limits}
        [[upstreams.api.rules]]
        access = "token"
        [[upstreams.api.rules]]
        path = "/slow"
        access = "token"
        {slow}
        [[upstreams.api.rules]]
        path = "/open/**"
        access = "public"
        "#,
        upstream.address
    )
}

/// How many of ten are answered with 200, the others with 429.
#[track_caller]
fn passed(mut send: impl FnMut() -> Response) -> usize {
    let is_ok = |answer: &Response| {
        assert!(answer.status == 200 || answer.status == 429 && answer.error() == "rate_limited", "{answer:?}");
        answer.status == 200
    };
    (0..10).filter(|_| is_ok(&send())).count()
}

/// Takes another configuration in force.
#[track_caller]
fn reload(gateway: &Gateway, rest: &str) {
    const RELOADS: &str = r#"portcullis_config_reloads_total{result="ok"}"#;
    let before = gateway.metric(RELOADS);
    gateway.configure("", rest);
    gateway.signal("HUP");
    let start = Instant::now();
    while gateway.metric(RELOADS) <= before {
        assert!(start.elapsed() < Duration::from_secs(5), "{:#?}", gateway.log());
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_client_beyond_its_burst_is_told_when_to_come_back_and_may_then() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&api(&upstream, r#"limits = { rate = "30/m", burst = 3 }"#, ""));
    let (token, other) = (gateway.token(&gateway.client(&["a"]), None), gateway.token(&gateway.client(&["a"]), None));
    let first = gateway.call("GET /x", &token);
    assert_eq!(first.header("ratelimit"), Some(r#""requests-to-upstream";r=2"#));
    assert_eq!(first.header("ratelimit-policy"), Some(r#""requests-to-upstream";q=3;w=6"#));
    let refused = (0..50).map(|_| gateway.call("GET /x", &token)).find(|answer| answer.status != 200).unwrap();
    assert_eq!((refused.status, refused.error()), (429, "rate_limited".to_owned()));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2).contains(&wait), "{wait}");
    assert_eq!(refused.header("ratelimit"), Some(format!(r#""requests-to-upstream";r=0;t={wait}"#).as_str()));
    assert_eq!(refused.header("ratelimit-policy"), Some(r#""requests-to-upstream";q=3;w=6"#));
    assert_eq!(gateway.call("GET /x", &other).status, 200, "another client");
    let line = gateway.wait_for_log(r#""status":429"#);
    for part in [r#""decision":"deny""#, r#""reason":"rate_limited""#, r#""upstream":"api""#, r#""client":"cl_"#] {
        assert!(line.contains(part), "{line}");
    }
    assert!(gateway.metric(r#"portcullis_rate_limited_total{upstream="api"}"#) >= 1.0);
    let denied = r#"portcullis_decisions_total{decision="deny",reason="rate_limited",upstream="api"}"#;
    assert!(gateway.metric(denied) >= 1.0);
    thread::sleep(Duration::from_secs(wait));
    assert_eq!(gateway.call("GET /x", &token).status, 200);
}

#[test]
fn a_rules_limit_comes_before_its_upstreams_and_that_before_the_common_one() {
    let upstream = Upstream::start();
    let other = api(&upstream, "path = \"/other\"", "").replace("upstreams.api", "upstreams.other");
    let other = other.replace("\"/slow\"", "\"/other/slow\"").replace("\"/open/**\"", "\"/other/open/**\"");
    let common = "[limits]\nrate = \"1/h\"\nburst = 5";
    let limited = api(
        &upstream,
        r#"limits = { rate = "1/h", burst = 3, per = "owner" }"#,
        r#"limits = { rate = "1/h", burst = 2 }"#,
    );
    let gateway = Gateway::start(&format!("{common}\n{limited}\n{other}"));
    let organization = gateway.cli_json(&["org", "create", "Acme"], "");
    let [a, b] = [1, 2].map(|_| gateway.token(&gateway.client_of(&organization, &["a"]), None));
    let stranger = gateway.token(&gateway.client(&["a"]), None);
    for (path, token, expected, why) in [
        ("/slow", &a, 2, "the rule's, by client"),
        ("/slow", &b, 2, "another client"),
        ("/x", &a, 3, "the upstream's, by owner"),
        ("/y", &b, 0, "another client of the owner"),
        ("/y", &stranger, 3, "another owner"),
        ("/other/x", &a, 5, "the common one, by client"),
        ("/other/slow", &a, 0, "the same"),
        ("/other/slow", &b, 5, "another client"),
    ] {
        assert_eq!(passed(|| gateway.call(&format!("GET {path}"), token)), expected, "{path}: {why}");
    }
    assert_eq!(passed(|| gateway.send("GET /open/x")), 3, "without a token, by address");
    assert_eq!(passed(|| request_from(caller(1), gateway.public, "GET /open/x", b"")), 3, "another address");
}

#[test]
fn only_a_trusted_proxy_says_whose_address_counts() {
    let upstream = Upstream::start();
    let limited = api(&upstream, r#"limits = { rate = "1/h", burst = 2 }"#, "");
    let gateway = Gateway::with("trusted_proxies = [\"127.1.2.1\"]", &limited);
    let mut number = 0;
    let mut claim = |from: u8, same: bool| {
        number += 1;
        let client = if same { 1 } else { number };
        let head = format!("GET /open/x\nX-Forwarded-For: 203.0.113.{client}\nForwarded: for=198.51.100.{client}");
        request_from(caller(from), gateway.public, &head, b"")
    };
    assert_eq!(passed(|| claim(9, false)), 2, "a stranger is one caller whoever it says it is");
    assert_eq!(passed(|| claim(1, false)), 10, "a proxy's clients are many");
    assert_eq!(passed(|| claim(1, true)), 2, "one of them is one");
    let network = |host: &str| {
        let head = format!("GET /open/x\nX-Forwarded-For: 2001:db8:0:1:{host}::1");
        request_from(caller(1), gateway.public, &head, b"")
    };
    assert_eq!((passed(|| network("a")), passed(|| network("b"))), (2, 0), "a network of IPv6 is one caller");
}

#[test]
fn a_reload_keeps_what_was_counted_and_takes_new_numbers() {
    let upstream = Upstream::start();
    let limited = |burst: u32, slow: u32| {
        let limits = format!("limits = {{ rate = \"1/h\", burst = {burst} }}");
        api(&upstream, &limits, &format!("limits = {{ rate = \"1/h\", burst = {slow} }}"))
    };
    let gateway = Gateway::start(&limited(2, 1));
    let token = gateway.token(&gateway.client(&["a"]), None);
    let both = || ["/x", "/slow"].map(|path| passed(|| gateway.call(&format!("GET {path}"), &token)));
    assert_eq!(both(), [2, 1]);
    reload(&gateway, &limited(2, 1));
    assert_eq!(both(), [0, 0]);
    reload(&gateway, &limited(2, 3));
    assert_eq!(both(), [0, 3], "the changed one");
    reload(&gateway, &api(&upstream, "", ""));
    assert_eq!(both(), [10, 10], "none any more");
}

#[test]
fn token_requests_are_limited_by_address_at_both_listeners_together() {
    let upstream = Upstream::start();
    let common = "[limits]\ntoken_requests = { rate = \"1/h\", burst = 4 }";
    let gateway = Gateway::start(&format!("{common}\n{}", api(&upstream, "", "")));
    let client = gateway.client(&["a"]);
    let ask = |from: u8, to, path: &str, head: &str| {
        let head = format!("POST {path}\n{head}\nContent-Type: application/x-www-form-urlencoded");
        request_from(caller(from), to, &head, b"grant_type=client_credentials")
    };
    let (public, admin, basic) = (gateway.public, gateway.admin, client.basic());
    assert_eq!(ask(1, public, "/oauth2/tokens", &basic).status, 200);
    assert_eq!(ask(1, admin, "/oauth2/token", &basic).status, 200);
    assert_eq!(ask(1, public, "/oauth2/token", "").status, 401, "whatever becomes of it");
    assert_eq!(ask(1, public, "/oauth2/token", &basic).status, 200);
    for to in [public, admin] {
        let refused = ask(1, to, "/oauth2/tokens", &basic);
        assert_eq!((refused.status, refused.error()), (429, "rate_limited".to_owned()));
        let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
        assert!((3000..=3600).contains(&wait), "{wait}");
        assert!(refused.header("ratelimit").unwrap().starts_with(r#""token-requests";r=0;t="#), "{refused:?}");
        assert_eq!(refused.header("ratelimit-policy"), Some(r#""token-requests";q=4;w=14400"#));
    }
    assert_eq!(ask(2, public, "/oauth2/tokens", &basic).status, 200, "another address");
    assert_eq!(ask(1, public, "/oauth2/introspect", &basic).status, 400, "other endpoints are not limited by it");
    let limited = gateway.metric(r#"portcullis_rate_limited_total{upstream="portcullis"}"#);
    assert!((limited - 2.0).abs() < f64::EPSILON, "{limited}");
}
