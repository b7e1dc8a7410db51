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

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpStream,
    };

    use super::*;
    use crate::web::{Refusal, desk};

    async fn panics() -> Refusal {
        panic!("on purpose")
    }

    /// Serves some routes in the background, for so many callers at once.
    async fn listen(most: usize) -> SocketAddr {
        let routes = desk(Router::new().route("/", get(|| async { "hello" })).route("/panic", get(panics)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve(listener, routes, Duration::from_secs(10), most, CancellationToken::new()));
        address
    }

    /// What comes for a request on a connection that stays open; nothing if it was closed instead.
    async fn ask(connection: &mut TcpStream, path: &str) -> Option<String> {
        connection.write_all(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n").as_bytes()).await.ok()?;
        let mut answer = vec![0; 4096];
        let length = connection.read(&mut answer).await.ok().filter(|length| *length > 0)?;
        String::from_utf8(answer[..length].to_vec()).ok()
    }

    #[tokio::test]
    async fn one_connection_too_many_is_closed_and_a_place_is_free_again_when_one_leaves() {
        let address = listen(2).await;
        let connect = || async { TcpStream::connect(address).await.unwrap() };
        let (mut first, mut second) = (connect().await, connect().await);
        for one in [&mut first, &mut second] {
            assert!(ask(one, "/").await.unwrap().ends_with("hello"));
        }
        assert_eq!(ask(&mut connect().await, "/").await, None);
        assert!(ask(&mut second, "/").await.unwrap().ends_with("hello"), "the others are served as before");
        drop(first);
        let served = async { while ask(&mut connect().await, "/").await.is_none() {} };
        tokio::time::timeout(Duration::from_secs(10), served).await.unwrap();
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_the_connection_goes_on() {
        let mut caller = TcpStream::connect(listen(1).await).await.unwrap();
        let answer = ask(&mut caller, "/panic").await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 500 ") && answer.contains(r#""error":"server_error""#), "{answer}");
        assert!(ask(&mut caller, "/").await.unwrap().ends_with("hello"));
    }
}
