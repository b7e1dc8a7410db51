//! The door, an upstream that records, and a client that speaks bytes.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_swap::ArcSwap;
use axum::{Router, routing};
use http::Method;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use crate::{
    edge::{
        Balance, Gateway, GatewayParts, HostHeader, IdentityNames, ListStyle, Live, LiveSettings, PublicServer, Scheme,
        Server, ServerSettings, UpstreamSettings, UpstreamTls, bind,
    },
    guard::Guard,
    model::{AudienceSet, ClientId, Clock, SystemClock},
    observe::{AccessLog, Metrics},
    policy::{Access, PathPattern, PathPrefix, Rule, UpstreamPolicy, UpstreamRules},
    registry::{ClientDraft, Passwords, Registry, RegistryParts, RegistrySettings},
    store::{Actor, Audit, ClientUpdate, Observations, SqliteStore, Uses},
    tokens::{IssueRequest, Tokens},
    web::desk,
};

/// Longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

/// Small limits, long times.
pub(in crate::edge) fn server_settings() -> ServerSettings {
    ServerSettings {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        h2c: false,
        threads: 1,
        expose_management: false,
        trusted_proxies: Vec::new(),
        methods: vec![
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ],
        max_header_bytes: 4096,
        max_headers: 20,
        max_target_bytes: 1024,
        max_body: 1_000_000,
        header_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_mins(1),
        body_timeout: Duration::from_secs(30),
        max_connections: 100,
        max_connections_per_address: 1000,
        max_requests_per_connection: 1000,
        min_body_rate: 0,
        shutdown_grace: Duration::from_secs(30),
    }
}

/// An upstream at a port of this machine, public as a whole.
pub(in crate::edge) fn upstream_settings(name: &str, path: &str, port: u16) -> UpstreamSettings {
    let prefix: PathPrefix = path.parse().unwrap();
    let all = PathPattern::all_of(&prefix);
    UpstreamSettings {
        rules: UpstreamRules::new(UpstreamPolicy::new(name), prefix, vec![Rule::new(all, Access::Public)]),
        servers: vec![server(port)],
        balance: Balance::RoundRobin,
        health_check: None,
        tls: UpstreamTls::default(),
        strip_prefix: false,
        pass_override_headers: false,
        keep_header_case: false,
        forward_authorization: false,
        set_headers: Vec::new(),
        remove_headers: Vec::new(),
        host_header: HostHeader::Client,
        connect_timeout: Duration::from_secs(2),
        timeout: Duration::from_secs(30),
        stream_idle_timeout: Duration::from_mins(5),
        close_on_revoke: true,
        retries: 1,
        identity: IdentityNames::default(),
    }
}

/// The same behind a scope, told of owner and scopes.
pub(super) fn guarded(name: &str, path: &str, port: u16) -> UpstreamSettings {
    let mut settings = upstream_settings(name, path, port);
    settings.rules.rules[0].access = Access::AllScopes("read".parse().unwrap());
    settings.identity.owner = vec!["x-portcullis-owner".parse().unwrap()];
    settings.identity.scopes = vec![("x-portcullis-scopes".parse().unwrap(), ListStyle::Blanks)];
    settings
}

pub(in crate::edge) fn server(port: u16) -> Server {
    Server { scheme: Scheme::Http, host: "127.0.0.1".into(), port }
}

/// A port where nobody listens.
pub(super) async fn dead_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

