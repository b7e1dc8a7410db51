//! What the tests of the whole binary stand on: a gateway that runs, an upstream that records, callers that send bytes.

pub(crate) mod frames;
mod gateway;
mod http;
mod recorder;
mod tls;
mod upstream;

pub(crate) use gateway::{Client, Gateway, command, run, text};
pub(crate) use http::{Connection, Response, request, request_from};
pub(crate) use recorder::Recorder;
pub(crate) use tls::{Authority, Identity, TlsCaller};
pub(crate) use upstream::Upstream;

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::atomic::{AtomicU16, Ordering},
};

/// A loopback address that nobody else in this run of the tests has, so that ports never collide.
pub(crate) fn own_address() -> IpAddr {
    static NEXT: AtomicU16 = AtomicU16::new(1);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let process = u8::try_from(std::process::id() % 200).unwrap() + 20;
    IpAddr::V4(Ipv4Addr::new(127, process, high, low))
}
