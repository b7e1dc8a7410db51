//! The real binary, started in a folder of its own, with its log watched: at its end no line may be an error that the
//! test did not expect, and no line may hold a secret that the test was given.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::SocketAddr,
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use data_encoding::BASE64;
use serde_json::Value;
use tempfile::TempDir;

use super::{Response, own_address, request};

/// The binary, with an environment of its own.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.env_clear();
    command
}

/// Runs a command to its end, with `input` at its standard input.
#[track_caller]
pub(crate) fn run(command: &mut Command, input: &str) -> Output {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that reads nothing may have ended by now.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Bytes of a program's output as text.
pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A client of the gateway with its credentials.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: String,
    pub(crate) organization: String,
    /// The organisation's key.
    pub(crate) key: String,
}

impl Client {
    /// The `Authorization` of RFC 6749 section 2.3.1.
    pub(crate) fn basic(&self) -> String {
        format!("Authorization: Basic {}", BASE64.encode(format!("{}:{}", self.id, self.secret).as_bytes()))
    }

    /// The two headers of the management API.
    pub(crate) fn organization_headers(&self) -> String {
        format!("X-Org-Id: {}\nX-API-Key: {}\nContent-Type: application/json", self.organization, self.key)
    }
}

/// A running gateway.
pub(crate) struct Gateway {
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) folder: TempDir,
    child: Option<Child>,
    log: Arc<Mutex<Vec<String>>>,
    expected: Vec<&'static str>,
    secrets: Mutex<Vec<String>>,
}

impl Gateway {
    /// A gateway with these `[upstreams]`, ready to serve.
    #[track_caller]
    pub(crate) fn start(upstreams: &str) -> Self {
        Self::with("", upstreams)
    }

    /// The same with more lines for `[server]`.
    #[track_caller]
    pub(crate) fn with(server: &str, rest: &str) -> Self {
        let mut gateway = Self::prepare(server, rest);
        gateway.launch();
        gateway
    }

    /// A gateway that is configured but does not run yet.
    #[track_caller]
    pub(crate) fn prepare(server: &str, rest: &str) -> Self {
        let address = own_address();
        let (public, admin) = (SocketAddr::new(address, 8080), SocketAddr::new(address, 9090));
        let gateway = Self {
            public,
            admin,
            folder: TempDir::new().unwrap(),
            child: None,
            log: Arc::default(),
            expected: Vec::new(),
            secrets: Mutex::default(),
        };
        gateway.configure(server, rest);
        gateway
    }

    /// Writes the configuration file.
    pub(crate) fn configure(&self, server: &str, rest: &str) {
        let (public, admin) = (self.public, self.admin);
        let text = format!(
            "[server]\nlisten = [\"{public}\"]\n{server}\n[admin]\nlisten = \"{admin}\"\n\
             [store]\nsqlite = \"portcullis.db\"\n{rest}\n"
        );
        fs::write(self.config(), text).unwrap();
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("portcullis.toml")
    }

    /// Starts it and waits until it is ready.
    #[track_caller]
    pub(crate) fn launch(&mut self) {
        self.launch_with(command());
    }

