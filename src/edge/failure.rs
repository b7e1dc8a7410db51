//! What goes wrong on the way to an upstream and back, and the only place where it becomes an answer.

use std::{io, iter::successors};

use pingora::{
    Error, ErrorSource,
    ErrorType::{
        ConnectError, ConnectNoRoute, ConnectRefused, ConnectTimedout, ConnectionClosed, Custom, H2Downgrade, H2Error,
        HTTPStatus, InvalidCert, InvalidH2, InvalidHTTPHeader, ReadError, ReadTimedout, SocketError,
        TLSHandshakeFailure, TLSHandshakeTimedout, WriteError, WriteTimedout,
    },
    RetryType,
};

use super::refusals;
use crate::web::Refusal;

/// Why a request that was admitted, or was to be answered here, was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection to a server came about.
    Connect,
    /// A connection came about, but no agreement on TLS: the server's certificate, most often.
    Tls,
    /// The connection ended before the answer did.
    Broken,
    /// The answer cannot be understood.
    Malformed,
    /// The connection did not come about in time.
    ConnectTimeout,
    /// The answer did not come in time.
    Timeout,
    /// The client went away.
    Gone,
    /// The client's body did not come in time.
    SlowBody,
    /// The client's body is too large.
    LargeBody,
    /// What the client sent after its head is broken.
    BrokenRequest,
    /// Our own fault.
    Internal,
}

impl Failure {
    /// Reads an error of pingora. A client or an upstream that is too slow is most often cut by `watch` before.
    pub(super) fn of(error: &Error) -> Self {
        match (error.esource(), error.etype()) {
            (ErrorSource::Upstream, kind) => match kind {
                ConnectTimedout | TLSHandshakeTimedout => Self::ConnectTimeout,
                ReadTimedout | WriteTimedout => Self::Timeout,
                ConnectRefused | ConnectNoRoute | ConnectError | SocketError => Self::Connect,
                TLSHandshakeFailure | InvalidCert => Self::Tls,
                InvalidHTTPHeader | InvalidH2 | Custom(_) => Self::Malformed,
                _ => Self::Broken,
            },
            // From `socket`: the body is framed in a way that is not passed on.
            (ErrorSource::Downstream, ReadError) if system_kind(error) == Some(io::ErrorKind::InvalidData) => {
                Self::BrokenRequest
            }
            (ErrorSource::Downstream, kind) => match kind {
                _ if is_slow(error) => Self::SlowBody,
                HTTPStatus(413) => Self::LargeBody,
                ConnectionClosed | ReadError | WriteError | WriteTimedout | Custom("PrematureBodyEnd") => Self::Gone,
                _ => Self::BrokenRequest,
            },
            (ErrorSource::Internal | ErrorSource::Unset, _) => Self::Internal,
        }
    }

    /// The label of the metric, for what an upstream is to blame for.
    pub(super) const fn kind(self) -> Option<&'static str> {
        match self {
            Self::Connect => Some("connect"),
            Self::Tls => Some("tls"),
            Self::Broken => Some("broken"),
            Self::Malformed => Some("malformed"),
            Self::ConnectTimeout => Some("connect_timeout"),
            Self::Timeout => Some("timeout"),
            Self::Gone | Self::SlowBody | Self::LargeBody | Self::BrokenRequest | Self::Internal => None,
        }
    }

    /// Whether there was no connection that a request could be sent on.
    pub(super) const fn is_of_connection(self) -> bool {
        matches!(self, Self::Connect | Self::Tls | Self::ConnectTimeout)
    }

    /// The answer; nothing if nobody is there to read it.
    pub(super) fn refusal(self, max_body: u64) -> Option<Refusal> {
        match self {
            Self::Connect | Self::Tls | Self::Broken | Self::Malformed => Some(refusals::bad_gateway()),
            Self::ConnectTimeout | Self::Timeout => Some(refusals::gateway_timeout()),
            Self::SlowBody => Some(refusals::slow_body()),
            Self::LargeBody => Some(refusals::large_body(max_body)),
            Self::BrokenRequest => {
                let words = "The request is not framed correctly, or its Connection header is refused.";
                Some(refusals::bad_request(words))
            }
            Self::Internal => Some(refusals::internal()),
            Self::Gone => None,
        }
    }
}

/// Whether a client's body was too long in coming: pingora saw none at all for too long, or its socket too little.
pub(super) fn is_slow(error: &Error) -> bool {
    let cause = || error.root_cause().downcast_ref::<io::Error>().map(io::Error::kind);
    match error.etype() {
        ReadTimedout => true,
        ReadError => cause() == Some(io::ErrorKind::TimedOut),
        _ => false,
    }
}

