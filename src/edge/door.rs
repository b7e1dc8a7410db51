//! The door around pingora's proxy: a [`Watch`] over each connection that was let in (`accept`).
//!
//! A connection that speaks HTTP/2 is served stream by stream (`http2`), each under a clock of its own.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use pingora::{
    apps::{HttpServerApp, ServerApp},
    protocols::{Stream, http::ServerSession},
    proxy::HttpProxy,
    server::ShutdownWatch,
};

use super::{
    Gateway, ServerSettings, answer,
    exchange::Record,
    framing::{Excess, HeadSize},
    http2::{self, Opening},
    places::Places,
    refusals,
    socket::WatchedSocket,
    watch::{Cut, Watch},
};
use crate::{
    model::RequestId,
    observe::{AccessLog, Metrics},
    web::Refusal,
};

/// What each connection passes first.
pub(super) struct Door {
    pub(super) proxy: Arc<HttpProxy<Gateway>>,
    pub(super) settings: Arc<ServerSettings>,
    pub(super) places: Arc<Places>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) access_log: Option<AccessLog>,
}

#[async_trait]
impl ServerApp for Door {
    async fn process_new(self: &Arc<Self>, socket: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let settings = &self.settings;
        let watch = Arc::new(Watch::new(settings.header_timeout, settings.idle_timeout));
        let _ended = watch.clone().guard(self.serve(socket, &watch, shutdown)).await;
        let (mut left, cut) = (watch.left(), watch.was_cut());
        // A client that said nothing for too long has no answer that it could lose. It is told of the end all the same:
        // TLS tells it from a connection that someone else cut (RFC 8446 section 6.1).
        left.unfinished &= cut != Some(Cut::Silence);
        // One that takes nothing cannot be told.
        if cut != Some(Cut::Gone) {
            left.close(settings.idle_timeout).await;
        }
        None
    }

    /// Called once the listeners are closed. Without it, idle connections would stay.
    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

impl Door {
    /// Serves a connection to its end.
    async fn serve(self: &Arc<Self>, socket: Stream, watch: &Arc<Watch>, shutdown: &ShutdownWatch) {
        // Whoever is gone before the first byte leaves nothing to be done.
        let Ok(opening) = Opening::of(socket, self.settings.h2c, shutdown).await else { return };
        if opening.is_http2 {
            return http2::serve(self, opening, watch, shutdown).await;
        }
        let digest = opening.socket.get_socket_digest();
        let peer = digest.and_then(|digest| digest.peer_addr()?.as_inet().copied());
        let apology = {
            let (door, watch) = (self.clone(), watch.clone());
            Box::new(move |status, size| door.apologise(status, size, peer, watch.waited()))
        };
        let socket = WatchedSocket::new(opening, watch.clone(), self.settings.clone(), apology);
        let _never_reused = self.proxy.process_new(Box::new(socket), shutdown).await;
    }

    /// Answers a stream that pingora may not see.
    pub(super) async fn refuse_stream(&self, mut session: ServerSession, refusal: &Refusal) {
        let id = Some(RequestId::random());
        let peer = session.client_addr().and_then(|address| address.as_inet()).copied();
        self.note(refusal, id.as_ref(), peer, Duration::ZERO);
        // Whoever cannot be told has gone.
        let _gone = answer::refuse(&mut session, refusal, id.as_ref()).await;
    }

    /// Leaves the record of a request that no phase saw.
    pub(super) fn note(&self, refusal: &Refusal, id: Option<&RequestId>, peer: Option<SocketAddr>, took: Duration) {
        let mut record = Record::new(self.metrics.clone(), self.access_log.clone());
        record.refused(refusal, peer, took);
        record.write(id, refusal.status.as_u16());
    }

    /// What answers a head that is refused before any phase: there is no request then, only its refusal and its record.
    fn apologise(&self, status: u16, size: HeadSize, peer: Option<SocketAddr>, took: Duration) -> Bytes {
        let refusal = refusal(status, size, &self.settings);
        let id = Some(RequestId::random());
        self.note(&refusal, id.as_ref(), peer, took);
        answer::wire(&answer::response(&refusal, id.as_ref()), id.as_ref(), true)
    }
}

/// pingora tells the method only; the size tells the rest.
fn refusal(status: u16, size: HeadSize, settings: &ServerSettings) -> Refusal {
    if status == StatusCode::METHOD_NOT_ALLOWED {
        return refusals::unknown_method(&settings.methods);
    }
    match size.excess(settings) {
        Some(Excess::Target) => refusals::long_target(settings),
        Some(Excess::Fields) => refusals::large_head(settings),
        None => refusals::bad_request("The request's head cannot be read."),
    }
}
