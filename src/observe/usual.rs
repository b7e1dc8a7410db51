//! What most requests of an upstream count. To find a metric by its labels costs more than to count: these are found
//! once, by the first request that counts them, so that none stands at zero that nobody has counted yet.

use std::{sync::OnceLock, time::Duration};

use http::StatusCode;
use prometheus::{Histogram, IntCounter};

use super::Metrics;

/// The decision and reason of most requests.
const BY_TOKEN: (&str, &str) = ("allow", "token");
/// The methods of most requests, as `method_label` has them.
const METHODS: [&str; 2] = ["GET", "POST"];

/// The metrics of one upstream that were found.
#[derive(Debug, Default)]
pub struct UsualMetrics {
    by_token: OnceLock<IntCounter>,
    /// Answers of 200, by method.
    ok: [OnceLock<IntCounter>; METHODS.len()],
    duration: OnceLock<Histogram>,
}

impl Metrics {
    /// Counts a decision about a request to an upstream, of whose metrics these are `usual`.
    pub fn count_decision(&self, upstream: &str, usual: Option<&UsualMetrics>, decision: &str, reason: &str) {
        let find = || self.decisions.with_label_values(&[upstream, decision, reason]);
        match usual.filter(|_| (decision, reason) == BY_TOKEN) {
            Some(usual) => usual.by_token.get_or_init(find).inc(),
            None => find().inc(),
        }
    }

    /// Counts an answer to a request to an upstream, of whose metrics these are `usual`. A method is one of
    /// [`super::method_label`].
    pub fn count_answer(
        &self,
        upstream: &str,
        usual: Option<&UsualMetrics>,
        method: &str,
        status: StatusCode,
        took: Duration,
    ) {
        let find = || self.requests.with_label_values(&[upstream, method, status.as_str()]);
        let place = METHODS.iter().position(|usual| *usual == method).filter(|_| status == StatusCode::OK);
        match usual.and_then(|usual| usual.ok.get(place?)) {
            Some(ok) => ok.get_or_init(find).inc(),
            None => find().inc(),
        }
        let find = || self.request_duration.with_label_values(&[upstream]);
        match usual {
            Some(usual) => usual.duration.get_or_init(find).observe(took.as_secs_f64()),
            None => find().observe(took.as_secs_f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_once_counts_the_same_as_what_is_looked_up() {
        let metrics = Metrics::new().unwrap();
        let usual = UsualMetrics::default();
        for usual in [Some(&usual), None, Some(&usual)] {
            for (decision, reason) in [BY_TOKEN, ("allow", "public"), ("deny", "token")] {
                metrics.count_decision("u", usual, decision, reason);
            }
            for method in ["GET", "POST", "PUT"] {
                for status in [StatusCode::OK, StatusCode::CREATED] {
                    metrics.count_answer("u", usual, method, status, Duration::from_millis(1));
                }
            }
        }
        for (decision, reason) in [BY_TOKEN, ("allow", "public"), ("deny", "token")] {
            assert_eq!(metrics.decisions.with_label_values(&["u", decision, reason]).get(), 3, "{decision} {reason}");
        }
        for method in ["GET", "POST", "PUT"] {
            for status in ["200", "201"] {
                assert_eq!(metrics.requests.with_label_values(&["u", method, status]).get(), 3, "{method} {status}");
            }
        }
        assert_eq!(metrics.request_duration.with_label_values(&["u"]).get_sample_count(), 18);
    }
}
