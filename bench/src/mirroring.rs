//! Waits until mirror topics are up to date, as the REST API reports them.

use std::time::{Duration, Instant};

use linkgate_tests::stage::linkgate::Linkgate;
use serde_json::Value;

/// Interval between two polls of a topic.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until every one of these mirror topics of `link` is `ACTIVE` and has copied everything the source
/// holds.
///
/// Polls one topic at a time, until it is up to date: repeated listings of thousands of partitions would cost
/// the daemon more than the measured work. It assumes that nothing is written to the source meanwhile, so a
/// topic that is up to date stays so.
///
/// # Panics
/// Panics if a topic is not up to date within `limit`.
pub fn wait_up_to_date(linkgate: &Linkgate, link: &str, topics: &[String], limit: Duration) {
    let cluster = linkgate.cluster_id();
    let begin = Instant::now();
    for topic in topics {
        let path = format!("/kafka/v3/clusters/{cluster}/links/{link}/mirrors/{topic}");
        loop {
            let (status, mirror) = linkgate.get(&path);
            if status == 200 && is_up_to_date(&mirror) {
                break;
            }
            assert!(
                begin.elapsed() < limit,
                "not within {limit:?}: {topic} is up to date; status {status}, {} of its {} partitions are",
                mirror["mirror_status"],
                mirror["num_partitions"],
            );
            std::thread::sleep(PAUSE);
        }
    }
}

/// Returns true if every partition has the lag 0. A partition without a fetch so far has the lag -1.
fn is_up_to_date(mirror: &Value) -> bool {
    let lags = mirror["mirror_lags"].as_array().map(Vec::as_slice).unwrap_or_default();
    mirror["mirror_status"] == "ACTIVE"
        && !lags.is_empty()
        && lags.iter().all(|partition| partition["lag"] == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_lag_does_not_count_as_zero() {
        let mirror = |status: &str, lags: &[i64]| {
            let lags: Vec<Value> = lags.iter().map(|lag| serde_json::json!({ "lag": lag })).collect();
            serde_json::json!({ "mirror_status": status, "mirror_lags": lags })
        };
        assert!(is_up_to_date(&mirror("ACTIVE", &[0, 0])));
        assert!(!is_up_to_date(&mirror("ACTIVE", &[0, -1])));
        assert!(!is_up_to_date(&mirror("ACTIVE", &[])));
        assert!(!is_up_to_date(&mirror("SOURCE_UNAVAILABLE", &[0, 0])));
        assert!(!is_up_to_date(&Value::Null));
    }
}
