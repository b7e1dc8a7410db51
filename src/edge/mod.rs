//! Floor 5, the edge: sockets, bytes, and pingora, which no lower floor knows of.
//!
//! The walk of a request: [`PublicServer`] listens and runs; `door` admits the connection, `watch` keeps its time,
//! and its `socket` gives it out request by request (`framing`) until the `farewell`; `phases` is what pingora calls of the `gateway`, one after the other. It reads the request (`intake`), lets the router answer what is
//! ours (`desk`), asks the [`crate::guard`], picks a server (`upstream`), cleans and identifies the request
//! (`headers`), turns what goes wrong into answers (`failure`, `refusals`, `answer`), and leaves one record (`exchange`).
//!
//! Everything that a reload replaces is one [`Live`]; a request holds the one it began with to its end.

mod answer;
mod desk;
mod door;
mod exchange;
mod failure;
mod farewell;
mod framing;
mod gateway;
mod headers;
mod intake;
mod live;
mod origin;
mod phases;
mod refusals;
mod server;
mod settings;
mod socket;
#[cfg(test)]
mod tests;
mod upstream;
mod watch;

pub use gateway::{Gateway, GatewayParts};
pub use live::{Live, refresh_addresses};
pub use server::{PublicServer, bind};
pub use settings::{
    HostHeader, IdentityNames, ListStyle, LiveSettings, ReservedNames, Scheme, Server, ServerSettings, UpstreamSettings,
};
pub use upstream::{
    Authorities, Balance, ClientCertificate, HealthCheck, TlsError, TlsName, Upstream, UpstreamTls, check_health,
};
