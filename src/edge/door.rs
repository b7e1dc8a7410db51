//! The door around pingora's proxy: how many connections there may be, and a [`Watch`] over each.
//!
//! It serves HTTP/1.1 in clear only; a connection that speaks HTTP/2 would need a clock for each stream.

use std::{fmt::Write as _, sync::Arc};

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use pingora::{
    apps::{HttpServerApp, ServerApp},
    protocols::Stream,
    proxy::HttpProxy,
    server::ShutdownWatch,
};
use tokio::sync::Semaphore;

use super::{
    Gateway, ServerSettings, answer, headers, refusals,
    socket::{Apology, WatchedSocket},
    watch::{HeadSize, Watch},
};
use crate::{model::RequestId, observe::Metrics, web::Refusal};

/// What each connection passes first.
pub(super) struct Door {
    pub(super) proxy: Arc<HttpProxy<Gateway>>,
    pub(super) settings: ServerSettings,
    pub(super) metrics: Arc<Metrics>,
    pub(super) apology: Apology,
    /// One permit for each connection that there may be.
    pub(super) room: Arc<Semaphore>,
}

/// Counts a connection while it is open.
struct Open(Arc<Metrics>);

impl Open {
    fn new(metrics: &Arc<Metrics>) -> Self {
        metrics.connections.inc();
        Self(metrics.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.connections.dec();
    }
}

#[async_trait]
impl ServerApp for Door {
    async fn process_new(self: &Arc<Self>, socket: Stream, shutdown: &ShutdownWatch) -> Option<Stream> {
        let Ok(_permit) = self.room.clone().try_acquire_owned() else {
            self.metrics.connections_refused.inc();
            return None;
        };
        let _open = Open::new(&self.metrics);
        let watch = Arc::new(Watch::new(self.settings.header_timeout, self.settings.idle_timeout));
        let socket = WatchedSocket::new(socket, watch.clone(), self.apology.clone());
        watch.over(self.proxy.process_new(Box::new(socket), shutdown)).await
    }

    /// Called once the listeners are closed. Without it, idle connections would stay.
    async fn cleanup(&self) {
        self.proxy.http_cleanup().await;
    }
}

/// What answers a head that pingora refuses before any phase: there is no request then, only its refusal.
pub(super) fn apology(settings: ServerSettings, metrics: Arc<Metrics>) -> Apology {
    Arc::new(move |status, size| {
        let refusal = refusal(status, size, &settings);
        metrics.requests.with_label_values(&["none", "other", refusal.status.as_str()]).inc();
        metrics.decisions.with_label_values(&["none", "deny", refusal.error]).inc();
        let id = RequestId::random().ok();
        wire(&answer::response(&refusal, id.as_ref()), id.as_ref())
    })
}

/// pingora tells the method only; the size tells the rest.
fn refusal(status: u16, size: HeadSize, settings: &ServerSettings) -> Refusal {
    if status == StatusCode::METHOD_NOT_ALLOWED {
        return refusals::unknown_method(&settings.methods);
    }
    // A method, a version and two blanks stand beside the target.
    if size.first_line > settings.max_target_bytes.saturating_add(32) {
        return refusals::long_target(settings);
    }
    let fields = size.bytes.saturating_sub(size.first_line);
    if size.lines > settings.max_headers.saturating_add(1) || fields > settings.max_header_bytes {
        return refusals::large_head(settings);
    }
    refusals::bad_request("The request's head cannot be read.")
}

/// A response as HTTP/1.1 writes it, which ends the connection.
fn wire(response: &http::Response<Bytes>, id: Option<&RequestId>) -> Bytes {
    let mut head = format!("HTTP/1.1 {}\r\nconnection: close\r\n", response.status());
    let _infallible = write!(head, "content-length: {}\r\n", response.body().len());
    if let Some(id) = id {
        let _infallible = write!(head, "{}: {id}\r\n", headers::REQUEST_ID);
    }
    let mut bytes = head.into_bytes();
    for (name, value) in response.headers() {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(response.body());
    bytes.into()
}
