//! What is made of many measurements.

use std::time::Duration;

/// The middle one of these values.
pub(super) fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The time within which 99 of 100 came, in milliseconds.
pub(super) fn p99(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times.get(times.len() * 99 / 100).map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

/// A count as a figure.
#[expect(clippy::cast_precision_loss, reason = "what is counted here is far below 2^52")]
pub(super) const fn figure(count: usize) -> f64 {
    count as f64
}