/// What the recording upstream does with a request.
#[derive(Clone, Copy)]
pub(super) enum Reply {
    /// These bytes; the connection stays.
    Bytes(&'static str),
    /// These bytes, and then nothing, for ever.
    Hang(&'static str),
    /// These bytes, and the end.
    Close(&'static str),
    /// These bytes, one by one, with this pause.
    Drip(&'static str, Duration),
}

pub(super) const OK: Reply = Reply::Bytes("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");

/// An upstream that records what arrives, and answers the n-th request with the n-th reply, the last one for ever.
pub(super) struct Recorder {
    pub(super) port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Recorder {
    pub(super) async fn start(replies: &'static [Reply]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen: Arc<Mutex<Vec<String>>> = Arc::default();
        let all = seen.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(record(socket, all.clone(), replies));
            }
        });
        Self { port, seen }
    }

    /// The requests, whole, in the order of their arrival.
    pub(super) fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until so many have come.
    pub(super) async fn await_requests(&self, count: usize) {
        let come = async {
            while self.seen().len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(timeout(PATIENCE, come).await.is_ok(), "{:?}", self.seen());
    }

    /// The only request.
    pub(super) fn only(&self) -> String {
        let seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen[0].clone()
    }
}

async fn record(mut socket: TcpStream, seen: Arc<Mutex<Vec<String>>>, replies: &'static [Reply]) {
    while let Some(request) = message(&mut socket).await {
        let number = {
            let mut seen = seen.lock().unwrap();
            seen.push(request);
            seen.len() - 1
        };
        let reply = replies.get(number).or(replies.last()).copied().unwrap();
        match reply {
            Reply::Bytes(bytes) => socket.write_all(bytes.as_bytes()).await.unwrap_or_default(),
            Reply::Close(bytes) => {
                socket.write_all(bytes.as_bytes()).await.unwrap_or_default();
                return;
            }
            Reply::Hang(bytes) => {
                socket.write_all(bytes.as_bytes()).await.unwrap_or_default();
                std::future::pending::<()>().await;
            }
            Reply::Drip(bytes, pause) => {
                for byte in bytes.as_bytes() {
                    socket.write_all(&[*byte]).await.unwrap_or_default();
                    tokio::time::sleep(pause).await;
                }
            }
        }
    }
}

/// One HTTP/1.1 message with its body, as text; nothing at the end of the connection.
pub(super) async fn message(socket: &mut TcpStream) -> Option<String> {
    let mut text = Vec::new();
    loop {
        if let Some(end) = text.windows(4).position(|window| window == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&text[..end]).to_ascii_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse::<usize>().ok());
            let chunked = head.contains("transfer-encoding: chunked");
            let informational = head.starts_with("http/1.1 1");
            let whole = match length {
                Some(length) => text.len() >= end + 4 + length,
                None => !chunked || informational || text.ends_with(b"0\r\n\r\n"),
            };
            if whole {
                return Some(String::from_utf8_lossy(&text).into_owned());
            }
        }
        let mut byte = [0];
        match socket.read(&mut byte).await {
            Ok(1) => text.push(byte[0]),
            _ => return None,
        }
    }
}

/// On whose account things change here.
pub(super) fn audit() -> Audit {
    Audit { actor: Actor::CommandLine, at: SystemClock.now(), request_id: None }
}

/// The running door with all that belongs to it.
pub(super) struct House {
    pub(super) server: PublicServer,
    pub(super) address: SocketAddr,
    pub(super) metrics: Arc<Metrics>,
    pub(super) live: Arc<ArcSwap<Live>>,
    pub(super) tokens: Arc<Tokens>,
    registry: Arc<Registry>,
    _folder: tempfile::TempDir,
}

impl House {
    pub(super) async fn open(settings: ServerSettings, upstreams: Vec<UpstreamSettings>) -> Self {
        let listeners = bind(&settings.listen).unwrap();
        Self::open_on(listeners, settings, upstreams).await
    }

    /// One whose system holds next to nothing of what its clients do not take.
    pub(super) async fn open_narrow(settings: ServerSettings, upstreams: Vec<UpstreamSettings>) -> Self {
        let listeners = bind(&settings.listen).unwrap();
        rustix::net::sockopt::set_socket_send_buffer_size(&listeners[0], 4096).unwrap();
        Self::open_on(listeners, settings, upstreams).await
    }

    async fn open_on(
        listeners: Vec<std::net::TcpListener>,
        settings: ServerSettings,
        upstreams: Vec<UpstreamSettings>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let metrics = Arc::new(Metrics::new().unwrap());
        let registry = registry(folder.path(), &metrics);
        let tokens = Arc::new(Tokens::new(registry.clone(), Uses::new().0));
        let live = Live::build(LiveSettings { upstreams, ..LiveSettings::default() }, false).unwrap();
        live.resolve().await;
        let live = Arc::new(ArcSwap::from_pointee(live));
        let address = listeners[0].local_addr().unwrap();
        let gateway = Gateway::new(GatewayParts {
            settings,
            public_url: "http://gate.example".into(),
            live: live.clone(),
            guard: Guard::new(tokens.clone()),
            tokens: tokens.clone(),
            observations: Arc::new(Observations::new(Arc::new(SystemClock))),
            router: router(),
            metrics: metrics.clone(),
            access_log: Some(AccessLog::default()),
        });
        let server = PublicServer::start(listeners, gateway).unwrap();
        Self { server, address, metrics, live, tokens, registry, _folder: folder }
    }

