//! The kinds of values that keys take: numbers in bounds, sizes, durations, addresses, words of a fixed choice.

use std::{fmt, net::SocketAddr, ops::RangeInclusive, str::FromStr, time::Duration};

use super::reader::{Reported, Value, suggest};
use crate::model::parse_duration;

pub(super) const KIB: u64 = 1024;
pub(super) const MIB: u64 = 1024 * KIB;
pub(super) const GIB: u64 = 1024 * MIB;

/// The longest duration that any key takes; beyond it sums of times could overflow.
pub(super) const LONGEST: Duration = Duration::from_hours(3650 * 24);
/// The shortest duration where none at all makes no sense.
pub(super) const SHORTEST: Duration = Duration::from_millis(1);

/// A text that its type reads itself; the type's error is the reason.
pub(super) fn parsed<T: FromStr<Err: fmt::Display>>(value: &Value<'_>, help: &str) -> Result<T, Reported> {
    value.text()?.parse().map_err(|error: T::Err| value.refuse(error.to_string(), help))
}

/// An integer within `range`.
pub(super) fn count<T: TryFrom<i64>>(value: &Value<'_>, range: RangeInclusive<i64>) -> Result<T, Reported> {
    let number = value.integer()?;
    let fits = if range.contains(&number) { T::try_from(number).ok() } else { None };
    fits.ok_or_else(|| {
        let help = format!("write a number from {} to {}", range.start(), range.end());
        value.refuse(format!("{number} is out of bounds"), help)
    })
}

/// A size within `range`, in bytes.
pub(super) fn size<T: TryFrom<u64>>(value: &Value<'_>, range: RangeInclusive<u64>) -> Result<T, Reported> {
    let text = value.text()?;
    let Some(bytes) = parse_size(text) else {
        return Err(value.refuse(
            format!("`{text}` is not a size"),
            "write a whole number and one of `B`, `KiB`, `MiB`, `GiB`, such as \"10MiB\"",
        ));
    };
    let fits = if range.contains(&bytes) { T::try_from(bytes).ok() } else { None };
    fits.ok_or_else(|| {
        let help = format!("write a size from {} to {}", show_size(*range.start()), show_size(*range.end()));
        value.refuse(format!("`{text}` is out of bounds"), help)
    })
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "B" => 1,
        "KiB" => KIB,
        "MiB" => MIB,
        "GiB" => GIB,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn show_size(bytes: u64) -> String {
    let units = [(GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")];
    let unit = units.into_iter().find(|(size, _)| bytes >= *size && bytes.is_multiple_of(*size));
    let (size, name) = unit.unwrap_or((1, "B"));
    format!("{}{name}", bytes / size)
}

/// A duration within `range`.
pub(super) fn duration(value: &Value<'_>, range: RangeInclusive<Duration>) -> Result<Duration, Reported> {
    let text = value.text()?;
    let duration = parse_duration(text).map_err(|error| {
        value.refuse(format!("`{text}` is not a duration"), format!("{error}; write it in quotes, such as \"30s\""))
    })?;
    if range.contains(&duration) {
        return Ok(duration);
    }
    let help = format!("write a duration from {} to {}", show_duration(*range.start()), show_duration(*range.end()));
    Err(value.refuse(format!("`{text}` is out of bounds"), help))
}

/// A duration that cannot be none at all.
pub(super) fn some_time(value: &Value<'_>) -> Result<Duration, Reported> {
    duration(value, SHORTEST..=LONGEST)
}

fn show_duration(duration: Duration) -> String {
    let milliseconds = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let unit = units.into_iter().find(|(size, _)| milliseconds >= *size && milliseconds.is_multiple_of(*size));
    let (size, name) = unit.unwrap_or((1, "ms"));
    format!("{}{name}", milliseconds / size)
}

/// One of `words`.
pub(super) fn one_of<T: Copy>(value: &Value<'_>, words: &[(&'static str, T)]) -> Result<T, Reported> {
    let text = value.text()?;
    if let Some((_, found)) = words.iter().find(|(word, _)| *word == text) {
        return Ok(*found);
    }
    let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
    Err(value.refuse(format!("`{text}` is not a known value"), suggest(text, &known)))
}

/// A list with at least one item.
pub(super) fn some_of<'a, T>(
    value: &Value<'a>,
    help: &str,
    read: impl FnMut(Value<'a>) -> Result<T, Reported>,
) -> Result<Vec<T>, Reported> {
    let items = value.each(read)?;
    if items.is_empty() { Err(value.refuse("the list is empty", help)) } else { Ok(items) }
}

/// An address and port to listen on.
pub(super) fn socket_address(value: &Value<'_>) -> Result<SocketAddr, Reported> {
    let text = value.text()?;
    text.parse().map_err(|_| {
        let help = "write an IP address and a port, such as \"127.0.0.1:8080\" or \"[::1]:8080\"";
        value.refuse(format!("`{text}` is not an address to listen on"), help)
    })
}

/// Splits `host:port`; the brackets of an IPv6 address stay. None without a port from 1 to 65535.
pub(super) fn split_port(text: &str) -> Option<(&str, u16)> {
    let (host, port) = text.rsplit_once(':')?;
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| digits && *port != 0)?;
    Some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_with_a_unit() {
        for (text, bytes) in [("0B", 0), ("256B", 256), ("32KiB", 32 * KIB), ("10MiB", 10 * MIB), ("1GiB", GIB)] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
            assert_eq!(show_size(bytes), text);
        }
        for text in ["", "10", "KiB", "10MB", "10 MiB", "-1B", "1.5KiB", "18446744073709551615GiB"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_shown_as_they_are_written() {
        for text in ["0ms", "1ms", "1500ms", "30s", "5m", "24h", "3650d"] {
            let shown = show_duration(parse_duration(text).unwrap());
            assert_eq!(shown, if text == "24h" { "1d" } else { text });
        }
    }

    #[test]
    fn a_port_is_needed_and_is_a_number() {
        assert_eq!(split_port("[::1]:80"), Some(("[::1]", 80)));
        for text in ["a", "a:", "a:0", "a:+1", "a:65536", "a:x"] {
            assert_eq!(split_port(text), None, "{text}");
        }
    }
}
