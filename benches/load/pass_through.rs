//! A bare pingora that passes every request on and does nothing else: what portcullis is compared with.
//!
//! It runs as portcullis' door does: pingora's listening service on a runtime with one worker.

use std::{net::SocketAddr, sync::Arc};

use async_trait::async_trait;
use pingora::{
    Result,
    proxy::{ProxyHttp, Session, http_proxy_service},
    server::configuration::ServerConf,
    services::Service as _,
    upstreams::peer::HttpPeer,
};
use tokio::{runtime::Builder, sync::watch};

use super::Outcome;

struct PassThrough {
    behind: SocketAddr,
}

#[async_trait]
impl ProxyHttp for PassThrough {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _session: &mut Session, (): &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.behind, false, String::new())))
    }
}

/// Serves on this address until it is killed, for what is behind.
pub(super) fn run(address: SocketAddr, behind: SocketAddr) -> Outcome<()> {
    let mut service = http_proxy_service(&Arc::new(ServerConf::default()), PassThrough { behind });
    service.add_tcp(&address.to_string());
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let (_shutdown, watch) = watch::channel(false);
    let served = runtime.spawn(async move { service.start_service(None, watch, 1).await });
    Ok(runtime.block_on(served)?)
}
