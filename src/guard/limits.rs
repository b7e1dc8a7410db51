//! The limits per caller: which one a request falls under, who is counted, and what is remembered of it.
//!
//! Of a rule's own limit, its upstream's and the one of all routes, the most specific alone counts. The key is what the
//! gateway found out itself: the client or the owner of a resolved token, else the client's address.
//!
//! All limits share two memories, so that memory is bounded however many there are: one for clients and owners, of whom
//! there are as many as the registry has, and one for addresses, of which a caller may have very many. So whoever has
//! many addresses makes nothing forgotten that was counted of a client; and of addresses those go first that come
//! least.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use crate::{
    limits::{Limit, Memory, NOWHERE, network, quota},
    model::{ClientId, Clock, Exceeded, OrganizationId, Room},
    policy::{CallerLimit, MethodSet, PathPattern, Per, Route, UpstreamRules},
    tokens::Grant,
};

/// How many callers are remembered in each of the two memories, over all limits.
const CALLERS: usize = 200_000;

/// The limits of one configuration with what they have counted.
#[derive(Debug)]
pub struct CallerLimits {
    memories: Memories,
    limits: Vec<Arc<Counter>>,
    /// By the places of upstream and rule: which of `limits` a request falls under.
    of_rules: Vec<Vec<Option<usize>>>,
}

impl CallerLimits {
    /// The limits of these upstreams and their rules; `common` holds where neither has one of its own. An upstream and
    /// its rules are known by their places: the `index` of each policy is its place here.
    #[must_use]
    pub fn new(common: Option<CallerLimit>, upstreams: &[UpstreamRules], clock: Arc<dyn Clock>) -> Self {
        Self::over(Memories::new(CALLERS, clock), common, upstreams)
    }

    fn over(memories: Memories, common: Option<CallerLimit>, upstreams: &[UpstreamRules]) -> Self {
        let mut all = Self { memories, limits: Vec::new(), of_rules: Vec::new() };
        let common = common.map(|limit| all.add(Place::Everywhere, limit));
        for upstream in upstreams {
            let name = &upstream.policy.name;
            let own = upstream.policy.limit.map(|limit| all.add(Place::Upstream(name.clone()), limit)).or(common);
            let mut of_rules = Vec::with_capacity(upstream.rules.len());
            for rule in &upstream.rules {
                let place = || Place::Rule(name.clone(), rule.path.clone(), rule.methods.clone());
                of_rules.push(rule.limit.map(|limit| all.add(place(), limit)).or(own));
            }
            all.of_rules.push(of_rules);
        }
        all
    }

    fn add(&mut self, place: Place, limit: CallerLimit) -> usize {
        self.limits.push(Arc::new(self.memories.counter(place, limit)));
        self.limits.len() - 1
    }

    /// Goes on from what `known` has counted: a limit of the same place with the same numbers keeps it, any other one
    /// begins anew.
    pub fn inherit(&mut self, known: &Self) {
        self.memories = known.memories.clone();
        for limit in &mut self.limits {
            let same = known.limits.iter().find(|known| known.place == limit.place && known.limit == limit.limit);
            *limit = match same {
                Some(same) => same.clone(),
                None => Arc::new(self.memories.counter(limit.place.clone(), limit.limit)),
            };
        }
    }

    /// Counts a request that may pass otherwise. Nothing where no limit applies.
    ///
    /// # Errors
    /// [`Exceeded`] if its caller has no room left; the request is not counted then.
    pub(super) fn take(
        &self,
        route: &Route,
        grant: Option<&Grant>,
        from: Option<IpAddr>,
    ) -> Result<Option<Room>, Exceeded> {
        let applies = self.of_rules.get(route.upstream.index).and_then(|rules| rules.get(route.rule.index));
        let Some(counter) = applies.copied().flatten().and_then(|limit| self.limits.get(limit)) else {
            return Ok(None);
        };
        counter.take(grant, from).map(Some)
    }
}

/// Where a limit stands in the configuration, by what stays the same when it is read anew.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Everywhere,
    Upstream(Arc<str>),
    Rule(Arc<str>, PathPattern, Option<MethodSet>),
}

impl Place {
    /// What callers know a limit of this place by.
    const fn name(&self) -> &'static str {
        match self {
            Self::Everywhere => "requests",
            Self::Upstream(_) => "requests-to-upstream",
            Self::Rule(..) => "requests-to-route",
        }
    }
}

/// Whose requests count together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Caller {
    Client(ClientId),
    Owner(OrganizationId),
    Address(IpAddr),
}

/// A caller under one of the limits, each of which has a number of its own.
type Key = (u64, Caller);

