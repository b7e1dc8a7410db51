//! An upstream that only observes: what would be refused goes through, is told to it, counted and reported.

use std::{
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{Client, Gateway, Upstream, text};

/// The same rules twice: observed under `/watched`, enforced under `/closed`.
fn rules(upstream: &Upstream, mode: &str, owner: &str) -> String {
    let one = |name: &str, path: &str, mode: &str, owners: &str| {
        format!(
            r#"
            [upstreams.{name}]
            servers = ["{}"]
            path = "{path}"
            mode = "{mode}"
            {owners}
            [[upstreams.{name}.rules]]
            path = "{path}/read"
            methods = ["GET"]
            scopes = ["read", "more"]
            [[upstreams.{name}.rules]]
            path = "{path}/any"
            any_scope = ["a", "b"]
            [[upstreams.{name}.rules]]
            path = "{path}/open"
            access = "public"
            "#,
            upstream.address
        )
    };
    let owners = format!("owners = [\"{owner}\"]");
    one("watched", "/watched", mode, "")
        + &one("owned", "/owned", mode, &owners)
        + &one("closed", "/closed", "enforce", "")
}

struct House {
    upstream: Upstream,
    gateway: Gateway,
    client: Client,
    token: String,
    served: String,
}

impl House {
    fn open() -> Self {
        let upstream = Upstream::start();
        let mut gateway = Gateway::prepare("", "");
        let served = gateway.cli_json(&["org", "create", "Served"], "")["id"].as_str().unwrap().to_owned();
        gateway.configure("", &rules(&upstream, "observe", &served));
        gateway.launch();
        let client = gateway.client(&["read"]);
        let token = gateway.token(&client, None);
        Self { upstream, gateway, client, token, served }
    }

    fn bearer(&self) -> String {
        format!("Authorization: Bearer {}", self.token)
    }

    /// The rows of a report, by what `wanted` wants to see, once there are so many requests in all.
    fn rows(&self, requests: u64) -> Vec<Value> {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let report = self.gateway.cli_json(&["report", "--since", "1d"], "");
            let rows = report["would_deny"].as_array().unwrap().clone();
            if rows.iter().map(|row| row["count"].as_u64().unwrap()).sum::<u64>() >= requests {
                return rows;
            }
            assert!(Instant::now() < deadline, "{report}");
            thread::sleep(Duration::from_millis(50));
        }
    }
}

