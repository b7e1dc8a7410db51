//! How the process's file descriptors are shared out, so that the public door, however many come, never takes those
//! that the store and the private listener need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For the store, the runtimes, the listeners, the log, and looking up names.
const OWN: usize = 64;
/// For the private listener: many for those who run the gateway.
const PRIVATE: usize = 512;
/// Each client may need its own, one to an upstream, and one to an upstream that is kept for later. So may each stream of
/// HTTP/2 beside others, which therefore takes a place as a connection does.
const PER_CLIENT: usize = 3;

/// How many descriptors the process may have.
#[derive(Debug, Clone, Copy)]
pub(super) struct Descriptors {
    limit: usize,
}

impl Descriptors {
    /// Those of this process, after raising its limit as far as the system lets it.
    pub(super) fn of_process() -> Self {
        let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
        let raised = current != maximum && setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).is_ok();
        let limit = if raised { maximum } else { current };
        // No limit is none that could be reached.
        Self { limit: limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX) }
    }

    /// Connections of the private listener.
    pub(super) fn private(self) -> usize {
        PRIVATE.min(self.limit / 8).max(1)
    }

    /// Connections of the public door, of the `wanted` ones as many as there are descriptors for.
    pub(super) fn public(self, wanted: usize) -> usize {
        let rest = self.limit.saturating_sub(OWN).saturating_sub(self.private());
        let most = (rest / PER_CLIENT).max(1);
        if most < wanted {
            tracing::warn!(
                "the system lets this process open {} files, so the public door takes {most} connections, not the \
                 {wanted} of server.max_connections: raise the limit (`ulimit -n`, `LimitNOFILE`), or lower the key",
                self.limit
            );
        }
        most.min(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_may_be_open_at_once_fits() {
        for limit in [100, 256, 1024, 4096, 65_536, 1 << 20] {
            let descriptors = Descriptors { limit };
            let (public, private) = (descriptors.public(10_000), descriptors.private());
            assert!(OWN + private + public * PER_CLIENT <= limit, "{limit}: {public} {private}");
            assert!(public >= 8, "{limit}: {public}");
        }
        assert_eq!(Descriptors { limit: 65_536 }.public(10_000), 10_000);
        assert_eq!(Descriptors { limit: 256 }.public(10), 10);
        assert_eq!(Descriptors { limit: usize::MAX }.private(), PRIVATE);
        assert_eq!(Descriptors { limit: 10 }.public(10_000), 1);
    }

    #[test]
    fn the_limit_is_raised_as_far_as_it_goes() {
        let descriptors = Descriptors::of_process();
        let limit = getrlimit(Resource::Nofile);
        assert_eq!(limit.current, limit.maximum);
        assert_eq!(descriptors.limit, limit.maximum.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap()));
    }
}
