//! Floods of wrong credentials, too many tokens, and what is about users: at both listeners.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use crate::support::{Client, Gateway, Response, Upstream, request_from};

const FORM: &str = "Content-Type: application/x-www-form-urlencoded";
const GRANT: &[u8] = b"grant_type=client_credentials";

/// Another address of this machine for each number.
fn caller(number: u8) -> IpAddr {
    Ipv4Addr::new(127, 1, 1, number).into()
}

fn api(upstream: &Upstream) -> String {
    format!(
        "[upstreams.api]\nservers = [\"{}\"]\n[[upstreams.api.rules]]\npath = \"/**\"\naccess = \"token\"",
        upstream.address
    )
}

#[track_caller]
fn ask_for_a_token(from: u8, to: SocketAddr, client: &Client) -> Response {
    let head = format!("POST /oauth2/tokens\n{}\n{FORM}", client.basic());
    request_from(caller(from), to, &head, GRANT)
}

#[track_caller]
fn list_clients(from: u8, to: SocketAddr, client: &Client) -> Response {
    request_from(caller(from), to, &format!("GET /oauth2/clients\n{}", client.organization_headers()), b"")
}

/// Sends the same until it is limited, and says how often it was looked at.
fn until_limited(send: impl Fn() -> Response, otherwise: u16) -> usize {
    for count in 0..200 {
        let answer = send();
        if answer.status == 429 {
            assert_eq!(answer.error(), "rate_limited");
            let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
            assert!((1..=6).contains(&wait), "{answer:?}");
            assert!(answer.header("ratelimit").unwrap().starts_with(r#""wrong-credentials-by-caller";r=0;t="#));
            return count;
        }
        assert_eq!(answer.status, otherwise, "{answer:?}");
    }
    panic!("never limited");
}

#[test]
fn a_flood_of_wrong_credentials_is_held_up_and_nobody_else_is() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("expose_management = true", &api(&upstream));
    let client = gateway.client(&["a"]);
    let other = gateway.client(&["a"]);
    let token = gateway.token(&client, None);
    let guesses = Client { secret: "prt_cs_guess".to_owned(), key: "prt_ak_guess".to_owned(), ..client.clone() };
    let anothers = Client { secret: other.secret.clone(), key: other.key.clone(), ..client.clone() };

    // The burst, and what came free meanwhile.
    let looked_at = |count: usize| assert!((20..40).contains(&count), "{count}");
    let attackers = [(1, gateway.public, &guesses), (2, gateway.admin, &guesses), (3, gateway.public, &anothers)];
    for (from, to, wrong) in attackers {
        looked_at(until_limited(|| ask_for_a_token(from, to, wrong), 401));
        looked_at(until_limited(|| list_clients(from, to, wrong), 401));
    }
    for (from, to, _) in attackers {
        assert_eq!(ask_for_a_token(from, to, &client).status, 200, "{from}: known to be right");
    }
    for to in [gateway.public, gateway.admin] {
        assert_eq!(ask_for_a_token(9, to, &client).status, 200, "elsewhere");
        assert_eq!(list_clients(9, to, &client).status, 200, "elsewhere");
    }
    assert_eq!(ask_for_a_token(1, gateway.public, &other).status, 200, "another client");
    assert_eq!(gateway.call("GET /x", &token).status, 200, "a token");
    let limited = gateway.metric(r#"portcullis_rate_limited_total{upstream="portcullis"}"#);
    assert!((limited - 6.0).abs() < f64::EPSILON, "{limited}");
}

#[test]
fn behind_a_trusted_proxy_its_clients_are_told_apart() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("trusted_proxies = [\"127.1.1.1\"]", &api(&upstream));
    let client = gateway.client(&["a"]);
    let wrong = Client { secret: "guess".to_owned(), ..client.clone() };
    let ask = |client: &Client, forwarded: &str| {
        let head = format!("POST /oauth2/tokens\n{}\nX-Forwarded-For: {forwarded}\n{FORM}", client.basic());
        request_from(caller(1), gateway.public, &head, GRANT)
    };
    until_limited(|| ask(&wrong, "2001:db8::1"), 401);
    assert_eq!(ask(&wrong, "2001:db8:0:0:1::").status, 429, "the same network");
    assert_eq!(ask(&client, "2001:db8::1").status, 200, "the right secret is looked at");
    assert_eq!(ask(&wrong, "2001:db8:0:1::1").status, 401);
    assert_eq!(ask(&client, "192.0.2.1").status, 200);
}

#[test]
fn a_client_gets_no_more_living_tokens_than_the_configuration_allows() {
    let upstream = Upstream::start();
    let gateway = Gateway::with("", &format!("[tokens]\nmax_live_per_client = 3\n{}", api(&upstream)));
    let client = gateway.client(&["a"]);
    let tokens: Vec<String> = (0..3).map(|_| gateway.token(&client, None)).collect();
    let refused = ask_for_a_token(1, gateway.public, &client);
    assert_eq!((refused.status, refused.error()), (429, "rate_limited".to_owned()));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((86_000..=86_400).contains(&wait), "{wait}");
    let at_the_command_line = gateway.cli(&["token", "issue", "--client", &client.id], "");
    assert_eq!(at_the_command_line.status.code(), Some(1), "{at_the_command_line:?}");
    gateway.token(&gateway.client(&["a"]), None);
    for token in &tokens {
        assert_eq!(gateway.call("GET /x", token).status, 200);
    }
    let path = format!("DELETE /oauth2/clients/{}/tokens", client.id);
    assert_eq!(gateway.manage(&path, &client, "").status, 204);
    gateway.token(&client, None);
}

#[test]
fn what_is_about_users_is_not_implemented_at_both_listeners() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&api(&upstream));
    for line in [
        "POST /oauth2/tokens/mint",
        "POST /oauth2/tokens/revoke-all",
        "GET /oauth2/authorize?response_type=code&client_id=x",
        "POST /oauth2/authorize",
        "GET /oauth2/userinfo",
        "POST /oauth2/userinfo",
    ] {
        for to in [gateway.public, gateway.admin] {
            let answer = request_from(caller(1), to, line, b"");
            assert_eq!((answer.status, answer.error()), (501, "not_implemented".to_owned()), "{line}");
        }
    }
    assert!(upstream.take().is_empty());
}

#[test]
fn password_checks_take_their_memory_once() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&api(&upstream));
    let client = gateway.client(&["a"]);
    let wrong = Client { secret: gateway.client(&["a"]).secret, ..client };
    let memory = || gateway.metric("process_resident_memory_bytes");
    let before = memory();
    for from in 0..20 {
        assert_eq!(ask_for_a_token(from, gateway.public, &wrong).status, 401);
    }
    // 19 MiB for each thread that checks passwords, of which there is one for each core.
    let threads = std::thread::available_parallelism().unwrap().get();
    let bound = f64::from(u32::try_from(threads * 20 + 20).unwrap()) * 1024.0 * 1024.0;
    let grown = memory() - before;
    assert!(grown < bound, "{grown} bytes, of {bound}");
}
