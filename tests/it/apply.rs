//! `client apply`: an organisation's clients as a file says.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};

use crate::support::{Client, Gateway, Upstream, command, text};

mod midway;

/// A gateway's store with one organisation in it.
struct Setting {
    gateway: Gateway,
    organization: Value,
}

impl Setting {
    fn of(gateway: Gateway) -> Self {
        let organization = gateway.cli_json(&["org", "create", "Acme"], "");
        Self { gateway, organization }
    }

    fn new() -> Self {
        Self::of(Gateway::prepare("", ""))
    }

    fn org(&self) -> &str {
        self.organization["id"].as_str().unwrap()
    }

    fn file(&self, list: &str) -> PathBuf {
        let file = self.gateway.folder.path().join("clients.toml");
        fs::write(&file, list).unwrap();
        file
    }

    fn run(&self, list: &str, flags: &[&str]) -> Output {
        self.run_file(&self.file(list), flags)
    }

    fn run_file(&self, file: &Path, flags: &[&str]) -> Output {
        let arguments = ["client", "apply", file.to_str().unwrap(), "--org", self.org()];
        self.gateway.cli(&[&arguments, flags].concat(), "")
    }

    /// The document of a run that does its work.
    #[track_caller]
    fn apply(&self, list: &str, flags: &[&str]) -> Vec<Value> {
        let file = self.file(list);
        let arguments = ["client", "apply", file.to_str().unwrap(), "--org", self.org()];
        let Value::Array(entries) = self.gateway.cli_json(&[&arguments, flags].concat(), "") else { panic!() };
        entries
    }

    /// The command of a run, for a test that looks at it while it runs.
    fn command(&self, list: &str, flags: &[&str]) -> Command {
        let mut command = command();
        command.args(["client", "apply", "--org", self.org(), "-c"]);
        command.args([self.gateway.config(), self.file(list)]).args(flags);
        command
    }

    fn clients(&self) -> Vec<Value> {
        let Value::Array(clients) = self.gateway.cli_json(&["client", "list", "--org", self.org()], "") else {
            panic!()
        };
        clients
    }
}

