//! Formats the forecast of a mirror topic's creation as rows and as a sentence. No I/O.

use crate::rest::MirrorForecastData;
use crate::table::Rows;

/// Returns one row for each partition.
#[must_use]
pub fn rows(forecasts: &[MirrorForecastData]) -> Rows {
    let heading = ["TOPIC", "PARTITION", "SOURCE START", "START", "SOURCE HW", "TO FILL", "TO COPY"];
    let mut rows = Rows::new(&heading);
    for forecast in forecasts {
        for partition in &forecast.partitions {
            rows.push([
                forecast.mirror_topic_name.clone(),
                partition.partition.to_string(),
                partition.source_log_start_offset.to_string(),
                partition.start_offset.to_string(),
                partition.source_high_watermark.to_string(),
                partition.offsets_to_fill.to_string(),
                partition.offsets_to_copy.to_string(),
            ]);
        }
    }
    rows
}

/// Summarizes a forecast in one line.
#[must_use]
pub fn sentence(forecast: &MirrorForecastData) -> String {
    let begins = format!(
        "Topic {} can be created; it begins at {}",
        forecast.mirror_topic_name, forecast.start_offset_spec
    );
    let copies = format!("{} offsets are to be copied", forecast.offsets_to_copy);
    if forecast.offsets_to_fill == 0 {
        return format!("{begins}. Nothing has to be filled; {copies}. Nothing was created.");
    }
    format!(
        "{begins}. {} offsets are filled first, which takes about {} and writes {} on each replica until \
         they are trimmed; then {copies}. Nothing was created.",
        forecast.offsets_to_fill,
        duration(forecast.estimated_fill_ms),
        bytes(forecast.estimated_fill_bytes)
    )
}

/// Formats a duration, rounded up, in s, min or h.
#[must_use]
pub fn duration(ms: u64) -> String {
    const MINUTE: u64 = 60;
    const HOUR: u64 = 60 * MINUTE;
    match ms.div_ceil(1000) {
        0 | 1 => "1 s".to_owned(),
        seconds if seconds < 2 * MINUTE => format!("{seconds} s"),
        seconds if seconds < 2 * HOUR => format!("{} min", seconds.div_ceil(MINUTE)),
        seconds => format!("{} h", seconds.div_ceil(HOUR)),
    }
}

/// Formats a size in decimal units.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [(u64, &str); 4] =
        [(1_000_000_000_000, "TB"), (1_000_000_000, "GB"), (1_000_000, "MB"), (1_000, "kB")];
    match UNITS.into_iter().find(|(size, _)| bytes >= *size) {
        // One decimal digit: tenths of the unit.
        Some((size, unit)) => {
            let tenths = bytes / (size / 10);
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forecast(offsets_to_fill: u64) -> MirrorForecastData {
        serde_json::from_value(serde_json::json!({
            "kind": "KafkaMirrorForecast", "metadata": {"self": ""}, "link_name": "dr", "mirror_topic_name": "users",
            "source_topic_name": "users", "start_offset_spec": "latest", "offsets_to_fill": offsets_to_fill,
            "offsets_to_copy": 12, "estimated_fill_ms": 62_000, "estimated_fill_bytes": 832_620_000,
            "partitions": [],
        }))
        .unwrap()
    }

    #[test]
    fn a_forecast_reads_as_a_sentence() {
        assert_eq!(
            sentence(&forecast(1_000_000_000)),
            "Topic users can be created; it begins at latest. 1000000000 offsets are filled first, which \
             takes about 62 s and writes 832.6 MB on each replica until they are trimmed; then 12 offsets \
             are to be copied. Nothing was created."
        );
        assert_eq!(
            sentence(&forecast(0)),
            "Topic users can be created; it begins at latest. Nothing has to be filled; 12 offsets are to \
             be copied. Nothing was created."
        );
    }

    #[test]
    fn durations_and_sizes_have_a_fitting_unit() {
        let durations = [0, 1_001, 119_000, 120_000, 7_199_000, 7_200_000, u64::MAX].map(duration);
        assert_eq!(durations[..6], ["1 s", "2 s", "119 s", "2 min", "120 min", "2 h"]);
        let sizes = [0, 999, 1_000, 1_999_999, 3_050_000_000, 7_000_000_000_000].map(bytes);
        assert_eq!(sizes, ["0 B", "999 B", "1.0 kB", "1.9 MB", "3.0 GB", "7.0 TB"]);
        assert!(bytes(u64::MAX).ends_with(" TB"));
    }
}
