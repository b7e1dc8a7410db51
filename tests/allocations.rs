//! How many allocations an authenticated GET costs here, beyond those of a bare pingora that passes it on.
//!
//! Both proxies run in this process, before the same upstream, and are asked the same over a connection that stays open.
//! Caller and upstream allocate nothing once they are warm, and nobody else is at work, so the allocator's count is
//! exact: what is more with the gateway is the gateway's.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot be set up has failed")]

#[path = "../benches/load/pass_through.rs"]
mod pass_through;

use std::{
    alloc::System,
    error::Error,
    fs,
    io::{Read, Write, stderr},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use arc_swap::ArcSwap;
use axum::Router;
use portcullis::{
    app::Services,
    config::{Environment, Purpose, load},
    edge::{Gateway, GatewayParts, Live, PublicServer, bind},
    guard::Guard,
    model::{Clock, SystemClock},
    registry::ClientDraft,
    store::{Actor, Audit},
    tokens::IssueRequest,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use tempfile::TempDir;
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// The most that a request may cost.
const BAR: usize = 12;
/// Requests that are not counted: until connections are open, and everything is known that can be.
const WARM_UP: usize = 500;
/// Requests that are counted together, and how often.
const BATCH: usize = 100;
const BATCHES: usize = 10;
/// Until the last of them has left behind what it does.
const SETTLED: Duration = Duration::from_millis(20);
const BODY: usize = 1024;

#[test]
fn an_authenticated_get_allocates_little_beyond_what_pingora_does() {
    let upstream = upstream();
    let bare = bare(upstream);
    let house = House::open(upstream);
    let request = format!(
        "GET /orders/4711?page=2 HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: exporter/1.0\r\n\
         Accept: application/json\r\nAuthorization: Bearer {}\r\n\r\n",
        house.token
    );
    let (without, with) = (allocations(bare, &request), allocations(house.address, &request));
    let own = with.saturating_sub(without);
    writeln!(stderr(), "allocations of an authenticated GET: {own} of ours; {without} of pingora's").unwrap();
    assert!(own <= BAR, "an authenticated GET costs {own} allocations of ours, more than {BAR}");
}

/// How many allocations each request costs this process. The least of several counts: pingora shares a timer among the
/// requests of a moment, so that slow ones cost a part of an allocation more.
fn allocations(proxy: SocketAddr, request: &str) -> usize {
    let (mut caller, mut buffer) = (TcpStream::connect(proxy).unwrap(), [0; 4096]);
    let mut batch = |requests| {
        let region = Region::new(ALLOCATOR);
        for _ in 0..requests {
            ask(&mut caller, request, &mut buffer);
        }
        thread::sleep(SETTLED);
        let counted = region.change();
        counted.allocations + counted.reallocations
    };
    batch(WARM_UP);
    (0..BATCHES).map(|_| batch(BATCH)).min().unwrap() / BATCH
}

/// One request and its answer, without an allocation.
fn ask(caller: &mut TcpStream, request: &str, buffer: &mut [u8; 4096]) {
    caller.write_all(request.as_bytes()).unwrap();
    let mut length = 0;
    loop {
        let read = caller.read(&mut buffer[length..]).unwrap();
        length += read;
        assert!(read > 0 && buffer.starts_with(b"HTTP/1.1 200 "), "{}", String::from_utf8_lossy(&buffer[..length]));
        if head(&buffer[..length]).is_some_and(|head| length == head + BODY) {
            return;
        }
    }
}

/// How long a message's head is, once all of it is there.
fn head(message: &[u8]) -> Option<usize> {
    message.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4)
}

/// The API behind: it answers each request with the same, without an allocation.
fn upstream() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {BODY}\r\n\r\n{}", "x".repeat(BODY));
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (mut connection, answer) = (connection.unwrap(), answer.clone());
            thread::spawn(move || {
                let (mut buffer, mut length) = ([0; 4096], 0);
                while let Ok(read @ 1..) = connection.read(&mut buffer[length..]) {
                    length += read;
                    if head(&buffer[..length]).is_some() {
                        length = 0;
                        connection.write_all(answer.as_bytes()).unwrap();
                    }
                }
            });
        }
    });
    address
}

/// The proxy that does nothing of its own.
fn bare(upstream: SocketAddr) -> SocketAddr {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    thread::spawn(move || pass_through::run(address, upstream).unwrap());
    let deadline = Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < deadline, "the bare proxy does not listen");
        thread::sleep(Duration::from_millis(5));
    }
    address
}

/// The gateway, as it is configured and wired to be run, but for what keeps store and caches in order beside it.
struct House {
    address: SocketAddr,
    token: String,
    _server: PublicServer,
    _services: Services,
    _runtime: Runtime,
    _folder: TempDir,
}

impl House {
    fn open(upstream: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("portcullis.toml");
        let text = format!(
            "[server]\nlisten = [\"127.0.0.1:0\"]\nthreads = 1\n[store]\nsqlite = \"portcullis.db\"\n\
             [upstreams.orders]\nservers = [\"{upstream}\"]\n\
             [[upstreams.orders.rules]]\npath = \"/orders/**\"\nmethods = [\"GET\"]\nscopes = [\"orders:read\"]\n"
        );
        fs::write(&file, text).unwrap();
        let settings = load(&file, &Environment::default(), Purpose::Serve).unwrap().settings;
        let services = Services::open(&settings, 1).unwrap();
        let runtime = Runtime::new().unwrap();
        let live = Live::build(settings.live.clone(), false).unwrap();
        let token = runtime.block_on(async {
            live.resolve().await;
            token(&services).await.unwrap()
        });
        let listeners = bind(&settings.server.listen).unwrap();
        let address = listeners[0].local_addr().unwrap();
        let gateway = Gateway::new(GatewayParts {
            settings: settings.server,
            public_url: "http://gate.example".into(),
            live: Arc::new(ArcSwap::from_pointee(live)),
            guard: Guard::new(services.tokens.clone()),
            tokens: services.tokens.clone(),
            observations: services.observations.clone(),
            router: Router::new(),
            metrics: services.registry.metrics().clone(),
            access_log: None,
        });
        let server = PublicServer::start(listeners, gateway).unwrap();
        Self { address, token, _server: server, _services: services, _runtime: runtime, _folder: folder }
    }
}

/// A new token of a new client.
async fn token(services: &Services) -> Outcome<String> {
    let audit = || Audit { actor: Actor::CommandLine, at: SystemClock.now(), request_id: None };
    let owner = services.registry.create_organization("Acme".parse()?, None, audit()).await?.organization.id;
    let draft = ClientDraft {
        name: "exporter".parse()?,
        scopes: "orders:read".parse()?,
        default_scopes: None,
        audiences: "".parse()?,
        enabled: true,
        token_duration: None,
        refresh_token_duration: None,
        redirect_uris: None,
    };
    let client = services.registry.create_client(owner, draft, audit()).await?.client.id;
    let client = services.registry.vouch_for(client).await?;
    Ok(services.tokens.issue(&client, &IssueRequest::default()).await?.text.expose().to_owned())
}
