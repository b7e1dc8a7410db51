//! The command line as a person and a script use it.

use std::fs;

use crate::support::{Gateway, Upstream, command, run, text};

fn gateway() -> Gateway {
    Gateway::prepare("", "")
}

#[test]
fn the_demo_checks_itself() {
    // The demo listens on 127.0.0.1; the system picks two ports that are free.
    let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (public, private) = (free(), free());
    let ports = [&public, &private].map(|listener| listener.local_addr().unwrap().port().to_string());
    drop((public, private));
    let output = run(command().args(["demo", "--check", "--port", &ports[0], "--admin-port", &ports[1]]), "");
    let shown = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{shown}\n{}", text(&output.stderr));
    for status in ["200", "401", "403"] {
        assert!(shown.contains(status), "{shown}");
    }
}

#[test]
fn organisations_and_clients_have_a_life_without_a_running_gateway() {
    let gateway = gateway();
    let root = gateway.cli_json(&["org", "create", "Root"], "");
    assert!(root["api_key"].as_str().unwrap().starts_with("prt_ak_"));
    let root_id = root["id"].as_str().unwrap();
    let child = gateway.cli_json(&["org", "create", "Child", "--parent", root_id], "");
    assert_eq!(child["parent_id"], root["id"]);
    assert_eq!(gateway.cli_json(&["org", "list"], "").as_array().unwrap().len(), 2);
    assert_eq!(gateway.cli_json(&["org", "show", root_id], "")["org_name"], "Root");
    let rotated = gateway.cli_json(&["org", "rotate-key", root_id], "");
    assert_ne!(rotated["api_key"], root["api_key"]);

    let client = gateway.cli_json(
        &[
            "client",
            "create",
            "--org",
            root_id,
            "--name",
            "Partner",
            "--scope",
            "b",
            "--scope",
            "a",
            "--default-scope",
            "a",
            "--audience",
            "https://orders",
            "--token-duration",
            "1h",
        ],
        "",
    );
    let id = client["client_id"].as_str().unwrap();
    assert_eq!(client["scopes"], serde_json::json!(["a", "b"]));
    assert_eq!(client["default_scopes"], serde_json::json!(["a"]));
    assert_eq!(client["access_token_duration"], 3600);
    assert!(client["client_secret"].as_str().unwrap().starts_with("prt_cs_"));
    let shown = gateway.cli_json(&["client", "show", id], "");
    assert_eq!(shown["client_name"], "Partner");
    assert!(shown.get("client_secret").is_none());
    assert_eq!(gateway.cli_json(&["client", "list", "--org", root_id], "").as_array().unwrap().len(), 1);
    assert_eq!(gateway.cli_json(&["client", "update", id, "--name", "New"], "")["client_name"], "New");
    let rotated = gateway.cli_json(&["client", "rotate", id, "--overlap", "7d"], "");
    assert!(rotated["client_secret"].as_str().unwrap().starts_with("prt_cs_"));

    assert_eq!(gateway.cli(&["org", "delete", root_id], "").status.code(), Some(1), "it has a child");
    assert!(gateway.cli(&["client", "delete", id], "").status.success());
    assert!(gateway.cli(&["org", "delete", child["id"].as_str().unwrap()], "").status.success());
    assert!(gateway.cli(&["org", "delete", root_id], "").status.success());
}

#[test]
fn tokens_have_a_life_without_a_running_gateway() {
    let gateway = gateway();
    let root = gateway.cli_json(&["org", "create", "Root"], "");
    let client = gateway.client_of(&root, &["a", "b"]);
    let id = client.id.as_str();
    let issued = gateway.cli_json(&["token", "issue", "--client", id, "--scope", "b"], "");
    assert_eq!((&issued["token_type"], &issued["expires_in"]), (&"bearer".into(), &86400.into()));
    assert_eq!(issued["scope"], "b");
    let token = issued["access_token"].as_str().unwrap();
    let introspected = gateway.cli_json(&["token", "introspect"], token);
    assert_eq!((&introspected["active"], &introspected["sub"]), (&true.into(), &root["id"]));
    let file = gateway.folder.path().join("token.txt");
    fs::write(&file, format!("{token}\n")).unwrap();
    let from_file = gateway.cli_json(&["token", "introspect", "--token-file", file.to_str().unwrap()], "");
    assert_eq!(from_file["active"], true);
    assert_eq!(gateway.cli_json(&["token", "list", "--client", id], "").as_array().unwrap().len(), 1);
    assert!(gateway.cli(&["client", "disable", id], "").status.success());
    assert_eq!(gateway.cli_json(&["token", "introspect"], token)["active"], false);
    assert!(gateway.cli(&["client", "enable", id], "").status.success());
    assert!(gateway.cli(&["token", "revoke"], token).status.success());
    assert_eq!(gateway.cli_json(&["token", "introspect"], token), serde_json::json!({"active": false}));
}

