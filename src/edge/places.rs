//! How many connections there may be: in all, and from one address.
//!
//! Each may need one to a server behind. So does each stream of HTTP/2: the first one of a connection has its place, those
//! beside it take places of their own, of half of all, so that connections still come in.

use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use ipnet::IpNet;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::origin::is_proxy;
use crate::{
    limits::network,
    observe::{Metrics, OpenConnection},
};

/// The most connections that can be counted.
const MOST: usize = u32::MAX as usize >> 3;

/// The places at the public door.
pub(super) struct Places {
    all: Arc<Semaphore>,
    /// What streams beside others may have of `all`.
    beside: Arc<Semaphore>,
    per_address: usize,
    /// Proxies, whose connections are those of many clients.
    exempt: Vec<IpNet>,
    /// How many each sender holds. Those that hold none are not in it, so it is never larger than `all`.
    held: Mutex<HashMap<IpAddr, usize>>,
    metrics: Arc<Metrics>,
}

/// The place of a connection, until this is dropped.
pub(super) struct Place {
    _open: OpenConnection,
    _share: Share,
}

/// The place of a stream beside others of its connection, until this is dropped.
pub(super) struct Beside {
    _one_of_half: OwnedSemaphorePermit,
    _share: Share,
}

/// One of all places, and of its sender's, until this is dropped.
struct Share {
    _one_of_all: OwnedSemaphorePermit,
    sender: Option<(Arc<Places>, IpAddr)>,
}

impl Places {
    pub(super) fn new(all: usize, per_address: usize, exempt: Vec<IpNet>, metrics: Arc<Metrics>) -> Self {
        let all = all.min(MOST);
        let beside = Arc::new(Semaphore::new(all / 2));
        Self { all: Arc::new(Semaphore::new(all)), beside, per_address, exempt, held: Mutex::default(), metrics }
    }

    /// A place for one more connection from there; none, which is counted, if there is no room.
    pub(super) fn take(self: &Arc<Self>, peer: SocketAddr) -> Option<Place> {
        let Some(share) = self.share(peer) else {
            self.metrics.connections_refused.inc();
            return None;
        };
        Some(Place { _open: self.metrics.open_connection(), _share: share })
    }

    /// A place for one more stream beside others of a connection from there; none if there is no room.
    pub(super) fn beside(self: &Arc<Self>, peer: SocketAddr) -> Option<Beside> {
        let one_of_half = self.beside.clone().try_acquire_owned().ok()?;
        Some(Beside { _one_of_half: one_of_half, _share: self.share(peer)? })
    }

    fn share(self: &Arc<Self>, peer: SocketAddr) -> Option<Share> {
        let address = peer.ip().to_canonical();
        let one_of_all = self.all.clone().try_acquire_owned().ok()?;
        let sender = if is_proxy(address, &self.exempt) {
            None
        } else {
            let sender = network(address);
            let mut held = self.held();
            let count = held.entry(sender).or_default();
            if *count >= self.per_address {
                return None;
            }
            *count += 1;
            drop(held);
            Some((self.clone(), sender))
        };
        Some(Share { _one_of_all: one_of_all, sender })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some((places, sender)) = &self.sender else { return };
        let mut held = places.held();
        if let Some(count) = held.get_mut(sender) {
            *count -= 1;
            if *count == 0 {
                held.remove(sender);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(all: usize, per_address: usize) -> Arc<Places> {
        let exempt = vec!["10.0.0.0/8".parse().unwrap()];
        Arc::new(Places::new(all, per_address, exempt, Arc::new(Metrics::new().unwrap())))
    }

    fn take(places: &Arc<Places>, address: &str) -> Option<Place> {
        places.take(SocketAddr::new(address.parse().unwrap(), 1))
    }

    #[test]
    fn one_sender_gets_no_more_than_its_share_and_others_still_get_theirs() {
        let places = places(10, 2);
        for (one, another, other) in
            [("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2:0:0:1", "2001:db8:0:1::1")]
        {
            let first = take(&places, one).unwrap();
            let _second = take(&places, another).unwrap();
            assert!(take(&places, one).is_none() && take(&places, another).is_none());
            let _other = take(&places, other).unwrap();
            drop(first);
            assert!(take(&places, one).is_some());
        }
        assert!(places.held().is_empty(), "nobody is remembered");
    }

    #[test]
    fn the_share_of_all_holds_for_everybody() {
        let places = places(3, 2);
        let held: Vec<_> = ["192.0.2.1", "192.0.2.2", "10.0.0.1"].map(|from| take(&places, from).unwrap()).into();
        assert!(take(&places, "192.0.2.3").is_none() && take(&places, "10.0.0.1").is_none());
        assert_eq!((places.metrics.connections.get(), places.metrics.connections_refused.get()), (3, 2));
        drop(held);
        assert!(take(&places, "192.0.2.3").is_some());
        assert_eq!(places.metrics.connections.get(), 0);
    }

    #[test]
    fn a_stream_beside_another_takes_a_place_as_a_connection_does() {
        let places = places(4, 2);
        let beside = |peer: &str| places.beside(peer.parse().unwrap());
        let _connection = take(&places, "192.0.2.1").unwrap();
        let stream = beside("192.0.2.1:2").unwrap();
        assert!(beside("192.0.2.1:3").is_none() && take(&places, "192.0.2.1").is_none());
        assert_eq!((places.metrics.connections.get(), places.metrics.connections_refused.get()), (1, 1));
        let _other = beside("192.0.2.2:1").unwrap();
        assert!(beside("192.0.2.3:1").is_none(), "no more than half of all");
        assert!(take(&places, "192.0.2.3").is_some(), "connections still come in");
        drop(stream);
        assert!(beside("192.0.2.1:4").is_some());
    }

    #[test]
    fn a_trusted_proxy_has_the_connections_of_many() {
        let places = places(10, 1);
        let held: Vec<_> = (0..5).map(|_| take(&places, "10.1.2.3").unwrap()).collect();
        assert_eq!(held.len(), 5);
    }

    #[test]
    fn an_address_that_was_refused_holds_nothing() {
        let places = places(1, 5);
        let one = take(&places, "192.0.2.1");
        assert!(take(&places, "192.0.2.9").is_none());
        drop(one);
        assert!(places.held().is_empty());
        assert_eq!(places.all.available_permits(), 1);
    }
}
