//! Mirror topics as operators see them: when they are up to date.

use std::time::{Duration, Instant};

use linkgate_tests::linkgate::Linkgate;
use serde_json::Value;

/// Pause between two questions about one topic.
const PAUSE: Duration = Duration::from_millis(20);

/// Waits until every one of these mirror topics of `link` is `ACTIVE` and has copied all that the source holds.
///
/// They are asked about one by one, each until it is there: the list of thousands of partitions, over and over, would
/// cost the daemon more than what is measured. It takes for granted that nothing is written meanwhile, so that who is
/// there stays.
///
/// # Panics
/// When one of them is not there in time.
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

/// A partition that was not fetched yet has the lag -1.
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
    fn lags_that_are_not_known_yet_are_no_zeros() {
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