/// Whether a connection to a server ended before a byte of an answer came. pingora tells that in words only; other
/// words mean no: while a body is written, an answer may be coming.
pub(super) fn before_an_answer(error: &Error) -> bool {
    let said = |words: &str| error.context.as_ref().is_some_and(|context| context.as_str().ends_with(words));
    *error.esource() == ErrorSource::Upstream
        && match error.etype() {
            WriteError => said("while writing request headers") || said("flushing request header"),
            ConnectionClosed | ReadError if said("bytes already read: 0") => true,
            H2Error | H2Downgrade | ReadError => said("while reading h2 header"),
            _ => false,
        }
}

/// What the system, or a socket of ours, said.
fn system_kind(error: &Error) -> Option<io::ErrorKind> {
    error.root_cause().downcast_ref::<io::Error>().map(io::Error::kind)
}

/// Whether the server itself says that it has not looked at the request, for which it is not to blame (RFC 9113 sections
/// 6.8 and 8.7): it refused the stream, or is closing the connection in good order. Only of these two does pingora decide
/// that an error of HTTP/2 may be tried again.
pub(super) fn never_looked_at(error: &Error) -> bool {
    *error.esource() == ErrorSource::Upstream && *error.etype() == H2Error && error.retry == RetryType::Decided(true)
}

/// An error for the log: its kind and what the system, or TLS, said. The rest of pingora's words may hold what was
/// received.
pub(super) fn cause(error: &Error) -> String {
    let kind = format!("{} ({})", error.etype().as_str(), error.esource().as_str());
    let root: &(dyn std::error::Error + 'static) = error.root_cause();
    let system = successors(Some(root), |error| error.source()).find_map(|error| error.downcast_ref::<io::Error>());
    let agreement = error.context.as_ref().filter(|_| *error.etype() == TLSHandshakeFailure);
    match (system, agreement) {
        (Some(system), _) => format!("{kind}: {system}"),
        (None, Some(words)) => format!("{kind}: {}", words.as_str()),
        (None, None) => kind,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pingora::ErrorType::InternalError;

    #[test]
    fn what_does_not_come_in_time_is_a_504_and_what_breaks_a_502() {
        for (error, status) in [
            (Error::new_up(ConnectRefused), 502),
            (Error::new_up(ConnectionClosed), 502),
            (Error::new_up(InvalidHTTPHeader), 502),
            (Error::new_up(TLSHandshakeFailure), 502),
            (Error::new_up(H2Error), 502),
            (Error::new_up(ConnectTimedout), 504),
            (Error::new_up(ReadTimedout), 504),
            (Error::new_down(ReadTimedout), 408),
            (Error::because(ReadError, "", io::Error::from(io::ErrorKind::TimedOut)).into_down(), 408),
            (Error::new_down(HTTPStatus(413)), 413),
            (Error::new_down(InvalidHTTPHeader), 400),
            (Error::new_in(InternalError), 500),
        ] {
            let refusal = Failure::of(&error).refusal(1).unwrap();
            assert_eq!(refusal.status.as_u16(), status, "{error}");
        }
        assert!(Failure::of(&Error::new_down(ConnectionClosed)).refusal(1).is_none());
    }

    #[test]
    fn a_body_that_the_socket_refuses_is_the_clients_fault_and_one_that_ends_its_leave() {
        for (kind, failure) in
            [(io::ErrorKind::InvalidData, Failure::BrokenRequest), (io::ErrorKind::ConnectionReset, Failure::Gone)]
        {
            let error = Error::because(ReadError, "when reading body", io::Error::from(kind)).into_down();
            assert_eq!(Failure::of(&error), failure);
        }
    }

    #[test]
    fn the_log_is_told_nothing_that_was_received() {
        let received = Error::because(InvalidHTTPHeader, "buf: Set-Cookie: secret", Error::new(ReadError));
        assert_eq!(cause(&received.into_up()), "InvalidHTTPHeader (Upstream)");
        let stranger = Error::because(TLSHandshakeFailure, "no authority", Error::new(ReadError));
        assert_eq!(cause(&stranger.into_up()), "TLSHandshakeFailure (Upstream): no authority");
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let refused = Error::because(ConnectRefused, "peer: 10.0.0.1", refused).into_up();
        assert_eq!(cause(&refused), "ConnectRefused (Upstream): connection refused");
    }

    #[test]
    fn only_an_upstream_that_said_nothing_was_silent() {
        let silent = |kind, words: &'static str| before_an_answer(&Error::explain(kind, words).into_up());
        assert!(silent(ConnectionClosed, "while reading response headers, bytes already read: 0"));
        assert!(silent(WriteError, "while writing request headers"));
        assert!(!silent(ConnectionClosed, "while reading response headers, bytes already read: 10"));
        assert!(!silent(WriteError, "while writing body"));
        assert!(silent(H2Error, "while reading h2 header"));
        assert!(!silent(H2Error, "cannot reserve capacity"));
        assert!(!silent(H2Error, "while checking end stream"));
        assert!(!silent(InvalidH2, "while reading h2 header"));
    }
}
