//! Durations as people write them in a configuration, on the command line and in a request: `500ms`, `30s`, `7d`.

use std::time::Duration;

/// A text that is not a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a duration is a whole number and one of `ms`, `s`, `m`, `h`, `d`, such as `30s`")]
pub struct DurationError;

/// Reads a whole number and its unit: `ms`, `s`, `m`, `h` or `d` (24 hours).
///
/// # Errors
/// [`DurationError`], also for what is too large to count in milliseconds.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60 * 1000,
        "h" => 60 * 60 * 1000,
        "d" => 24 * 60 * 60 * 1000,
        _ => return Err(DurationError),
    };
    let number: u64 = number.parse().map_err(|_| DurationError)?;
    number.checked_mul(factor).map(Duration::from_millis).ok_or(DurationError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_and_its_unit() {
        for (text, milliseconds) in [("0s", 0), ("250ms", 250), ("30s", 30_000), ("5m", 300_000), ("1h", 3_600_000)] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
        }
        assert_eq!(parse_duration("30d"), Ok(Duration::from_hours(720)));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "30", "s", "-1s", "+1s", "1.5h", "1 s", "1S", "1h30m", "١s", "18446744073709551615d"] {
            assert_eq!(parse_duration(text), Err(DurationError), "{text}");
        }
    }
}
