//! One HTTP request at a time, for `health` and `demo --check`: plain HTTP/1.1, bounded in time and size.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Longer than anything asked for here may take.
const DEADLINE: Duration = Duration::from_secs(5);
/// Larger than anything asked for here may be.
const MOST: usize = 1024 * 1024;

/// Sends a request to `host:port`, its target as it stands in the request.
///
/// # Errors
/// The reason, for people, if no whole answer came in time.
pub(super) async fn send(authority: &str, request: Request<Full<Bytes>>) -> Result<Response<Bytes>, String> {
    let exchange = async {
        let stream = TcpStream::connect(authority).await.map_err(|error| error.to_string())?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
        let connection = tokio::spawn(connection);
        let response = sender.send_request(request).await.map_err(|error| error.to_string())?;
        let (parts, body) = response.into_parts();
        let body = Limited::new(body, MOST).collect().await.map_err(|error| error.to_string())?;
        connection.abort();
        Ok(Response::from_parts(parts, body.to_bytes()))
    };
    tokio::time::timeout(DEADLINE, exchange).await.unwrap_or_else(|_| Err("no answer in 5 seconds".to_owned()))
}
