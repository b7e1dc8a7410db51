//! What goes wrong on the way to an upstream and back, and the only place where it becomes an answer.

use pingora::{
    Error, ErrorSource,
    ErrorType::{
        ConnectError, ConnectNoRoute, ConnectRefused, ConnectTimedout, ConnectionClosed, Custom, HTTPStatus,
        InvalidHTTPHeader, ReadError, ReadTimedout, SocketError, WriteError, WriteTimedout,
    },
};

use super::refusals;
use crate::web::Refusal;

/// Why a request that was admitted, or was to be answered here, was not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// No connection to a server came about.
    Connect,
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
    /// Reads an error of pingora; `late` if the upstream was waited for too long.
    pub(super) fn of(error: &Error, late: bool) -> Self {
        match (error.esource(), error.etype()) {
            _ if late => Self::Timeout,
            (ErrorSource::Upstream, kind) => match kind {
                ConnectTimedout => Self::ConnectTimeout,
                ReadTimedout | WriteTimedout => Self::Timeout,
                ConnectRefused | ConnectNoRoute | ConnectError | SocketError => Self::Connect,
                InvalidHTTPHeader | Custom(_) => Self::Malformed,
                _ => Self::Broken,
            },
            (ErrorSource::Downstream, kind) => match kind {
                ReadTimedout => Self::SlowBody,
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
            Self::Broken => Some("broken"),
            Self::Malformed => Some("malformed"),
            Self::ConnectTimeout => Some("connect_timeout"),
            Self::Timeout => Some("timeout"),
            Self::Gone | Self::SlowBody | Self::LargeBody | Self::BrokenRequest | Self::Internal => None,
        }
    }

    /// The answer; nothing if nobody is there to read it.
    pub(super) fn refusal(self, max_body: u64) -> Option<Refusal> {
        match self {
            Self::Connect | Self::Broken | Self::Malformed => Some(refusals::bad_gateway()),
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

/// Whether a connection to a server ended before a byte of an answer came. pingora tells the number of bytes in words
/// only; other words mean no.
pub(super) fn before_an_answer(error: &Error) -> bool {
    *error.esource() == ErrorSource::Upstream
        && match error.etype() {
            WriteError => true,
            ConnectionClosed | ReadError => {
                error.context.as_ref().is_some_and(|words| words.as_str().ends_with("bytes already read: 0"))
            }
            _ => false,
        }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pingora::ErrorType::InternalError;

    #[test]
    fn what_does_not_come_in_time_is_a_504_and_what_breaks_a_502() {
        for (error, late, status) in [
            (Error::new_up(ConnectRefused), false, 502),
            (Error::new_up(ConnectionClosed), false, 502),
            (Error::new_up(InvalidHTTPHeader), false, 502),
            (Error::new_up(ConnectTimedout), false, 504),
            (Error::new_up(ReadTimedout), false, 504),
            (Error::new_down(ReadError), true, 504),
            (Error::new_down(ReadTimedout), false, 408),
            (Error::new_down(HTTPStatus(413)), false, 413),
            (Error::new_down(InvalidHTTPHeader), false, 400),
            (Error::new_in(InternalError), false, 500),
        ] {
            let refusal = Failure::of(&error, late).refusal(1).unwrap();
            assert_eq!(refusal.status.as_u16(), status, "{error}");
        }
        assert!(Failure::of(&Error::new_down(ConnectionClosed), false).refusal(1).is_none());
    }
}
