//! Floor 5, the edge: sockets, bytes, and pingora, which no lower floor knows of.
//!
//! The walk of a request: [`PublicServer`] listens and runs; `accept` takes the connection in if there is one of the
//! `places` for it, with `tls` where that is set; the `door` serves it, `watch` keeps its time and `socket` its `pace`,
//! and gives it out request by request (`framing`), or `http2` stream by stream, until the `farewell`; `phases` is what
//! pingora calls of the `gateway`, one after the other. It reads the request (`intake`), lets the router answer what is
//! ours (`desk`), asks the [`crate::guard`], picks a server (`upstream`), cleans and identifies the request
//! (`headers`), turns what goes wrong into answers (`failure`, `refusals`, `answer`), and leaves one record (`exchange`).
//!
//! Everything that a reload replaces is one [`Live`]; a request holds the one it began with to its end.

mod accept;
mod answer;
mod bearer;
mod client_socket;
mod desk;
mod door;
mod exchange;
mod failure;
mod farewell;
mod foreign;
mod framing;
mod gateway;
mod headers;
mod http2;
mod intake;
mod live;
mod observed;
mod origin;
mod pace;
mod phases;
mod places;
mod refusals;
mod server;
mod settings;
mod socket;
#[cfg(test)]
mod tests;
mod tls;
mod upgrade;
mod upstream;
mod watch;

pub use gateway::{Gateway, GatewayParts};
pub use live::{Live, refresh_addresses};
pub use server::{PublicServer, bind};
pub use settings::{
    HostHeader, IdentityNames, ListStyle, LiveSettings, ReservedNames, Scheme, Server, ServerSettings, UpstreamSettings,
};
pub use tls::{ClientAuthorities, DoorTls, ServerCertificate, TlsError};
pub use upstream::{
    Authorities, Balance, ClientCertificate, HealthCheck, TlsName, Upstream, UpstreamTls, UpstreamTlsError,
    check_health,
};