    /// The same by a command that runs the binary with the arguments it is given.
    #[track_caller]
    pub(crate) fn launch_with(&mut self, mut command: Command) {
        let mut child = command
            .arg("serve")
            .arg("-c")
            .arg(self.config())
            .env("RUST_BACKTRACE", "1")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        self.watch(child.stdout.take().unwrap());
        self.watch(child.stderr.take().unwrap());
        self.child = Some(child);
        let deadline = Instant::now() + Duration::from_secs(20);
        while std::net::TcpStream::connect(self.admin).is_err() || self.get_admin("/health/ready").status != 200 {
            let ended = self.child.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < deadline, "not ready ({ended:?}): {:#?}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn watch(&self, output: impl std::io::Read + Send + 'static) {
        let log = self.log.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                log.lock().unwrap().push(line);
            }
        });
    }

    /// Everything written to standard output and error so far.
    pub(crate) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Waits for a line of the log that holds `part`.
    #[track_caller]
    pub(crate) fn wait_for_log(&self, part: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(5);
        loop {
            if let Some(line) = self.log().into_iter().find(|line| line.contains(part)) {
                return line;
            }
            assert!(Instant::now() < deadline, "no {part:?} in {:#?}", self.log());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Says that error lines with this in them are no mistake.
    pub(crate) fn expect_error(&mut self, part: &'static str) {
        self.expected.push(part);
    }

    /// Sends the process a signal, such as `TERM`.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }

    /// Waits for the process to end, and says how and after how long.
    pub(crate) fn wait(&mut self) -> (Option<i32>, Duration) {
        let start = Instant::now();
        let status = self.child.take().unwrap().wait().unwrap();
        (status.code(), start.elapsed())
    }

    /// Runs a verb of the command line on this gateway's configuration.
    #[track_caller]
    pub(crate) fn cli(&self, arguments: &[&str], input: &str) -> Output {
        run(command().arg("-c").arg(self.config()).args(arguments), input)
    }

    /// The JSON that a verb prints.
    #[track_caller]
    pub(crate) fn cli_json(&self, arguments: &[&str], input: &str) -> Value {
        let output = self.cli(&[arguments, &["--format", "json"]].concat(), input);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        let value: Value = serde_json::from_slice(&output.stdout).unwrap();
        self.remember_secrets(&value);
        value
    }

    /// A new organisation with a new client of these scopes.
    #[track_caller]
    pub(crate) fn client(&self, scopes: &[&str]) -> Client {
        let organization = self.cli_json(&["org", "create", "Käse AG"], "");
        self.client_of(&organization, scopes)
    }

    /// A new client of an organisation as `org create` printed it.
    #[track_caller]
    pub(crate) fn client_of(&self, organization: &Value, scopes: &[&str]) -> Client {
        let id = organization["id"].as_str().unwrap();
        let mut arguments = vec!["client", "create", "--org", id, "--name", "Partner"];
        for scope in scopes {
            arguments.extend(["--scope", *scope]);
        }
        let client = self.cli_json(&arguments, "");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Client {
            id: text(&client["client_id"]),
            secret: text(&client["client_secret"]),
            organization: text(&organization["id"]),
            key: text(&organization["api_key"]),
        }
    }

    /// A token by RFC 6749 section 4.4.
    #[track_caller]
    pub(crate) fn token(&self, client: &Client, scope: Option<&str>) -> String {
        self.token_at(self.public, client, scope)
    }

    /// The same at one of the two listeners.
    #[track_caller]
    pub(crate) fn token_at(&self, to: SocketAddr, client: &Client, scope: Option<&str>) -> String {
        let form = match scope {
            Some(scope) => format!("grant_type=client_credentials&scope={}", scope.replace(' ', "+")),
            None => "grant_type=client_credentials".to_owned(),
        };
        let response = Self::post_form_at(to, "/oauth2/tokens", &client.basic(), &form);
        assert_eq!(response.status, 200, "{}", String::from_utf8_lossy(&response.body));
        self.remember_secrets(&response.json());
        response.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// A form to the public door.
    #[track_caller]
    pub(crate) fn post_form(&self, path: &str, headers: &str, form: &str) -> Response {
        Self::post_form_at(self.public, path, headers, form)
    }

    /// A form to one of the two listeners.
    #[track_caller]
    pub(crate) fn post_form_at(to: SocketAddr, path: &str, headers: &str, form: &str) -> Response {
        let head = format!("POST {path}\n{headers}\nContent-Type: application/x-www-form-urlencoded");
        request(to, &head, form.as_bytes())
    }

    /// A request through the door with a token.
    #[track_caller]
    pub(crate) fn call(&self, line: &str, token: &str) -> Response {
        request(self.public, &format!("{line}\nAuthorization: Bearer {token}"), b"")
    }

    /// A request through the door as it is.
    #[track_caller]
    pub(crate) fn send(&self, head: &str) -> Response {
        request(self.public, head, b"")
    }

    /// A GET of the private listener.
    #[track_caller]
    pub(crate) fn get_admin(&self, path: &str) -> Response {
        request(self.admin, &format!("GET {path}"), b"")
    }

    /// A request to the management API of the private listener.
    #[track_caller]
    pub(crate) fn manage(&self, line: &str, client: &Client, body: &str) -> Response {
        let response = request(self.admin, &format!("{line}\n{}", client.organization_headers()), body.as_bytes());
        if !response.body.is_empty() {
            self.remember_secrets(&response.json());
        }
        response
    }

    /// The value of a metric with these labels; 0 if it is not there.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = text(&self.get_admin("/metrics").body);
        let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
        line.map_or(0.0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
    }

    /// Keeps every secret of a reply, to be looked for in the log at the end.
    fn remember_secrets(&self, value: &Value) {
        match value {
            Value::String(text) if text.starts_with("prt_") => self.secrets.lock().unwrap().push(text.clone()),
            Value::Array(values) => values.iter().for_each(|value| self.remember_secrets(value)),
            Value::Object(values) => values.values().for_each(|value| self.remember_secrets(value)),
            _ => {}
        }
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
        if thread::panicking() {
            let _ = writeln!(std::io::stderr(), "the gateway's log:\n{}", self.log().join("\n"));
            return;
        }
        for line in self.log() {
            let is_error = line.contains(r#""level":"ERROR""#) && !line.contains(r#""target":"access""#);
            assert!(!is_error || self.expected.iter().any(|part| line.contains(part)), "unexpected: {line}");
            for secret in &*self.secrets.lock().unwrap() {
                assert!(!line.contains(secret), "a secret is in the log: {line}");
            }
        }
    }
}
