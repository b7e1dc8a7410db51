//! Bad input: a clear error, nothing lost, the process lives.

use std::{fs, path::Path, process::Output};

use crate::support::{Connection, Gateway, Upstream, command, request, run, text};

/// Puts something in the place of a store.
type Make<'a> = &'a dyn Fn(&Path);

fn public_api(upstream: &Upstream) -> String {
    format!("[upstreams.api]\nservers = [\"{}\"]\n[[upstreams.api.rules]]\naccess = \"token\"", upstream.address)
}

fn serve(config: &Path) -> (Option<i32>, String) {
    let output = run(command().arg("serve").arg("-c").arg(config), "");
    (output.status.code(), said(&output))
}

fn said(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

#[test]
fn six_mistakes_are_six_errors_with_their_places() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("portcullis.toml");
    let config = r#"[server]
listen = ["nowhere"]
max_bdy = "10MiB"

[tokens]
duration = "90x"

[upstreams.orders]
servers = ["10.0.0.5"]
[[upstreams.orders.rules]]
path = "orders"
scopes = ["orders read"]
"#;
    fs::write(&file, config).unwrap();
    let output = run(command().args(["check", "--format", "json", "-c"]).arg(&file), "");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let errors: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let places: Vec<(u64, u64, &str)> = errors
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["line"].as_u64().unwrap(), e["column"].as_u64().unwrap(), e["key"].as_str().unwrap()))
        .collect();
    assert_eq!(
        places,
        [
            (2, 11, "server.listen[0]"),
            (3, 1, "server.max_bdy"),
            (6, 12, "tokens.duration"),
            (9, 12, "upstreams.orders.servers[0]"),
            (11, 8, "upstreams.orders.rules[0].path"),
            (12, 11, "upstreams.orders.rules[0].scopes[0]"),
        ]
    );
    assert!(errors[1].to_string().contains("max_body"), "{errors}");

    let output = run(command().arg("check").arg("-c").arg(&file), "");
    let shown = text(&output.stderr);
    for (line, column, _) in places {
        assert!(shown.contains(&format!("portcullis.toml:{line}:{column}")), "{line}:{column} in {shown}");
    }
    assert!(shown.contains("max_bdy = \"10MiB\""), "the source line is not shown: {shown}");
    assert!(output.stdout.is_empty());
    assert_eq!(serve(&file).0, Some(2));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "check or serve wrote something");
}

#[test]
fn the_shipped_configurations_pass() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    for file in ["portcullis.toml", "minimal.toml"] {
        let output = run(command().arg("check").arg("-c").arg(folder.join(file)), "");
        assert_eq!(output.status.code(), Some(0), "{file}: {}", said(&output));
    }
}

#[test]
fn a_config_that_cannot_be_read_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.toml");
    let (code, said) = serve(&missing);
    assert_eq!(code, Some(2));
    assert!(said.contains("missing.toml"), "{said}");
    let (code, said) = serve(folder.path());
    assert_eq!(code, Some(2), "{said}");
    let broken = folder.path().join("broken.toml");
    fs::write(&broken, b"[server\nlisten = \xff\xfe").unwrap();
    let (code, said) = serve(&broken);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("UTF-8"), "{said}");
    let output = run(command().current_dir(folder.path()).arg("check"), "");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("portcullis.toml"), "{output:?}");
}