#[test]
fn wrong_usage_is_2_and_what_failed_is_1() {
    let gateway = gateway();
    let (unknown_org, unknown_client) = ("org_aaaaaaaaaaaaa", "cl_aaaaaaaaaaaaa");
    for (arguments, code) in [
        (vec!["frobnicate"], 2),
        (vec!["org", "show", "nonsense"], 2),
        (vec!["org", "show", unknown_org], 1),
        (vec!["client", "show", unknown_client], 1),
        (vec!["client", "create", "--org", unknown_org, "--name", "x", "--scope", "a"], 1),
        (vec!["client", "create", "--org", unknown_org, "--name", "x", "--scope", "a b"], 2),
        (vec!["client", "create", "--org", unknown_org, "--name", "x", "--scope", "a", "--token-duration", "1y"], 2),
        (vec!["token", "issue", "--client", unknown_client], 1),
        (vec!["token", "revoke", "prt_at_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"], 2),
        (vec!["health", "--admin", "http://127.0.0.1:1"], 1),
        (vec!["--version"], 0),
        (vec!["completions", "bash"], 0),
    ] {
        let output = gateway.cli(&arguments, "");
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        if code != 0 {
            assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments:?}: {output:?}");
        }
    }
    let output = gateway.cli(&["token", "introspect", "prt_at_SECRETSECRETSECRETSECRETSECRETSE"], "");
    assert!(!text(&output.stderr).contains("SECRETSECRET"), "{output:?}");
}

#[test]
fn a_secret_given_as_an_argument_is_never_repeated() {
    let gateway = gateway();
    let secret = "prt_at_SECRETSECRETSECRETSECRETSECRETSE";
    for verb in ["introspect", "revoke", "issue", "list"] {
        let output = gateway.cli(&["token", verb, secret], "");
        assert_eq!(output.status.code(), Some(2), "{verb}: {output:?}");
        assert!(!text(&output.stderr).contains("SECRETSECRET"), "{verb}: {output:?}");
    }
}

#[test]
fn durations_are_whole_seconds_within_their_bounds() {
    let gateway = gateway();
    let organization = gateway.cli_json(&["org", "create", "Acme"], "");
    let client = gateway.client_of(&organization, &["a"]);
    for overlap in ["500ms", "100000d"] {
        let output = gateway.cli(&["client", "rotate", &client.id, "--overlap", overlap], "");
        assert_eq!(output.status.code(), Some(2), "{overlap}: {output:?}");
    }
    for duration in ["0s", "1500ms", "31d"] {
        let output = gateway.cli(&["client", "update", &client.id, "--token-duration", duration], "");
        assert_eq!(output.status.code(), Some(2), "{duration}: {output:?}");
        assert!(text(&output.stderr).contains("whole seconds"), "{duration}: {output:?}");
    }
}

#[test]
fn completions_may_be_cut_off() {
    use std::process::Stdio;
    let mut child =
        command().args(["completions", "bash"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(!text(&output.stderr).contains("panicked"), "{output:?}");
}

#[test]
fn the_config_is_named_before_or_after_the_verb_or_by_the_environment() {
    let gateway = gateway();
    let config = gateway.config();
    for output in [
        run(command().arg("-c").arg(&config).arg("check"), ""),
        run(command().arg("check").arg("-c").arg(&config), ""),
        run(command().arg("check").env("PORTCULLIS_CONFIG", &config), ""),
        run(command().arg("check").current_dir(gateway.folder.path()), ""),
    ] {
        assert_eq!(output.status.code(), Some(0), "{output:?}");
    }
    let empty = run(command().arg("check").current_dir(gateway.folder.path()).env("PORTCULLIS_CONFIG", ""), "");
    assert_eq!(empty.status.code(), Some(0), "{empty:?}");
    assert_eq!(run(command().args(["health", "-c", "/absent.toml"]), "").status.code(), Some(2));
    let listen = "PORTCULLIS_SERVER__LISTEN";
    assert!(run(command().arg("check").arg("-c").arg(&config).env(listen, "127.0.0.1:1"), "").status.success());
    let output = run(command().arg("check").arg("-c").arg(&config).env("PORTCULLIS_SERVER__LISTN", "x"), "");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("PORTCULLIS_SERVER__LISTN"), "{output:?}");
}

#[test]
fn an_unset_secret_is_a_warning_in_check_and_an_error_in_serve() {
    let upstream = Upstream::start();
    let rest = format!(
        "[upstreams.api]\nservers = [\"{}\"]\nset_headers = {{ X-Key = {{ env = \"LEGACY_KEY\" }} }}\n\
         [[upstreams.api.rules]]\naccess = \"public\"",
        upstream.address
    );
    let gateway = Gateway::prepare("", &rest);
    let output = gateway.cli(&["check"], "");
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stderr).contains("LEGACY_KEY"), "{output:?}");
    let output = gateway.cli(&["serve"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!((text(&output.stderr) + &text(&output.stdout)).contains("LEGACY_KEY"), "{output:?}");
}

#[test]
fn a_new_store_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let gateway = gateway();
    gateway.cli_json(&["org", "create", "Acme"], "");
    let mode = fs::metadata(gateway.folder.path().join("portcullis.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
