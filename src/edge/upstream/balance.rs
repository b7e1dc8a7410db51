//! Which of several servers a request is sent to.

use ring::digest::{Context, SHA256};

use super::{health::Standing, place::Place};

/// How requests are spread over the servers of an upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Balance {
    /// Each server in turn.
    RoundRobin,
    /// The server that works on the fewest requests; in turn where several do.
    LeastConnections,
    /// Each client, or on a public route each address, has a server of its own while that is well. Highest random
    /// weight (Thaler and Ravishankar, 1998): when a server comes or goes, only its own share moves. Every gateway with
    /// the same servers chooses the same.
    ClientHash,
}

/// What the choice for one attempt depends on.
#[derive(Debug, Clone, Copy)]
pub(in crate::edge) struct Request<'a> {
    /// Whose turn it was when the request first went out.
    pub(in crate::edge) turn: usize,
    /// Who sent it; only asked for by [`Balance::ClientHash`].
    pub(in crate::edge) caller: &'a str,
    /// The places that were tried already.
    pub(in crate::edge) tried: &'a [usize],
}

impl Balance {
    /// The index of the best place; none if every server is down or has no known address. One that was not tried yet is
    /// better than one that was, and one that is out is worse than all that are not.
    pub(super) fn choose<'p, P>(self, places: P, request: Request<'_>) -> Option<usize>
    where
        P: ExactSizeIterator<Item = &'p Place>,
    {
        let count = places.len();
        let first = request.turn.checked_rem(count)?;
        let rank = |(index, place): (usize, &'p Place)| {
            let standing = place.health.standing();
            if standing == Standing::Down || place.address().is_none() {
                return None;
            }
            let tried = request.tried.iter().filter(|tried| **tried == index).count();
            let distance = if index >= first { index - first } else { index + count - first };
            Some(((standing == Standing::Out, tried, self.weight(place, request.caller), distance), index))
        };
        places.enumerate().filter_map(rank).min_by_key(|(rank, _)| *rank).map(|(_, index)| index)
    }

    /// The lightest is best.
    fn weight(self, place: &Place, caller: &str) -> u64 {
        match self {
            Self::RoundRobin => 0,
            Self::LeastConnections => u64::try_from(place.health.in_flight()).unwrap_or(u64::MAX),
            Self::ClientHash => u64::MAX - hash(&[place.label.as_bytes(), caller.as_bytes()]),
        }
    }
}

/// A number that stands for these bytes, the same in every process.
pub(super) fn hash(parts: &[&[u8]]) -> u64 {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part);
    }
    context.finish().as_ref().first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