#[test]
fn what_would_be_refused_goes_through_and_the_upstream_is_told() {
    let house = House::open();
    let bearer = house.bearer();
    for (line, authorization, error, identified, passed_on) in [
        ("GET /watched/read", "", "missing_token", false, None),
        ("GET /watched/read", "Authorization: Basic eDp5", "missing_token", false, Some("Basic eDp5")),
        ("GET /watched/read", "Authorization: Bearer foreign", "invalid_token", false, Some("Bearer foreign")),
        ("GET /watched/read", "Authorization: Bearer prt_at_guess", "invalid_token", false, None),
        ("GET /watched/read", &bearer, "insufficient_scope", true, None),
        ("GET /watched/any", &bearer, "insufficient_scope", true, None),
        ("GET /owned/read", &bearer, "access_denied", true, None),
        ("PUT /watched/read", &bearer, "method_not_allowed", true, None),
        ("PUT /watched/read", "", "method_not_allowed", false, None),
        ("GET /watched/none?x=1", &bearer, "not_found", true, None),
        ("GET /watched/none", "", "not_found", false, None),
    ] {
        let spoofed =
            "X-Portcullis-Would-Deny: nothing\nX-Portcullis-Owner: org_evil\nx_portcullis_would_deny: nothing";
        let answer = house.gateway.send(&format!("{line}\n{authorization}\n{spoofed}"));
        assert_eq!(answer.status, 200, "{line} {authorization}");
        let seen = house.upstream.one();
        assert_eq!(seen.target(), line.split(' ').nth(1).unwrap());
        assert_eq!(seen.header("x-portcullis-would-deny"), Some(error), "{line} {authorization}");
        let owner = identified.then_some(house.client.organization.as_str());
        assert_eq!(seen.header("x-portcullis-owner"), owner, "{line} {authorization}");
        assert_eq!(seen.header("x-portcullis-client").is_some(), identified, "{line} {authorization}");
        assert_eq!(seen.header("authorization"), passed_on, "{line} {authorization}");
    }
    let open = house.gateway.send("GET /watched/open\nX-Portcullis-Would-Deny: nothing");
    assert_eq!((open.status, house.upstream.one().header("x-portcullis-would-deny")), (200, None));
    let counted = r#"portcullis_decisions_total{decision="would_deny",reason="insufficient_scope",upstream="watched"}"#;
    assert!((house.gateway.metric(counted) - 2.0).abs() < f64::EPSILON);
    let line = house.gateway.wait_for_log(r#""decision":"would_deny","reason":"access_denied""#);
    assert!(line.contains(&house.client.id) && line.contains(r#""status":200"#), "{line}");
    house.gateway.wait_for_log("these upstreams only observe");
}

#[test]
fn what_can_be_read_in_two_ways_and_what_is_beside_is_still_refused() {
    let house = House::open();
    let bearer = house.bearer();
    for (request, status) in [
        (format!("GET /watched/read\n{bearer}\nAuthorization: Basic eDp5"), 400),
        (format!("GET /watched/none\n{bearer}\nAuthorization: Basic eDp5"), 400),
        (format!("GET /watched/read?access_token=x\n{bearer}"), 400),
        (format!("GET /watched/../closed/read\n{bearer}"), 400),
        (format!("GET /watched/read%2f..%2f\n{bearer}"), 400),
        (format!("GET /watched//read\n{bearer}"), 400),
        ("BREW /watched/read".to_owned(), 405),
        ("GET /nowhere".to_owned(), 404),
        ("GET /closed/read".to_owned(), 401),
        ("GET /closed/read\nAuthorization: Bearer foreign".to_owned(), 401),
        (format!("GET /closed/read\n{bearer}"), 403),
        (format!("PUT /closed/read\n{bearer}"), 405),
        (format!("GET /closed/none\n{bearer}"), 404),
    ] {
        assert_eq!(house.gateway.send(&request).status, status, "{request}");
    }
    assert!(house.upstream.take().is_empty());
}

#[test]
fn the_report_tells_who_why_how_often_and_what_to_do_and_survives_a_restart() {
    let mut house = House::open();
    let bearer = house.bearer();
    let quiet = text(&house.gateway.cli(&["report"], "").stdout);
    assert!(quiet.contains("Nothing would have been refused since 20"), "{quiet}");
    for request in [
        format!("GET /watched/read\n{bearer}"),
        format!("GET /watched/read\n{bearer}"),
        format!("GET /watched/any\n{bearer}"),
        "GET /watched/read?secret=query".to_owned(),
        "DELETE /watched/read".to_owned(),
        format!("GET /watched/none/of/these\n{bearer}"),
        format!("GET /owned/any\n{bearer}"),
    ] {
        assert_eq!(house.gateway.send(&request).status, 200, "{request}");
    }
    let row = |rows: &[Value], rule: Option<&str>, reason: &str| {
        let same = |row: &&Value| row["rule"].as_str() == rule && row["reason"] == reason;
        let found: Vec<Value> = rows.iter().filter(same).cloned().collect();
        assert_eq!(found.len(), 1, "{rule:?} {reason}: {rows:#?}");
        found[0].clone()
    };
    let rows = house.rows(7);
    let scope = row(&rows, Some("/watched/read"), "insufficient_scope");
    assert_eq!((&scope["count"], &scope["missing_scopes"]), (&json!(2), &json!(["more"])));
    assert_eq!((&scope["client_id"], &scope["client_name"]), (&json!(house.client.id), &json!("Partner")));
    assert_eq!((&scope["owner"], &scope["upstream"]), (&json!(house.client.organization), &json!("watched")));
    assert!(scope["first_seen"].as_str() <= scope["last_seen"].as_str() && scope["fix"] == "a token with more");
    assert_eq!(row(&rows, Some("/watched/any"), "insufficient_scope")["missing_any_scope"], json!(["a", "b"]));
    assert_eq!(row(&rows, Some("/watched/read"), "missing_token").get("client_id"), None);
    assert_eq!(row(&rows, Some("/watched/read"), "method_not_allowed")["method"], "DELETE");
    assert_eq!(row(&rows, None, "not_found")["client_id"], json!(house.client.id));
    assert_eq!(row(&rows, Some("/owned/any"), "access_denied")["upstream"], "owned");
    let all = json!(rows).to_string();
    assert!(!all.contains("/none") && !all.contains("secret=") && !all.contains("prt_"), "{all}");

    let over_http = house.gateway.manage("GET /report?since=1d", &house.client, "").json();
    assert_eq!(over_http["result"]["would_deny"], json!(rows));
    assert_eq!(over_http["result"]["observing"], json!(["owned", "watched"]));
    assert_eq!(house.gateway.get_admin("/report").status, 401);
    assert_eq!(house.gateway.send(&format!("GET /report\n{}", house.client.organization_headers())).status, 404);

    // What is counted just before the end is not lost, and the next process goes on from there.
    assert_eq!(house.gateway.send(&format!("GET /watched/read\n{bearer}")).status, 200);
    house.gateway.signal("TERM");
    assert_eq!(house.gateway.wait().0, Some(0));
    assert_eq!(row(&house.rows(8), Some("/watched/read"), "insufficient_scope")["count"], 3);
    house.gateway.launch();
    assert_eq!(house.gateway.send(&format!("GET /watched/read\n{bearer}")).status, 200);
    assert_eq!(row(&house.rows(9), Some("/watched/read"), "insufficient_scope")["count"], 4);

    let words = text(&house.gateway.cli(&["report", "--since", "1d"], "").stdout);
    for part in ["Observing: owned, watched.", "watched  /watched/read", "a token with more", "(Partner)", "(no rule)"]
    {
        assert!(words.contains(part), "{part} is missing in\n{words}");
    }
    assert_eq!(house.gateway.cli(&["report", "--since", "91d"], "").status.code(), Some(2));
}

#[test]
fn a_reload_switches_the_mode() {
    let house = House::open();
    assert_eq!(house.gateway.send("GET /watched/read").status, 200);
    house.gateway.configure("", &rules(&house.upstream, "enforce", &house.served));
    house.gateway.signal("HUP");
    house.gateway.wait_for_log("the configuration is reloaded");
    assert_eq!(house.gateway.send("GET /watched/read").status, 401);
    let words = text(&house.gateway.cli(&["report"], "").stdout);
    assert!(words.starts_with("No upstream observes"), "{words}");
}
