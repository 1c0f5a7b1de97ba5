//! `mirror.start.offset.spec`: where the logs of a new mirror topic begin, as an operator says it.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The config's name, of a link and of a single mirror topic.
pub const START_OFFSET_SPEC: &str = "mirror.start.offset.spec";

/// Milliseconds below this are before March 1973: more likely seconds, or a year, that somebody wrote without a unit.
const LEAST_EPOCH_MS: i64 = 100_000_000_000;

const EXPECTED: &str = "expected earliest, latest, an instant such as 2026-01-01T00:00:00Z, or milliseconds \
                        since the epoch";

/// Where the logs of a new mirror topic begin. Offsets stay the source's whichever it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StartOffset {
    /// Where the source's log begins.
    #[default]
    Earliest,
    /// Where the source's log ends when the mirror is created: only what is written from then on.
    Latest,
    /// At the first record with this timestamp (milliseconds since the epoch) or a later one; where there is none, at
    /// the end.
    Timestamp(i64),
}

/// Text that names no start. It is the end of a sentence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct StartOffsetError(String);

impl FromStr for StartOffset {
    type Err = StartOffsetError;

    /// An instant without an offset from UTC is in UTC, as Kafka's own tools read it (`Utils.getDateTime`).
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
            // ListOffsets gives negative timestamps a meaning of their own.
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
            "as milliseconds since the epoch that is {at}; a year is written as {text}-01-01T00:00:00Z, seconds get \
             three more digits"
        )));
    }
    Ok(ms)
}

fn instant(text: &str) -> Option<Timestamp> {
    // A date alone would be read as midnight: too easily not what was meant.
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
    fn the_two_ends_and_instants_are_read() {
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
    fn what_is_shown_reads_back() {
        for start in [StartOffset::Earliest, StartOffset::Latest, StartOffset::Timestamp(1_767_225_600_250)] {
            assert_eq!(read(&start.to_string()).unwrap(), start);
        }
        assert_eq!(StartOffset::Timestamp(i64::MAX).to_string(), i64::MAX.to_string());
    }

    #[test]
    fn what_is_no_start_says_what_is() {
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