fn actions(entries: &[Value]) -> Vec<(&str, &str)> {
    entries.iter().map(|entry| (entry["action"].as_str().unwrap(), entry["client_name"].as_str().unwrap())).collect()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

const LIST: &str = "\
[[clients]]
name = \"Acme's exporter\"
scopes = ['orders:read', 'orders:write']
default_scopes = ['orders:read']
audiences = ['https://orders']
token_duration = '1h'

[[clients]]
name = 'Nightly report'
scopes = ['orders:read']
enabled = false
";

#[test]
fn clients_are_created_as_the_file_says_and_a_second_run_changes_nothing() {
    let setting = Setting::new();
    let entries = setting.apply(LIST, &[]);
    assert_eq!(actions(&entries), [("create", "Acme's exporter"), ("create", "Nightly report")]);
    assert!(entries.iter().all(|entry| entry["client_secret"].as_str().unwrap().starts_with("prt_cs_")));
    assert_eq!(entries[0]["changes"]["access_token_duration"], json!({ "from": null, "to": 3600 }));
    let before = setting.clients();
    assert_eq!(before[0]["client_id"], entries[0]["client_id"]);
    assert_eq!(before[0]["scopes"], json!(["orders:read", "orders:write"]));
    assert_eq!(before[0]["default_scopes"], json!(["orders:read"]));
    assert_eq!(before[0]["audiences"], json!(["https://orders"]));
    assert_eq!((&before[0]["access_token_duration"], &before[0]["enabled"]), (&json!(3600), &json!(true)));
    assert_eq!((&before[1]["access_token_duration"], &before[1]["enabled"]), (&json!(86400), &json!(false)));

    let again = setting.apply(LIST, &["--prune"]);
    assert_eq!(actions(&again), [("unchanged", "Acme's exporter"), ("unchanged", "Nightly report")]);
    assert!(again.iter().all(|entry| entry["changes"] == json!({}) && entry.get("client_secret").is_none()));
    assert_eq!(setting.clients(), before);
}

#[test]
fn a_changed_field_is_shown_old_and_new_and_what_is_left_out_has_its_default() {
    let setting = Setting::new();
    let id = setting.apply(LIST, &[])[0]["client_id"].clone();
    let list = "[[clients]]\nname = \"Acme's exporter\"\nscopes = ['orders:read']";
    let entries = setting.apply(list, &[]);
    assert_eq!(actions(&entries), [("update", "Acme's exporter"), ("unlisted", "Nightly report")]);
    assert_eq!(entries[0]["client_id"], id);
    let expected = json!({
        "scopes": { "from": ["orders:read", "orders:write"], "to": ["orders:read"] },
        "default_scopes": { "from": ["orders:read"], "to": null },
        "audiences": { "from": ["https://orders"], "to": [] },
        "access_token_duration": { "from": 3600, "to": 86400 },
    });
    assert_eq!(entries[0]["changes"], expected);
    let client = &setting.clients()[0];
    assert_eq!((&client["audiences"], client.get("default_scopes")), (&json!([]), None));

    let output = setting.run(LIST, &["--dry-run"]);
    let shown = text(&output.stdout);
    for line in [
        "to update        Acme's exporter  cl_",
        "    scopes          orders:read -> orders:read orders:write",
        "    default_scopes  all scopes -> orders:read",
        "    audiences       none -> https://orders",
        "    token_duration  86400 s -> 3600 s",
        "unchanged        Nightly report  cl_",
    ] {
        assert!(shown.contains(line), "{line:?} in {shown}");
    }
}

#[test]
fn what_is_not_in_the_file_stays_unless_it_is_pruned() {
    let setting = Setting::new();
    setting.apply(LIST, &[]);
    let output = setting.run("clients = []", &[]);
    assert!(output.status.success() && text(&output.stdout).contains("not in the file  Nightly report"), "{output:?}");
    assert_eq!(setting.clients().len(), 2);
    let entries = setting.apply("clients = []", &["--prune", "--dry-run"]);
    assert_eq!(actions(&entries), [("delete", "Acme's exporter"), ("delete", "Nightly report")]);
    assert_eq!(setting.clients().len(), 2);
    assert_eq!(actions(&setting.apply("clients = []", &["--prune"])).len(), 2);
    assert!(setting.clients().is_empty());
}

#[test]
fn a_dry_run_shows_the_plan_and_leaves_the_store_as_it_is() {
    let setting = Setting::new();
    let store = setting.gateway.folder.path().join("portcullis.db");
    let before = fs::read(&store).unwrap();
    let folder = setting.gateway.folder.path().join("secrets");
    let entries = setting.apply(LIST, &["--dry-run", "--secrets-dir", folder.to_str().unwrap()]);
    assert_eq!(actions(&entries), [("create", "Acme's exporter"), ("create", "Nightly report")]);
    assert!(entries.iter().all(|entry| entry["client_id"].is_null() && entry.get("client_secret").is_none()));
    assert!(setting.clients().is_empty() && !folder.exists());
    assert_eq!(fs::read(&store).unwrap(), before);
}

#[test]
fn no_run_makes_a_store() {
    for flags in [&[][..], &["--dry-run"]] {
        let setting = Setting { gateway: Gateway::prepare("", ""), organization: json!({ "id": "org_aaaaaaaaaaaaa" }) };
        let output = setting.run(LIST, flags);
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("there is no organisation org_aaaaaaaaaaaaa"), "{output:?}");
        assert!(!setting.gateway.folder.path().join("portcullis.db").exists());
    }
}

#[test]
fn nothing_is_changed_unless_everything_is_right() {
    let setting = Setting::new();
    let bad = format!("{LIST}\n[[clients]]\nname = 'Nightly report'\nscope = ['a b']\ntoken_duration = '31d'\n");
    let output = setting.run(&bad, &[]);
    assert_eq!(output.status.code(), Some(2));
    let said = text(&output.stderr);
    for part in [
        "clients.toml:13:1: clients[2].scopes: `scopes` is missing",
        "clients.toml:14:8: clients[2].name: another client above has this name",
        "clients.toml:15:1: clients[2].scope: unknown key `scope`",
        "did you mean `scopes`?",
        "clients.toml:16:18: clients[2].token_duration: `31d` is out of bounds",
    ] {
        assert!(said.contains(part), "{part:?} in {said}");
    }
    assert!(output.stdout.is_empty() && setting.clients().is_empty());

    let unknown = Setting { organization: json!({ "id": "org_aaaaaaaaaaaaa" }), ..setting };
    let output = unknown.run(LIST, &[]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("there is no organisation"), "{output:?}");
    let output = unknown.run_file(Path::new("/absent/clients.toml"), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("the list of clients cannot be read"), "{output:?}");
}

