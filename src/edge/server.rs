//! The public door as a whole: bind, start, stop.
//!
//! pingora's listening service runs on a runtime of its own, without pingora's `Server`: that would keep the process for
//! its whole grace period at each stop, and would live on when its listener fails.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    os::fd::IntoRawFd,
    panic::{self, AssertUnwindSafe},
    sync::Arc,
    time::Duration,
};

use pingora::{
    proxy::{HttpProxy, http_proxy},
    server::{Fds, ListenFds, configuration::ServerConf},
    services::{Service as _, listening::Service},
};
use tokio::{
    runtime::{Builder, Runtime},
    sync::{Semaphore, watch},
    task::JoinHandle,
};

use super::{Gateway, door::Door};

/// The most connections that can be counted.
const MAX_CONNECTIONS: usize = u32::MAX as usize >> 3;

/// Listens on these addresses, so that a port that is taken is an error before anything starts.
///
/// # Errors
/// The first address that cannot be had, and why.
pub fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    addresses.iter().map(|address| TcpListener::bind(address).map_err(|error| (*address, error))).collect()
}

/// How long the last records of connections that are cut may take.
const LAST_RECORDS: Duration = Duration::from_millis(500);

/// The running door. Dropping it cuts all connections, and waits until that is recorded.
pub struct PublicServer {
    runtime: Option<Runtime>,
    service: JoinHandle<()>,
    shutdown: watch::Sender<bool>,
}

impl PublicServer {
    /// Serves on these listeners, on threads of its own. The addresses of upstreams are resolved by then.
    ///
    /// # Errors
    /// [`io::Error`] if the system does not give the threads, or a listener is broken.
    pub fn start(listeners: Vec<TcpListener>, gateway: Gateway) -> io::Result<Self> {
        let settings = Arc::new(gateway.parts.settings.clone());
        let (metrics, access_log) = (gateway.parts.metrics.clone(), gateway.parts.access_log);
        let threads = settings.threads.max(1);
        let runtime = Builder::new_multi_thread().worker_threads(threads).thread_name("door").enable_all().build()?;
        let connections = settings.max_connections.min(MAX_CONNECTIONS);
        let room = Arc::new(Semaphore::new(connections));
        let configuration = Arc::new(ServerConf { threads, ..ServerConf::default() });
        let door = Door { proxy: Arc::new(proxy(&configuration, gateway)?), settings, metrics, access_log, room };
        let mut service = Service::new("door".to_owned(), door);
        let fds = hand_over(listeners, &mut service)?;
        let (shutdown, watch) = watch::channel(false);
        let service = runtime.spawn(async move { service.start_service(Some(fds), watch, 1).await });
        Ok(Self { runtime: Some(runtime), service, shutdown })
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
        if let Some(runtime) = self.runtime.take() {
            // Within a runtime nobody may wait for the end of another one.
            let _panicked = std::thread::spawn(move || runtime.shutdown_timeout(LAST_RECORDS)).join();
        }
    }
}

/// pingora reads the system's trust store here, and panics if it is named but cannot be read.
fn proxy(configuration: &Arc<ServerConf>, gateway: Gateway) -> io::Result<HttpProxy<Gateway>> {
    panic::catch_unwind(AssertUnwindSafe(|| http_proxy(configuration, gateway))).map_err(|_| {
        io::Error::other("the system's TLS roots cannot be read: see SSL_CERT_FILE and SSL_CERT_DIR, or unset them")
    })
}

/// Gives the service the listeners that are bound already. It owns them from then on.
fn hand_over(listeners: Vec<TcpListener>, service: &mut Service<Door>) -> io::Result<ListenFds> {
    let mut fds = Fds::new();
    for listener in listeners {
        let address = listener.local_addr()?.to_string();
        listener.set_nonblocking(true)?;
        service.add_tcp(&address);
        fds.add(address, listener.into_raw_fd());
    }
    Ok(Arc::new(fds.into()))
}
