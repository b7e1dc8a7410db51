//! Floor 5, the edge: sockets, bytes, and pingora, which no lower floor knows of.
//!
//! The walk of a request: [`Server`] listens and runs; `door` admits the connection, and `watch` keeps its time;
//! `gateway` is what pingora calls, phase by phase. It reads the request (`intake`), lets the router answer what is
//! ours (`desk`), asks the [`crate::guard`], picks a server (`upstream`), cleans and identifies the request
//! (`headers`), turns what goes wrong into answers (`failure`, `answer`), and leaves one record (`exchange`).
//!
//! Everything that a reload replaces is one [`Live`]; a request holds the one it began with to its end.

mod answer;
mod desk;
mod door;
mod exchange;
mod failure;
mod gateway;
mod headers;
mod intake;
mod live;
mod origin;
mod server;
mod settings;
#[cfg(test)]
mod tests;
mod upstream;
mod watch;

pub use gateway::{Gateway, GatewayParts};
pub use live::{Live, refresh_addresses};
pub use server::{Server, bind};
pub use settings::{
    HostHeader, IdentityNames, ListStyle, LiveSettings, ReservedNames, Server as UpstreamServer, ServerSettings,
    UpstreamSettings,
};
pub use upstream::Upstream;
