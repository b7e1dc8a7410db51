//! The documentation's own commands, run as they stand: those of the README, and the tour of every endpoint.

use std::{
    collections::BTreeSet,
    fs,
    net::SocketAddr,
    path::Path,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use crate::support::{Gateway, Upstream, own_address, request, run, text};

const README: &str = include_str!("../../README.md");
const TOUR: &str = include_str!("../tour.md");
/// The faces, with the list of their endpoints at their head.
const FACES: [&str; 3] = [
    include_str!("../../src/oauth/mod.rs"),
    include_str!("../../src/manage/mod.rs"),
    include_str!("../../src/ops/mod.rs"),
];
const METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];
/// What a reader copies from one command's output into the next command, by how it begins.
const COPIED: [(&str, &str); 5] = [
    ("org", "org_"),
    ("api_key", "prt_ak_"),
    ("client_id", "cl_"),
    ("client_secret", "prt_cs_"),
    ("access_token", "prt_at_"),
];

/// The fenced blocks of a language.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    page.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// A page with the addresses of this run.
fn at(page: &str, public: SocketAddr, admin: SocketAddr, api: SocketAddr) -> String {
    let page = page.replace("127.0.0.1:8080", &public.to_string()).replace("127.0.0.1:9090", &admin.to_string());
    page.replace("127.0.0.1:9000", &api.to_string())
}

/// The commands of a script with the status behind each, such as `# 201`.
fn documented(script: &str) -> Vec<(&str, u16)> {
    script.lines().filter_map(|line| Some((line, line.rsplit_once("# ")?.1.trim().parse().ok()?))).collect()
}

/// Runs a script in a folder, checks the status of each `curl` against the one behind it, and gives back what it
/// printed.
#[track_caller]
fn play(script: &str, folder: &Path, variables: &[(&str, String)]) -> String {
    let (bin, statuses) = (folder.join("bin"), folder.join("statuses"));
    if !bin.exists() {
        fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_portcullis"), bin.join("portcullis")).unwrap();
    }
    fs::write(&statuses, "").unwrap();
    let prelude = "set -euo pipefail\nPATH=$bin:$PATH\n\
                   curl() { command curl --no-progress-meter -w '%{stderr}%{http_code}\\n' \"$@\" 2>>\"$statuses\"; }\n";
    let mut shell = Command::new("bash");
    shell.arg("-c").arg(format!("{prelude}{script}")).current_dir(folder);
    shell.env("bin", &bin).env("statuses", &statuses).env("no_proxy", "*");
    let output = run(shell.envs(variables.iter().map(|(name, value)| (*name, value))), "");
    let said = text(&output.stdout) + &text(&output.stderr);
    let got = fs::read_to_string(&statuses).unwrap();
    let expected = documented(script);
    for (status, (command, expected)) in got.lines().zip(&expected) {
        assert_eq!(status, expected.to_string(), "{command}");
    }
    assert_eq!(got.lines().count(), expected.len(), "commands and statuses: {got}");
    assert!(output.status.success(), "{:?}: {}", output.status, text(&output.stderr));
    said
}

/// Ends the process whose id is in this file.
struct Serving<'a>(&'a Path);

impl Drop for Serving<'_> {
    fn drop(&mut self) {
        if let Ok(id) = fs::read_to_string(self.0) {
            let _ = Command::new("kill").arg(id.trim()).status();
        }
    }
}

/// Whether a block builds or measures, which takes the sources.
fn is_for_a_clone(block: &str) -> bool {
    ["cargo ", "benches/"].iter().any(|command| block.starts_with(command))
}

