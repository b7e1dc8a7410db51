//! What was answered is true after a crash.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use crate::support::{Connection, Gateway, Upstream};

const FORM: &str = "grant_type=client_credentials";

#[test]
fn after_a_kill_every_token_answered_works_and_every_revocation_holds() {
    let upstream = Upstream::start();
    let rest =
        format!("[upstreams.api]\nservers = [\"{}\"]\n[[upstreams.api.rules]]\nscopes = [\"a\"]", upstream.address);
    let mut gateway = Gateway::start(&rest);
    let client = gateway.client(&["a"]);
    let issued = Arc::new(Mutex::new(Vec::new()));
    let revoked = Arc::new(Mutex::new(Vec::new()));
    let callers: Vec<_> = (0..8)
        .map(|_| {
            let (public, basic) = (gateway.public, client.basic());
            let (issued, revoked) = (issued.clone(), revoked.clone());
            thread::spawn(move || {
                let mut connection = Connection::open(public);
                let mut post = |path: &str, form: &str| {
                    let length = form.len();
                    connection.send(
                        format!(
                            "POST {path} HTTP/1.1\r\nHost: a\r\n{basic}\r\n\
                             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
                        )
                        .as_bytes(),
                    );
                    connection.answer(false).filter(|answer| answer.status == 200)
                };
                for n in 0..1000 {
                    let Some(answer) = post("/oauth2/tokens", FORM) else { return };
                    let token = answer.json()["access_token"].as_str().unwrap().to_owned();
                    if n % 5 == 0 {
                        if post("/oauth2/revoke", &format!("token={token}")).is_some() {
                            revoked.lock().unwrap().push(token);
                        }
                    } else {
                        issued.lock().unwrap().push(token);
                    }
                }
            })
        })
        .collect();
    while issued.lock().unwrap().len() < 500 {
        thread::sleep(Duration::from_millis(5));
    }
    gateway.signal("KILL");
    gateway.wait();
    for caller in callers {
        caller.join().unwrap();
    }
    gateway.launch();
    let (issued, revoked) = (issued.lock().unwrap().clone(), revoked.lock().unwrap().clone());
    assert!(issued.len() >= 500 && revoked.len() >= 50, "{} {}", issued.len(), revoked.len());
    let mut connection = Connection::open(gateway.public);
    let mut status = |token: &str| {
        connection.send(format!("GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n").as_bytes());
        connection.answer(false).unwrap().status
    };
    for token in &issued {
        assert_eq!(status(token), 200, "an issued token is lost");
    }
    for token in &revoked {
        assert_eq!(status(token), 401, "a revoked token lives");
    }
}

#[test]
fn the_command_line_and_the_gateway_see_each_others_changes() {
    let upstream = Upstream::start();
    let rest =
        format!("[upstreams.api]\nservers = [\"{}\"]\n[[upstreams.api.rules]]\nscopes = [\"a\"]", upstream.address);
    let gateway = Gateway::start(&rest);
    let client = gateway.client(&["a"]);
    let token = gateway.token(&client, None);
    assert_eq!(gateway.call("GET /", &token).status, 200);
    assert!(gateway.cli(&["client", "disable", &client.id], "").status.success());
    let wait_for = |status: u16| {
        let start = std::time::Instant::now();
        while gateway.call("GET /", &token).status != status {
            assert!(start.elapsed() < Duration::from_secs(1), "not {status} within a second");
            thread::sleep(Duration::from_millis(20));
        }
    };
    wait_for(401);
    assert!(gateway.cli(&["client", "enable", &client.id], "").status.success());
    wait_for(200);
    let output = gateway.cli(&["token", "revoke"], &token);
    assert!(output.status.success(), "{output:?}");
    wait_for(401);
}

#[test]
fn no_secret_is_on_the_disk_in_clear() {
    let upstream = Upstream::start();
    let rest =
        format!("[upstreams.api]\nservers = [\"{}\"]\n[[upstreams.api.rules]]\nscopes = [\"a\"]", upstream.address);
    let mut gateway = Gateway::start(&rest);
    let client = gateway.client(&["a"]);
    let token = gateway.token(&client, None);
    gateway.call("GET /", &token);
    gateway.signal("TERM");
    gateway.wait();
    for entry in std::fs::read_dir(gateway.folder.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for secret in [&token, &client.secret, &client.key] {
            let random = &secret.as_bytes()["prt_xx_".len()..][..16];
            assert!(!bytes.windows(random.len()).any(|window| window == random));
        }
    }
}
