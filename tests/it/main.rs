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
mod command_line;
mod durability;
mod identity;
mod journey;
mod libraries;
mod paths;
mod reload;
mod rfc;
mod servers;
mod start_and_stop;
mod tour;
mod upstreams;
mod who_is_who;