#[test]
fn the_readmes_commands_protect_an_api_and_manage_it() {
    let upstream = Upstream::start();
    let address = own_address();
    let (public, admin) = (SocketAddr::new(address, 8080), SocketAddr::new(address, 9090));
    let page = at(README, public, admin, upstream.address);
    let folder = tempfile::tempdir().unwrap();
    let files = blocks(&page, "toml");
    let clients = files.iter().find(|file| file.contains("[[clients]]")).unwrap();
    fs::write(folder.path().join("portcullis.toml"), files[0]).unwrap();
    fs::write(folder.path().join("clients.toml"), clients).unwrap();
    let id = folder.path().join("serving");
    let _serving = Serving(&id);
    let mut variables =
        vec![("PORTCULLIS_SERVER__LISTEN", public.to_string()), ("PORTCULLIS_ADMIN__LISTEN", admin.to_string())];
    let mut played = 0;
    for block in blocks(&page, "sh").into_iter().filter(|block| !is_for_a_clone(block)) {
        let serves = block.contains("portcullis serve &");
        let block = block.replace("portcullis serve &", "portcullis serve >log 2>&1 &\necho $! >serving");
        let said = play(&block, folder.path(), &variables);
        for (name, prefix) in COPIED {
            let Some(begin) = said.find(prefix) else { continue };
            let value =
                said[begin..].split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-').next().unwrap();
            variables.push((name, value.to_owned()));
        }
        if serves {
            wait_until_ready(admin);
        }
        played += 1;
    }
    assert_eq!(played, 5, "the README has lost commands");
    assert_eq!(upstream.one().target(), "/orders/7");
}

#[track_caller]
fn wait_until_ready(admin: SocketAddr) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while std::net::TcpStream::connect(admin).is_err() || request(admin, "GET /readyz", b"").status != 200 {
        assert!(Instant::now() < deadline, "not ready");
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn the_tours_commands_get_the_statuses_behind_them() {
    let upstream = Upstream::start();
    let rules = blocks(README, "toml")[0].replace("127.0.0.1:9000", &upstream.address.to_string());
    let gateway = Gateway::start(&rules);
    let tour = at(&blocks(TOUR, "sh").concat(), gateway.public, gateway.admin, upstream.address);
    let config = gateway.config().to_str().unwrap().to_owned();
    play(&tour, gateway.folder.path(), &[("PORTCULLIS_CONFIG", config)]);
    assert_eq!(upstream.one().target(), "/orders/7");
}

/// Method and path that a command of the tour calls.
fn called(command: &str) -> Option<(String, String)> {
    let (_, rest) = command.split_once("$admin").or_else(|| command.split_once("$gateway"))?;
    let path = rest.split(['"', '?', ' ']).next()?;
    let path = path.replace("$client_id", "{id}").replace("$secret_id", "{secret_id}").replace("$jti", "{jti}");
    let asked = command.split_once("-X ").and_then(|(_, rest)| rest.split(' ').next());
    let method = asked.unwrap_or(if command.contains(" -d ") { "POST" } else { "GET" });
    Some((method.to_owned(), path))
}

/// Methods and paths of the lists at the faces' heads.
fn endpoints() -> BTreeSet<(String, String)> {
    let rows = FACES.into_iter().flat_map(str::lines).filter(|line| line.starts_with("//! | `"));
    rows.flat_map(|row| {
        let paths = row.split(['`', ' ']).filter(|word| word.starts_with('/') && word.len() > "//!".len());
        let methods = METHODS.into_iter().filter(|method| row.contains(method));
        paths.flat_map(move |path| methods.clone().map(move |method| (method.to_owned(), path.to_owned())))
    })
    .collect()
}

#[test]
fn the_tour_calls_every_endpoint() {
    let tour = blocks(TOUR, "sh").concat();
    let called: BTreeSet<_> = documented(&tour).into_iter().filter_map(|(command, _)| called(command)).collect();
    let missing: Vec<_> = endpoints().into_iter().filter(|endpoint| !called.contains(endpoint)).collect();
    assert!(endpoints().len() >= 30 && missing.is_empty(), "the tour does not call {missing:?}");
}

#[test]
fn the_lists_at_the_faces_heads_have_every_route() {
    let any_name = |path: &str| {
        let segments = path.split('/').map(|segment| if segment.starts_with('{') { "{}" } else { segment });
        segments.collect::<Vec<_>>().join("/")
    };
    let listed: BTreeSet<String> = endpoints().iter().map(|(_, path)| any_name(path)).collect();
    for face in FACES {
        for route in face.split(".route(\"").skip(1) {
            let path = any_name(route.split('"').next().unwrap());
            assert!(listed.contains(&path), "{path} is in no list");
        }
    }
}
