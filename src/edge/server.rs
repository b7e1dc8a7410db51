//! The public door as a whole: bind, start, stop.
//!
//! It runs on a runtime of its own, without pingora's `Server` and listening service: these would keep the process for
//! their whole grace period at each stop, would live on when a listener fails, and know no bounds.

use std::{
    convert::Infallible,
    io,
    net::{SocketAddr, TcpListener},
    panic::{self, AssertUnwindSafe},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use pingora::{
    apps::HttpServerOptions,
    proxy::{HttpProxy, http_proxy},
    server::configuration::ServerConf,
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::{oneshot, watch},
    task::JoinHandle,
};

use super::{
    Gateway, ServerSettings,
    accept::{self, Entrance},
    door::Door,
    places::Places,
};
use crate::observe::Metrics;

/// Idle connections to upstreams that are kept for each thread, at most.
const IDLE_UPSTREAM_CONNECTIONS: usize = 128;

/// Listens on these addresses, so that a port that is taken is an error before anything starts.
///
/// # Errors
/// The first address that cannot be had, and why.
pub fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    let listen = |address: &SocketAddr| {
        let listener = TcpListener::bind(address)?;
        accept::tune(&listener)?;
        Ok(listener)
    };
    addresses.iter().map(|address| listen(address).map_err(|error| (*address, error))).collect()
}

/// What its threads are called.
const THREAD: &str = "door";
/// How long the last records of connections that are cut may take.
const LAST_RECORDS: Duration = Duration::from_millis(500);

/// The running door. Dropping it cuts all connections, and waits until that is recorded.
pub struct PublicServer {
    service: JoinHandle<()>,
    shutdown: watch::Sender<bool>,
    /// The runtime is driven until this is gone.
    cut: Option<oneshot::Sender<Infallible>>,
    /// Ends with the runtime.
    driver: mpsc::Receiver<Infallible>,
}

impl PublicServer {
    /// Serves on these listeners, on threads of its own. The addresses of upstreams are resolved by then.
    ///
    /// # Errors
    /// [`io::Error`] if the system does not give the threads, or a listener is broken.
    pub fn start(listeners: Vec<TcpListener>, gateway: Gateway) -> io::Result<Self> {
        let settings = Arc::new(gateway.parts.settings.clone());
        let (metrics, access_log) = (gateway.parts.metrics.clone(), gateway.parts.access_log.clone());
        let live = gateway.parts.live.clone();
        let places = Arc::new(places(&settings, &metrics));
        let (secure, patience) = (live.load().tls.is_some(), settings.header_timeout);
        let proxy = Arc::new(proxy(&settings, gateway)?);
        let runtime = runtime(settings.threads)?;
        let door = Arc::new(Door { proxy, settings, places, metrics, access_log });
        let entrance = Entrance { door, live, secure, patience };
        let listeners = {
            let _of_its_own = runtime.enter();
            listeners.into_iter().map(listener).collect::<io::Result<_>>()?
        };
        let (shutdown, watch) = watch::channel(false);
        let service = runtime.spawn(accept::serve(listeners, entrance, watch));
        let (cut, until_cut) = oneshot::channel();
        let (running, driver) = mpsc::channel();
        thread::Builder::new().name(THREAD.to_owned()).spawn(move || {
            let _running = running;
            let _cut = runtime.block_on(until_cut);
            runtime.shutdown_timeout(LAST_RECORDS);
        })?;
        Ok(Self { service, shutdown, cut: Some(cut), driver })
    }

    /// Returns when the door no longer listens although nobody stopped it: always a fault.
    pub async fn ended(&mut self) {
        if !self.service.is_finished() {
            let _ended = (&mut self.service).await;
        }
    }

    /// Stops listening, lets what runs end, for at most `grace`, and cuts the rest. Idle connections are closed at
    /// once. Whether everything ended by itself.
    pub async fn stop(mut self, grace: Duration) -> bool {
        let _nobody_listens = self.shutdown.send(true);
        let ended = async {
            self.ended().await;
            // Each connection holds a receiver from the moment when it is accepted to its end.
            self.shutdown.closed().await;
        };
        tokio::time::timeout(grace, ended).await.is_ok()
    }
}

impl Drop for PublicServer {
    fn drop(&mut self) {
        drop(self.cut.take());
        // A thread that is stuck does not keep the process.
        let _ended = self.driver.recv_timeout(2 * LAST_RECORDS);
    }
}

/// A single thread has nobody to share its work with, and so need not be ready to.
fn runtime(threads: usize) -> io::Result<Runtime> {
    let mut builder = match threads {
        0 | 1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    builder.worker_threads(threads.max(1)).thread_name(THREAD).enable_all().build()
}

fn places(settings: &ServerSettings, metrics: &Arc<Metrics>) -> Places {
    let exempt = settings.trusted_proxies.clone();
    Places::new(settings.max_connections, settings.max_connections_per_address, exempt, metrics.clone())
}

/// No more idle connections to upstreams are kept than there may be clients.
fn configuration(settings: &ServerSettings) -> Arc<ServerConf> {
    let threads = settings.threads.max(1);
    let idle = (settings.max_connections / threads).clamp(1, IDLE_UPSTREAM_CONNECTIONS);
    Arc::new(ServerConf { threads, upstream_keepalive_pool_size: idle, ..ServerConf::default() })
}

/// pingora reads the system's trust store here, and panics if it is named but cannot be read.
fn proxy(settings: &ServerSettings, gateway: Gateway) -> io::Result<HttpProxy<Gateway>> {
    let configuration = configuration(settings);
    let proxy = panic::catch_unwind(AssertUnwindSafe(|| http_proxy(&configuration, gateway)));
    let mut proxy = proxy.map_err(|_| {
        io::Error::other("the system's TLS roots cannot be read: see SSL_CERT_FILE and SSL_CERT_DIR, or unset them")
    })?;
    let mut options = HttpServerOptions::default();
    // pingora counts how often the connection is used again.
    options.keepalive_request_limit = Some(settings.max_requests_per_connection - 1);
    proxy.server_options = Some(options);
    Ok(proxy)
}

fn listener(bound: TcpListener) -> io::Result<tokio::net::TcpListener> {
    bound.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(bound)
}
