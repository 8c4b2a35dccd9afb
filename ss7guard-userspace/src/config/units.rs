//! Durations and sizes as people write them.

use std::time::Duration;

/// Reads a duration: a number and one of `s`, `m`, `h`, `d`.
///
/// # Errors
/// Says what would be right.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("{text:?} is no duration: write a number and s, m, h or d, such as \"90s\" or \"4h\"");
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number = &text[..text.len() - unit.len_utf8()];
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let total = number.checked_mul(seconds).filter(|total| *total <= 3_650 * 86_400);
    match total {
        Some(0) => Err(format!("{text:?} is no time at all; the shortest is \"1s\"")),
        Some(total) => Ok(Duration::from_secs(total)),
        None => Err(format!("{text:?} is too long; the longest is \"3650d\"")),
    }
}

/// Reads a short time: a number and `ms` or `s`, from 10 ms to 10 s.
pub(super) fn parse_short(text: &str) -> Result<Duration, String> {
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (text.strip_suffix('s').unwrap_or(""), 1_000),
    };
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let time = digits.then(|| number.parse::<u64>().ok()?.checked_mul(unit)).flatten();
    match time {
        Some(time @ 10..=10_000) => Ok(Duration::from_millis(time)),
        _ => Err(format!("{text:?} does not fit: write a time from \"10ms\" to \"10s\"")),
    }
}

/// A duration as people read it.
#[must_use]
pub fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..=119 => format!("{seconds}s"),
        120..=7_199 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        7_200..=172_799 => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// Reads a size: octets, or a number and `KiB`, `MiB` or `GiB`.
pub(super) fn parse_size(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("{text:?} is no size: write octets, or a number and KiB, MiB or GiB, such as \"16MiB\"");
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor: u64 = match &text[digits.len()..] {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err(wrong()),
    };
    let number: u64 = digits.trim().parse().map_err(|_| wrong())?;
    number.checked_mul(factor).ok_or_else(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_one_unit() {
        assert_eq!(parse_duration("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_secs(7 * 86_400)));
        for wrong in ["", "s", "4", "4w", "-4h", "4.5h", "0s", "99999999d", "4hé"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(parse_size("16MiB"), Ok(16 << 20));
        assert_eq!(parse_size("65536"), Ok(65_536));
        for wrong in ["", "MiB", "16MB", "1e3", "99999999999GiB"] {
            assert!(parse_size(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shown_durations_are_short() {
        assert_eq!(show_duration(Duration::from_millis(400)), "400ms");
        assert_eq!(show_duration(Duration::from_secs(125)), "2m05s");
        assert_eq!(show_duration(Duration::from_secs(90_000)), "25h00m");
    }
}
