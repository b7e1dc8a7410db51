//! The private listener: axum over hyper, with the time limits of the public door, so that a caller who says nothing
//! cannot hold it for ever.

use std::{sync::Arc, time::Duration};

use axum::{Router, body::Body, extract::ConnectInfo};
use hyper::{body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{net::TcpListener, sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long to wait before listening again when the system gives no more connections (descriptors, memory).
const BREATH: Duration = Duration::from_millis(100);
/// How often that is said at most.
const COMPLAINT: Duration = Duration::from_secs(1);

/// Serves until `stopping`, then lets what runs end. `header_timeout` is for a request's whole head, and for the time
/// that a connection may be idle before it; `most` is how many connections there may be at once.
pub(super) async fn serve(
    listener: TcpListener,
    routes: Router,
    header_timeout: Duration,
    most: usize,
    stopping: CancellationToken,
) {
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(header_timeout);
    let graceful = GracefulShutdown::new();
    let room = Arc::new(Semaphore::new(most));
    let mut complained: Option<Instant> = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopping.cancelled() => break,
        };
        match accepted {
            Ok((stream, peer)) => {
                // One too many is closed at once.
                let Ok(place) = room.clone().try_acquire_owned() else { continue };
                let service = routes.clone().map_request(move |request: http::Request<Incoming>| {
                    let mut request = request.map(Body::new);
                    request.extensions_mut().insert(ConnectInfo(peer));
                    request
                });
                let connection = http.serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
                let connection = graceful.watch(connection);
                // A caller that breaks off concerns nobody else.
                tokio::spawn(async move {
                    let _broken_off = connection.await;
                    drop(place);
                });
            }
            Err(error) => {
                if complained.is_none_or(|last| last.elapsed() >= COMPLAINT) {
                    tracing::warn!(%error, "the private listener got no connection from the system");
                    complained = Some(Instant::now());
                }
                tokio::time::sleep(BREATH).await;
            }
        }
    }
    drop(listener);
    graceful.shutdown().await;
}