#[test]
fn a_store_that_is_not_ours_is_left_as_it_is() {
    let upstream = Upstream::start();
    let newer = |path: &Path| {
        fs::remove_file(path).ok();
        let mut gateway = Gateway::prepare("", &public_api(&upstream));
        gateway.launch();
        gateway.client(&["a"]);
        gateway.signal("TERM");
        gateway.wait();
        let mut bytes = fs::read(gateway.folder.path().join("portcullis.db")).unwrap();
        // The user version of an SQLite file is the big-endian number at byte 60.
        bytes[60..64].copy_from_slice(&9_999_u32.to_be_bytes());
        fs::write(path, bytes).unwrap();
    };
    let garbage = |path: &Path| fs::write(path, "this is no database, whatever it is ".repeat(100)).unwrap();
    let folder = |path: &Path| fs::create_dir(path).unwrap();
    let cases =
        [("newer", &newer as Make<'_>, "9999"), ("garbage", &garbage, "not a"), ("a folder", &folder, "cannot open")];
    for (name, make, words) in cases {
        let gateway = Gateway::prepare("", &public_api(&upstream));
        let file = gateway.folder.path().join("portcullis.db");
        make(&file);
        let before = fs::read(&file).ok();
        let (code, said) = serve(&gateway.config());
        assert_eq!(code, Some(1), "{name}: {said}");
        assert!(said.contains("portcullis.db") && said.contains(words), "{name}: {said}");
        assert_eq!(fs::read(&file).ok(), before, "{name} was touched");
    }
}

#[test]
fn a_locked_store_refuses_what_needs_it_and_known_tokens_go_on() {
    let upstream = Upstream::start();
    let mut gateway = Gateway::start(&public_api(&upstream));
    gateway.expect_error("store");
    let client = gateway.client(&["a"]);
    let token = gateway.token(&client, None);
    assert_eq!(gateway.call("GET /", &token).status, 200);
    let lock = rusqlite::Connection::open(gateway.folder.path().join("portcullis.db")).unwrap();
    lock.execute_batch("BEGIN IMMEDIATE").unwrap();
    let start = std::time::Instant::now();
    let refused = gateway.post_form("/oauth2/tokens", &client.basic(), "grant_type=client_credentials");
    assert_eq!((refused.status, refused.error().as_str()), (503, "temporarily_unavailable"));
    assert!(refused.header("retry-after").is_some());
    assert!(start.elapsed() < std::time::Duration::from_secs(1), "{:?}", start.elapsed());
    assert_eq!(gateway.call("GET /", &token).status, 200);
    lock.execute_batch("ROLLBACK").unwrap();
    gateway.token(&client, None);
}

#[test]
fn malformed_requests_of_every_kind_get_an_answer_and_the_process_lives() {
    let upstream = Upstream::start();
    let gateway = Gateway::start(&public_api(&upstream));
    let client = gateway.client(&["a"]);
    let basic = client.basic();
    for (headers, form, status, error) in [
        (basic.as_str(), "grant_type=password", 400, "unsupported_grant_type"),
        (&basic, "", 400, "invalid_request"),
        (&basic, "grant_type=client_credentials&scope=b", 400, "invalid_scope"),
        (&basic, "grant_type=client_credentials&scope=%22", 400, "invalid_scope"),
        (&basic, "grant_type=client_credentials&grant_type=client_credentials", 400, "invalid_request"),
        (&basic, "grant_type=client_credentials&resource=https://x", 400, "invalid_target"),
        (&basic, "grant_type=%ff%fe", 400, "invalid_request"),
        ("Authorization: Basic !!!", "grant_type=client_credentials", 401, "invalid_client"),
        ("Authorization: Basic", "grant_type=client_credentials", 401, "invalid_client"),
        ("X: y", "grant_type=client_credentials", 401, "invalid_client"),
    ] {
        let response = gateway.post_form("/oauth2/tokens", headers, form);
        assert_eq!((response.status, response.error().as_str()), (status, error), "{headers} {form}");
    }
    let json = "POST /oauth2/tokens\nContent-Type: application/json";
    assert_eq!(request(gateway.public, json, br#"{"grant_type":"client_credentials"}"#).error(), "invalid_request");
    for body in ["{", "[]", "null", "{\"client_name\":1}", "{\"client_nam\":\"x\"}", "\u{0}", "{\"scopes\":{}}"] {
        let response = gateway.manage("POST /oauth2/clients", &client, body);
        assert_eq!((response.status, response.error().as_str()), (400, "invalid_request"), "{body}");
    }
    let large = "x".repeat(200_000);
    assert_eq!(gateway.manage("POST /oauth2/clients", &client, &large).status, 413);

    for token in ["", " ", "\u{1}", &"a".repeat(20_000), "prt_at_", "ä", "prt_at_\u{ff}", "a b c", "\"", "==="] {
        let head = format!("GET /\nAuthorization: Bearer {token}");
        let response = gateway.send(&head);
        assert!([400, 401].contains(&response.status), "{token:?}: {}", response.status);
    }
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
        b"\r\n\r\n\r\n",
        b"GET\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: a\r\n\r\n",
    ] {
        let mut connection = Connection::open(gateway.public);
        connection.send(bytes);
        if let Some(answer) = connection.answer(false) {
            assert!(answer.status >= 400, "{bytes:?}: {}", answer.status);
        }
    }
    assert!(upstream.take().is_empty());
    assert_eq!(gateway.call("GET /", &gateway.token(&client, None)).status, 200);
}
