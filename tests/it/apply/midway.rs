//! Runs that do not come to their end, that are two at once, or that must leave the store as it is.

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Read, Write},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, Stdio},
};

use super::*;

/// More clients than are created before a signal comes.
fn many() -> String {
    let client = |number| format!("[[clients]]\nname = 'Client {number}'\nscopes = ['a']");
    (0..300).map(client).collect::<Vec<_>>().join("\n")
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args(["-s", name, &child.id().to_string()]).status().unwrap().success());
}

/// The ids of those clients that came with their secrets.
fn told(entries: &[Value]) -> HashSet<String> {
    let secret = |entry: &&Value| entry["client_secret"].as_str().is_some_and(|text| text.starts_with("prt_cs_"));
    entries.iter().filter(secret).map(|entry| entry["client_id"].as_str().unwrap().to_owned()).collect()
}

fn ids(clients: &[Value]) -> HashSet<String> {
    clients.iter().map(|client| client["client_id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_run_that_ends_midway_says_what_was_done_and_what_was_not_and_is_taken_up_again() {
    let setting = Setting::new();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = setting.command(LIST, &[]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    let id = setting.clients()[0]["client_id"].as_str().unwrap().to_owned();
    for part in [
        format!(
            "Changed:\n  created          Acme's exporter  {id}\nNot changed:\n  to create        Nightly report\n"
        ),
        "portcullis client rotate".to_owned(),
        "cannot write the output".to_owned(),
    ] {
        assert!(said.contains(&part), "{part:?} in {said}");
    }
    let entries = setting.apply(LIST, &[]);
    assert_eq!(actions(&entries), [("create", "Nightly report"), ("unchanged", "Acme's exporter")]);
}

#[test]
fn an_interrupted_run_gives_out_every_secret_that_it_has_made() {
    for (name, format) in [("TERM", "json"), ("INT", "text")] {
        let setting = Setting::new();
        let mut command = setting.command(&many(), &["--format", format]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let mut shown = vec![0; 20];
        output.read_exact(&mut shown).unwrap();
        signal(&child, name);
        output.read_to_end(&mut shown).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(1), "{name}");
        let said = text(&ended.stderr);
        assert!(said.contains(&format!("interrupted by SIG{name}")) && said.contains("Not changed:"), "{said}");
        let made = ids(&setting.clients());
        assert!(!made.is_empty() && made.len() < 300, "{}", made.len());
        let shown = text(&shown);
        if format == "json" {
            let entries: Vec<Value> = serde_json::from_str(&shown).unwrap();
            assert_eq!((told(&entries), shown.lines().count()), (made, 1));
        } else {
            assert!(made.iter().all(|id| shown.contains(id)), "{shown}");
            assert_eq!(shown.matches("client secret   prt_cs_").count(), made.len());
        }
    }
}

#[test]
fn what_cannot_be_written_as_json_is_not_begun_and_a_second_signal_ends_it_at_once() {
    let setting = Setting::new();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = setting.command(LIST, &["--format", "json"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("cannot write the output"), "{output:?}");

    // Nobody reads, and there is no room left.
    let (mut write, _read) = UnixStream::pair().unwrap();
    write.set_nonblocking(true).unwrap();
    while write.write(&[b' '; 4096]).is_ok() {}
    write.set_nonblocking(false).unwrap();
    let mut command = setting.command(LIST, &["--format", "json"]);
    let mut child = command.stdout(OwnedFd::from(write)).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(child.stderr.take().unwrap()).read_line(&mut said).unwrap();
    assert!(said.starts_with("New secrets are shown this once"), "{said}");
    signal(&child, "TERM");
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(setting.clients().is_empty());
}

#[test]
fn runs_at_once_create_each_client_once() {
    let setting = Setting::new();
    let mut commands = [(); 3].map(|()| setting.command(LIST, &["--format", "json"]));
    let runs =
        commands.each_mut().map(|command| command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    let outputs = runs.map(|run| run.wait_with_output().unwrap());
    let entries: Vec<Value> = outputs
        .iter()
        .flat_map(|output| serde_json::from_slice::<Vec<Value>>(&output.stdout).unwrap_or_default())
        .collect();
    let clients = setting.clients();
    assert_eq!((clients.len(), told(&entries)), (2, ids(&clients)));
    for output in outputs.iter().filter(|output| !output.status.success()) {
        assert!(text(&output.stderr).contains("a client of this name has been created meanwhile"), "{output:?}");
    }
    assert!(setting.apply(LIST, &[]).iter().all(|entry| entry["action"] == "unchanged"));
}

#[test]
fn a_dry_run_does_not_migrate_a_store() {
    let setting = Setting::new();
    let store = setting.gateway.folder.path().join("portcullis.db");
    let mut older = fs::read(&store).unwrap();
    // The user version: <https://www.sqlite.org/fileformat2.html#the_database_header>
    older[60..64].copy_from_slice(&1_u32.to_be_bytes());
    fs::write(&store, &older).unwrap();
    let files = || fs::read_dir(setting.gateway.folder.path()).unwrap().count();
    setting.file(LIST);
    let before = files();
    let output = setting.run(LIST, &["--dry-run"]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output.stderr);
    assert!(said.contains("has schema 1, and would be brought to") && said.contains("dry run"), "{said}");
    assert!(fs::read(&store).unwrap() == older && files() == before);

    let mut newer = older;
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(&store, &newer).unwrap();
    let said = text(&setting.run(LIST, &["--dry-run"]).stderr);
    assert!(said.contains("has schema 99") && !said.contains("Any other verb"), "no other verb helps either: {said}");
    assert!(fs::read(&store).unwrap() == newer && files() == before);
}
