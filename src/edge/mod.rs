//! Floor 5, the edge: sockets, bytes, and pingora, which no lower floor knows of.
//!
//! The walk of a request:
//!
//! - The way in. [`PublicServer`] listens and runs; `accept` takes a connection in if there is one of the `places` for
//!   it, and makes a `client_socket` of it, under `tls` (read from `pem`) where that is set.
//! - The door. `door` serves the connection and `watch` keeps its time. It comes to pingora request by request
//!   (`socket`, by the rules of `framing`) or stream by stream (`http2`), at a certain `pace`, and ends with a
//!   `farewell`.
//! - The proxy. `phases` is what pingora calls of the `gateway`. It reads the request (`origin`, `upgrade`, `intake`),
//!   lets the router answer what is ours (`desk`), asks the [`crate::guard`], notes what an observing upstream gets all
//!   the same (`observed`, `foreign`), and has the token watched for as long as the request runs (`bearer`).
//! - The way out. `upstream` picks a server, `headers` cleans and identifies the request; what comes back, and what goes
//!   wrong, becomes the answer (`answer`, `failure`, `refusals`), and one record is left (`exchange`).
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
mod pem;
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
pub use pem::TlsError;
pub use server::{PublicServer, bind};
pub use settings::{
    HostHeader, IdentityNames, ListStyle, LiveSettings, ReservedNames, Scheme, Server, ServerSettings, UpstreamSettings,
};
pub use tls::{ClientAuthorities, DoorTls, ServerCertificate};
pub use upstream::{
    Authorities, Balance, ClientCertificate, HealthCheck, TlsName, Upstream, UpstreamTls, check_health,
};