    /// A token with the scope `read`, and its owner's id.
    pub(super) async fn token(&self) -> (String, String) {
        let (token, client) = self.token_for(None).await;
        let client = self.registry.client(client).await.unwrap().unwrap();
        (token, client.owner.id.to_string())
    }

    /// A token with the scope `read` that lives so long, and its client.
    pub(super) async fn token_for(&self, duration: Option<Duration>) -> (String, ClientId) {
        let owner = self.registry.create_organization("Acme".parse().unwrap(), None, audit()).await.unwrap();
        let draft = ClientDraft {
            name: "robot".parse().unwrap(),
            scopes: "read".parse().unwrap(),
            default_scopes: None,
            audiences: AudienceSet::default(),
            token_duration: duration,
            enabled: true,
            refresh_token_duration: None,
            redirect_uris: None,
        };
        let client = self.registry.create_client(owner.organization.id, draft, audit()).await.unwrap().client;
        let client = self.registry.vouch_for(client.id).await.unwrap();
        let issued = self.tokens.issue(&client, &IssueRequest::default()).await.unwrap();
        (issued.text.expose().to_owned(), client.client().id)
    }

    /// Changes a client in a way that takes nothing from its tokens.
    pub(super) async fn rename(&self, client: ClientId) {
        let update = ClientUpdate { name: Some("android".parse().unwrap()), ..ClientUpdate::default() };
        self.registry.update_client(client, update, audit()).await.unwrap();
    }

    pub(super) async fn disable(&self, client: ClientId) {
        let update = ClientUpdate { enabled: Some(false), ..ClientUpdate::default() };
        self.registry.update_client(client, update, audit()).await.unwrap();
    }

    pub(super) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Everything that comes back for these bytes until the connection ends.
    pub(super) async fn send(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut socket = self.connect().await;
        socket.write_all(bytes.as_ref()).await.unwrap();
        rest(&mut socket).await
    }

    /// The answer to a request without a body; the lines are further headers.
    pub(super) async fn get(&self, target: &str, lines: &str) -> String {
        self.send(format!("GET {target} HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n{lines}\r\n")).await
    }

    pub(super) fn metrics_text(&self) -> String {
        String::from_utf8(self.metrics.encode().unwrap()).unwrap()
    }

    /// Waits until the metrics hold a line: a record is written after its answer.
    pub(super) async fn counts(&self, line: &str) {
        let counted = async {
            while !self.metrics_text().contains(line) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        assert!(timeout(PATIENCE, counted).await.is_ok(), "{line} is missing in\n{}", self.metrics_text());
    }
}

/// The status of an answer.
pub(super) fn status(answer: &str) -> &str {
    answer.get(9..12).unwrap_or(answer)
}

/// What comes until the connection ends.
pub(super) async fn rest(socket: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is an end, too.
    let _end = timeout(PATIENCE, socket.read_to_end(&mut answer)).await.expect("the connection ends");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The next answer on a connection that stays.
pub(super) async fn answer(socket: &mut TcpStream) -> String {
    timeout(PATIENCE, message(socket)).await.expect("an answer comes").expect("the connection stays")
}

fn registry(folder: &Path, metrics: &Arc<Metrics>) -> Arc<Registry> {
    let store = Arc::new(SqliteStore::open(&folder.join("store.db")).unwrap());
    let day = Duration::from_hours(24);
    let settings = RegistrySettings {
        token_duration: day,
        max_token_duration: day,
        secret_overlap: day,
        max_live_per_client: 1000,
        token_cache: 1 << 20,
    };
    let parts = RegistryParts {
        passwords: Passwords::start(1).unwrap(),
        uses: Uses::new().0,
        clock: Arc::new(SystemClock),
        metrics: metrics.clone(),
    };
    Arc::new(Registry::new(store, settings, parts))
}

fn router() -> Router {
    async fn echo(id: axum::Extension<crate::model::RequestId>, body: String) -> String {
        format!("{} {body}", id.0)
    }
    async fn broken() -> String {
        panic!("a handler panics")
    }
    let routes = Router::new().route("/oauth2/tokens", routing::post(echo));
    desk(routes.route("/oauth2/introspect", routing::post(broken)))
}
