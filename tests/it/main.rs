//! Tests of the whole binary: spawned, configured by a file, spoken to over sockets.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test that cannot be set up has failed"
)]

mod support;

mod abuse;
mod apply;
mod bad_input;
mod bounds;
mod command_line;
mod durability;
mod grpc;
mod hostile;
mod http2;
mod identity;
mod journey;
mod libraries;
mod limits;
mod nginx;
mod observe;
mod paths;
mod reload;
mod rfc;
mod servers;
mod start_and_stop;
mod tls;
mod token_end;
mod tour;
mod upstreams;
mod who_is_who;