/// What all limits remember in, also over reloads.
#[derive(Clone)]
struct Memories {
    /// Clients and owners.
    named: Memory<Key>,
    addresses: Memory<Key>,
    /// The number of the next limit.
    next: Arc<AtomicU64>,
    clock: Arc<dyn Clock>,
}

impl Memories {
    fn new(callers: usize, clock: Arc<dyn Clock>) -> Self {
        Self { named: Memory::new(callers), addresses: Memory::new(callers), next: Arc::default(), clock }
    }

    /// A limit that has counted nothing yet.
    fn counter(&self, place: Place, limit: CallerLimit) -> Counter {
        let over =
            |memory: &Memory<Key>| Limit::over(place.name(), quota(limit.limit), memory.clone(), self.clock.clone());
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        Counter { number, named: over(&self.named), addresses: over(&self.addresses), place, limit }
    }
}

impl std::fmt::Debug for Memories {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Memories")
    }
}

/// One limit.
#[derive(Debug)]
struct Counter {
    place: Place,
    limit: CallerLimit,
    number: u64,
    named: Limit<Key>,
    addresses: Limit<Key>,
}

impl Counter {
    fn take(&self, grant: Option<&Grant>, from: Option<IpAddr>) -> Result<Room, Exceeded> {
        match (self.limit.per, grant) {
            (Per::Client, Some(grant)) => self.named.take((self.number, Caller::Client(grant.client()))),
            (Per::Owner, Some(grant)) => self.named.take((self.number, Caller::Owner(grant.owner()))),
            (Per::Address, _) | (_, None) => {
                let address = from.map_or(NOWHERE, network);
                self.addresses.take((self.number, Caller::Address(address)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{ManualClock, RateLimit, Timestamp},
        policy::{Access, Host, NormalPath, RouteTable, Rule, UpstreamPolicy},
    };
    use std::net::{Ipv4Addr, Ipv6Addr};

    const CAPACITY: usize = 100;

    fn per_hour(burst: u32) -> CallerLimit {
        let limit = RateLimit { rate: "1/h".parse().unwrap(), burst: burst.try_into().unwrap() };
        CallerLimit { limit, per: Per::Client }
    }

    fn public(limit: Option<CallerLimit>) -> UpstreamRules {
        let policy = UpstreamPolicy { limit, ..UpstreamPolicy::new("api") };
        let rule = Rule::new("/**".parse().unwrap(), Access::Public);
        UpstreamRules::new(policy, "/".parse().unwrap(), vec![rule])
    }

    fn route() -> Route {
        let host: Host = "h".parse().unwrap();
        let path = NormalPath::parse(b"/").unwrap();
        RouteTable::compile(vec![public(None)], false).unwrap().find(&host, &path, &http::Method::GET).unwrap()
    }

    fn v4(number: u32) -> IpAddr {
        Ipv4Addr::from_bits(number).into()
    }

    fn memories() -> Memories {
        Memories::new(CAPACITY, Arc::new(ManualClock::new(Timestamp::from_seconds(1_700_000_000))))
    }

    #[test]
    fn many_addresses_take_bounded_memory_and_make_neither_clients_nor_frequent_addresses_forgotten() {
        let limits = CallerLimits::over(memories(), None, &[public(Some(per_hour(1)))]);
        let (route, counter) = (route(), limits.limits[0].clone());
        let client = (counter.number, Caller::Client(ClientId::from_bytes([1; 8])));
        counter.named.take(client).unwrap();
        let take = |from| limits.take(&route, None, Some(from));
        for number in 1..3000 {
            let _ = (take(v4(0)), take(v4(number)));
        }
        let network = |number: u128| IpAddr::V6(Ipv6Addr::from_bits(number << 64));
        for number in 1..3000 {
            let _ = (take(v4(0)), take(network(number)));
        }
        assert!(take(v4(0)).is_err() && counter.named.take(client).is_err());
        assert!(limits.memories.addresses.remembered() <= CAPACITY);
        assert_eq!(limits.memories.named.remembered(), 1);
    }

    #[test]
    fn those_without_a_known_address_count_together() {
        let limits = CallerLimits::over(memories(), Some(per_hour(1)), &[public(None)]);
        assert!(limits.take(&route(), None, None).is_ok() && limits.take(&route(), None, None).is_err());
    }

    #[test]
    fn over_reloads_what_is_remembered_stays_bounded() {
        let mut limits = CallerLimits::over(memories(), None, &[public(Some(per_hour(1)))]);
        for burst in 1..20 {
            let mut next = CallerLimits::over(memories(), None, &[public(Some(per_hour(burst)))]);
            next.inherit(&limits);
            limits = next;
            for number in 0..50 {
                let _ = limits.take(&route(), None, Some(v4(number)));
            }
            assert!(limits.memories.addresses.remembered() <= CAPACITY);
        }
    }
}