#[test]
fn two_clients_of_a_name_in_the_file_are_an_error_that_names_both() {
    let setting = Setting::new();
    let ids = [(), ()].map(|()| setting.gateway.client_of(&setting.organization, &["a"]).id);
    let list = format!("{LIST}\n[[clients]]\nname = 'Partner'\nscopes = ['b']");
    let output = setting.run(&list, &["--prune"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(ids.iter().all(|id| said.contains(id.as_str())) && said.contains("`Partner`"), "{said}");
    assert_eq!(setting.clients().len(), 2);
    assert_eq!(actions(&setting.apply(LIST, &[])).len(), 4, "the list does not mean those");
}

#[test]
fn secrets_are_written_for_their_user_alone_and_not_shown() {
    let setting = Setting::of(Gateway::start(""));
    let folder = setting.gateway.folder.path().join("new/secrets");
    let folder_name = folder.to_str().unwrap();
    let list = LIST.replace("enabled = false", "");
    let output = setting.run(&list, &["--secrets-dir", folder_name]);
    assert!(output.status.success(), "{output:?}");
    assert!(!(text(&output.stdout) + &text(&output.stderr)).contains("prt_cs_"), "{output:?}");
    assert!(text(&output.stdout).contains(folder_name), "{output:?}");
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 2);
    for client in setting.clients() {
        let id = client["client_id"].as_str().unwrap().to_owned();
        assert_eq!(mode(&folder.join(&id)), 0o600);
        let secret = fs::read_to_string(folder.join(&id)).unwrap();
        let client = Client { id, secret, organization: setting.org().to_owned(), key: String::new() };
        setting.gateway.token(&client, Some("orders:read"));
    }
    let list = format!("{list}\n[[clients]]\nname = 'Third'\nscopes = ['a']");
    let entries = setting.apply(&list, &["--secrets-dir", folder_name]);
    assert!(entries[0].get("client_secret").is_none());
    assert!(folder.join(entries[0]["client_id"].as_str().unwrap()).exists());
}

#[test]
fn a_folder_that_takes_no_secrets_is_found_out_before_the_first_change() {
    let setting = Setting::new();
    let output = setting.run(LIST, &["--secrets-dir", setting.gateway.config().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("Nothing was changed"), "{output:?}");
    assert!(setting.clients().is_empty());
}

#[test]
fn a_running_gateway_sees_it_within_a_second() {
    let upstream = Upstream::start();
    let rest =
        format!("[upstreams.api]\nservers = [\"{}\"]\n[[upstreams.api.rules]]\nscopes = [\"a\"]", upstream.address);
    let setting = Setting::of(Gateway::start(&rest));
    let list = |scopes: &str| format!("[[clients]]\nname = 'Partner'\nscopes = {scopes}");
    let entries = setting.apply(&list("['a', 'b']"), &[]);
    let member = |name: &str| entries[0][name].as_str().unwrap().to_owned();
    let (id, secret) = (member("client_id"), member("client_secret"));
    let client = Client { id, secret, organization: setting.org().to_owned(), key: String::new() };
    let token = setting.gateway.token(&client, None);
    assert_eq!(setting.gateway.call("GET /x", &token).status, 200);
    for (list, flags, status) in [(list("['b']"), &[][..], 403), ("clients = []".to_owned(), &["--prune"], 401)] {
        setting.apply(&list, flags);
        let start = Instant::now();
        while setting.gateway.call("GET /x", &token).status != status {
            assert!(start.elapsed() < Duration::from_secs(1), "no {status} after a second");
            thread::sleep(Duration::from_millis(10));
        }
    }
}

#[test]
fn the_sample_that_comes_with_it_can_be_applied() {
    let setting = Setting::new();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/clients.toml");
    let output = setting.run_file(&sample, &[]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(setting.clients().len(), 2);
}
