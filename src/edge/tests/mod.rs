//! The whole door in this process: real sockets, a real store, a recording upstream.

mod answers;
mod bearers;
mod clients;
mod forwarding;
mod frames;
mod harness;
mod http2;
mod limits;
mod secure;
mod servers;
mod streams;
mod times;

pub(super) use harness::{server, server_settings, upstream_settings};
