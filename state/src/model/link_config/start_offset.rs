//! `mirror.start.offset.spec`: the start offset of a new mirror topic, as an operator gives it.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// Name of the config, for links and for single mirror topics.
pub const START_OFFSET_SPEC: &str = "mirror.start.offset.spec";

/// Minimum value in milliseconds since the epoch (March 1973). A lower number is more likely a year, or
/// seconds.
const LEAST_EPOCH_MS: i64 = 100_000_000_000;

const EXPECTED: &str = "expected earliest, latest, an instant such as 2026-01-01T00:00:00Z, or milliseconds \
                        since the epoch";

/// Start of the logs of a new mirror topic. Records keep their source offsets in all cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartOffset {
    /// At the source's log start.
    #[default]
    Earliest,
    /// At the source's log end when the mirror is created: only later records are copied.
    Latest,
    /// At the first record with this timestamp (milliseconds since the epoch) or a later one. At the log end
    /// if there is none.
    Timestamp(i64),
}

/// Error for a text that is not a start offset. The text is the end of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StartOffsetError(String);

impl FromStr for StartOffset {
    type Err = StartOffsetError;

    /// Parses a start offset. An instant without an offset from UTC is in UTC, as in Kafka's own tools
    /// (`Utils.getDateTime`).
    fn from_str(text: &str) -> Result<Self, StartOffsetError> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("earliest") {
            return Ok(StartOffset::Earliest);
        }
        if text.eq_ignore_ascii_case("latest") {
            return Ok(StartOffset::Latest);
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return milliseconds(text).map(StartOffset::Timestamp);
        }
        let ms = instant(text).ok_or_else(|| StartOffsetError(EXPECTED.into()))?.as_millisecond();
        if ms < 0 {
            // Negative timestamps have a special meaning in ListOffsets.
            return Err(StartOffsetError("an instant before 1970 cannot be looked up".into()));
        }
        Ok(StartOffset::Timestamp(ms))
    }
}

fn milliseconds(text: &str) -> Result<i64, StartOffsetError> {
    let ms: i64 = text.parse().map_err(|_| StartOffsetError(EXPECTED.into()))?;
    let at = Timestamp::from_millisecond(ms).map_err(|_| StartOffsetError(EXPECTED.into()))?;
    if ms < LEAST_EPOCH_MS {
        return Err(StartOffsetError(format!(
            "as milliseconds since the epoch this is {at}; write a year as {text}-01-01T00:00:00Z, and \
             seconds with three more digits"
        )));
    }
    Ok(ms)
}

fn instant(text: &str) -> Option<Timestamp> {
    // A date alone would mean midnight, which is often not what the operator means.
    if !text.contains(['T', 't']) {
        return None;
    }
    text.parse().ok().or_else(|| {
        let civil: DateTime = text.parse().ok()?;
        civil.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp())
    })
}

impl fmt::Display for StartOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartOffset::Earliest => f.write_str("earliest"),
            StartOffset::Latest => f.write_str("latest"),
            StartOffset::Timestamp(ms) => match Timestamp::from_millisecond(*ms) {
                Ok(at) => write!(f, "{at}"),
                Err(_) => write!(f, "{ms}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<StartOffset, String> {
        text.parse().map_err(|error: StartOffsetError| error.to_string())
    }

    #[test]
    fn earliest_latest_and_instants_are_parsed() {
        assert_eq!(read(" Earliest ").unwrap(), StartOffset::Earliest);
        assert_eq!(read("latest").unwrap(), StartOffset::Latest);
        let new_year = StartOffset::Timestamp(1_767_225_600_000);
        for text in [
            "2026-01-01T00:00:00Z",
            "2026-01-01T00:00:00.000Z",
            "2026-01-01T01:30:00+01:30",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00.000",
            "1767225600000",
        ] {
            assert_eq!(read(text).unwrap(), new_year, "{text}");
        }
        assert_eq!(read("2026-01-01T00:00:00.250Z").unwrap(), StartOffset::Timestamp(1_767_225_600_250));
    }

    #[test]
    fn a_displayed_start_offset_parses_back() {
        for start in [StartOffset::Earliest, StartOffset::Latest, StartOffset::Timestamp(1_767_225_600_250)] {
            assert_eq!(read(&start.to_string()).unwrap(), start);
        }
        assert_eq!(StartOffset::Timestamp(i64::MAX).to_string(), i64::MAX.to_string());
    }

    #[test]
    fn an_invalid_start_offset_says_what_is_expected() {
        for text in ["", "now", "-1", "2026-01-01", "2026-13-01T00:00:00Z", "99999999999999999999", "1e12"] {
            assert_eq!(read(text).unwrap_err(), EXPECTED, "{text}");
        }
        assert!(read("1969-12-31T23:59:59Z").unwrap_err().contains("before 1970"));
    }

    #[test]
    fn a_year_or_seconds_are_not_taken_for_milliseconds() {
        let year = read("2026").unwrap_err();
        assert!(year.contains("1970-01-01T00:00:02.026Z") && year.contains("2026-01-01T00:00:00Z"), "{year}");
        assert!(read("1767225600").unwrap_err().contains("three more digits"));
    }
}
