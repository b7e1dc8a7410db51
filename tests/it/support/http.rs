//! A caller that sends exactly the bytes it is given and reads one answer at a time.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{IpAddr, SocketAddr, TcpStream},
    time::Duration,
};

/// One answer.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    pub(crate) version: String,
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Response {
    /// The value of a header that must not stand there twice.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} stands twice in {:?}", self.headers);
        first
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| {
            panic!("no JSON ({error}) in {} {}", self.status, String::from_utf8_lossy(&self.body))
        })
    }

    /// The `error` of a refusal, after checking that the refusal is whole.
    #[track_caller]
    pub(crate) fn error(&self) -> String {
        let body = self.json();
        assert_eq!(body["errors"][0]["httpcode"], self.status, "{body}");
        assert_eq!(body["request_id"].as_str(), self.header("x-request-id"), "{body}");
        body["error"].as_str().unwrap().to_owned()
    }
}

/// A connection that stays open between requests.
pub(crate) struct Connection(BufReader<TcpStream>);

impl Connection {
    #[track_caller]
    pub(crate) fn open(to: SocketAddr) -> Self {
        Self::over(TcpStream::connect(to).unwrap())
    }

    /// The same from this address of ours.
    #[track_caller]
    pub(crate) fn open_from(from: IpAddr, to: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let stream = runtime.block_on(async {
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::new(from, 0)).unwrap();
            socket.connect(to).await.unwrap().into_std().unwrap()
        });
        stream.set_nonblocking(false).unwrap();
        Self::over(stream)
    }

    fn over(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Self(BufReader::new(stream))
    }

    /// The connection itself.
    pub(crate) fn stream(&mut self) -> &mut TcpStream {
        self.0.get_mut()
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        // A peer that has closed already shows in what is read.
        let _ = self.0.get_mut().write_all(bytes);
    }

    /// Says that nothing more is sent.
    pub(crate) fn finish_sending(&mut self) {
        let _ = self.0.get_mut().shutdown(std::net::Shutdown::Write);
    }

    /// The next answer; nothing if the connection was closed instead.
    pub(crate) fn answer(&mut self, to_head: bool) -> Option<Response> {
        let mut line = String::new();
        if self.0.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let (version, rest) = line.split_once(' ')?;
        let version = version.to_owned();
        let status = rest.split(' ').next()?.trim_end().parse().ok()?;
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            self.0.read_line(&mut line).ok()?;
            match line.trim_end().split_once(':') {
                Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
                None => break,
            }
        }
        let mut response = Response { version, status, headers, body: Vec::new() };
        if status == 100 {
            return self.answer(to_head);
        }
        if !to_head && status != 204 && status != 304 {
            response.body = self.body(&response)?;
        }
        Some(response)
    }

    fn body(&mut self, head: &Response) -> Option<Vec<u8>> {
        let mut body = Vec::new();
        if let Some(length) = head.header("content-length") {
            body.resize(length.parse().unwrap(), 0);
            self.0.read_exact(&mut body).ok()?;
        } else if head.header("transfer-encoding") == Some("chunked") {
            loop {
                let mut line = String::new();
                self.0.read_line(&mut line).ok()?;
                let length = usize::from_str_radix(line.trim(), 16).ok()?;
                let mut chunk = vec![0; length + 2];
                self.0.read_exact(&mut chunk).ok()?;
                body.extend_from_slice(&chunk[..length]);
                if length == 0 {
                    break;
                }
            }
        } else {
            self.0.read_to_end(&mut body).ok()?;
        }
        Some(body)
    }

    /// All that comes until the peer closes its side.
    pub(crate) fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        let _reset = self.0.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Whether the peer has closed its side; waits for it.
    pub(crate) fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0; 1]), Ok(0) | Err(_))
    }
}

/// Sends one request on a connection of its own. `head` is the request line and headers without `Host`,
/// `Content-Length` and the empty line.
#[track_caller]
pub(crate) fn request(to: SocketAddr, head: &str, body: &[u8]) -> Response {
    request_over(Connection::open(to), to, head, body)
}

/// The same from this address of ours.
#[track_caller]
pub(crate) fn request_from(from: IpAddr, to: SocketAddr, head: &str, body: &[u8]) -> Response {
    request_over(Connection::open_from(from, to), to, head, body)
}

#[track_caller]
fn request_over(mut connection: Connection, to: SocketAddr, head: &str, body: &[u8]) -> Response {
    let (line, headers) = head.split_once('\n').unwrap_or((head, ""));
    let mut bytes = format!("{line} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\n");
    for header in headers.lines().filter(|header| !header.is_empty()) {
        bytes.push_str(header);
        bytes.push_str("\r\n");
    }
    if !body.is_empty() {
        bytes = format!("{bytes}Content-Length: {}\r\n", body.len());
    }
    bytes.push_str("\r\n");
    connection.send(bytes.as_bytes());
    connection.send(body);
    connection.answer(line.starts_with("HEAD ")).unwrap_or_else(|| panic!("{line}: no answer"))
}
