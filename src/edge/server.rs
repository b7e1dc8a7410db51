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

use super::{
    Gateway,
    door::{self, Door},
};

/// The most connections that can be counted.
const MAX_CONNECTIONS: usize = u32::MAX as usize >> 3;

/// Listens on these addresses, so that a port that is taken is an error before anything starts.
///
/// # Errors
/// The first address that cannot be had, and why.
pub fn bind(addresses: &[SocketAddr]) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    addresses.iter().map(|address| TcpListener::bind(address).map_err(|error| (*address, error))).collect()
}

/// The running door. Dropping it cuts all connections.
pub struct PublicServer {
    runtime: Option<Runtime>,
    service: JoinHandle<()>,
    shutdown: watch::Sender<bool>,
    room: Arc<Semaphore>,
    connections: usize,
}

impl PublicServer {
    /// Serves on these listeners, on threads of its own. The addresses of upstreams are resolved by then.
    ///
    /// # Errors
    /// [`io::Error`] if the system does not give the threads, or a listener is broken.
    pub fn start(listeners: Vec<TcpListener>, gateway: Gateway) -> io::Result<Self> {
        let settings = gateway.parts.settings.clone();
        let metrics = gateway.parts.metrics.clone();
        let threads = settings.threads.max(1);
        let runtime = Builder::new_multi_thread().worker_threads(threads).thread_name("door").enable_all().build()?;
        let connections = settings.max_connections.min(MAX_CONNECTIONS);
        let room = Arc::new(Semaphore::new(connections));
        let configuration = Arc::new(ServerConf { threads, ..ServerConf::default() });
        let door = Door {
            proxy: Arc::new(proxy(&configuration, gateway)?),
            apology: door::apology(settings.clone(), metrics.clone()),
            settings,
            metrics,
            room: room.clone(),
        };
        let mut service = Service::new("door".to_owned(), door);
        let fds = hand_over(listeners, &mut service)?;
        let (shutdown, watch) = watch::channel(false);
        let service = runtime.spawn(async move { service.start_service(Some(fds), watch, 1).await });
        Ok(Self { runtime: Some(runtime), service, shutdown, room, connections })
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
            // All permits are back when the last connection has ended.
            let all = u32::try_from(self.connections).unwrap_or(u32::MAX);
            self.room.acquire_many(all).await.is_ok()
        };
        tokio::time::timeout(grace, ended).await.unwrap_or(false)
    }
}

impl Drop for PublicServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
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
