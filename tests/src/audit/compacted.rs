//! Comparison of two logs of a compacted topic. The cleaners of both sides run at different times, so the
//! logs need not hold the same records. But records at the same offset are equal, the mirror holds nothing
//! that the source never had, and the latest values by key are equal.

use std::collections::HashMap;

use super::Verdict;
use super::exact::{both, known, order};
use super::seen::Seen;
use super::verdict::Difference;
use crate::read::records::Record;

/// Compares both logs. `witnessed` is what a client has read from the source before its cleaner ran.
#[must_use]
pub fn compare(source: &[Record], mirror: &[Record], witnessed: &[Seen]) -> Verdict {
    let mut verdict = Verdict::of(source.len());
    order(&mut verdict, mirror.iter().map(|r| r.offset));
    let history = history(source, witnessed);
    let at_source: HashMap<i64, &Record> = source.iter().map(|r| (r.offset, r)).collect();
    for copy in mirror {
        match at_source.get(&copy.offset) {
            Some(original) if *original == copy => {}
            Some(original) if original.key == copy.key && original.value == copy.value => {
                let what = if original.timestamp == copy.timestamp {
                    Difference::Content
                } else {
                    Difference::Timestamp
                };
                verdict.found(what, copy.offset, || both(Some(original), Some(copy)));
            }
            Some(original) => {
                verdict.found(Difference::Content, copy.offset, || both(Some(original), Some(copy)));
            }
            None => known(&mut verdict, history.get(&copy.offset), &Seen::of(copy)),
        }
    }
    let (wanted, had) = (table(source), table(mirror));
    for (key, original) in &wanted {
        match had.get(key) {
            Some(copy) if copy.offset == original.offset => {}
            copy => verdict.found(Difference::Lost, original.offset, || {
                format!("the latest value of a key: {}", both(Some(original), copy.copied()))
            }),
        }
    }
    for (key, copy) in had.iter().filter(|(key, _)| !wanted.contains_key(*key)) {
        verdict.found(Difference::Lost, copy.offset, || {
            format!("the tombstone of key {}: {}", String::from_utf8_lossy(key), both(None, Some(copy)))
        });
    }
    verdict
}

/// Compares what a client has read from the mirror during the faults with what the source ever had.
#[must_use]
pub fn seen(source: &[Seen], witnessed: &[Seen], seen: &[Seen]) -> Verdict {
    let mut verdict = Verdict::of(seen.len());
    order(&mut verdict, seen.iter().map(|s| s.offset));
    let history: HashMap<i64, Seen> = source.iter().chain(witnessed).map(|s| (s.offset, *s)).collect();
    for s in seen {
        known(&mut verdict, history.get(&s.offset), s);
    }
    verdict
}

/// Returns everything that the source ever had, by offset.
fn history(source: &[Record], witnessed: &[Seen]) -> HashMap<i64, Seen> {
    witnessed.iter().copied().chain(source.iter().map(Seen::of)).map(|s| (s.offset, s)).collect()
}

/// Returns the latest record of each key. A tombstone removes the key.
fn table(log: &[Record]) -> HashMap<Vec<u8>, &Record> {
    let mut table = HashMap::new();
    for record in log {
        let key = record.key.clone().unwrap_or_default();
        if record.value.is_some() {
            let _ = table.insert(key, record);
        } else {
            let _ = table.remove(&key);
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(offset: i64, key: &str, value: Option<&str>) -> Record {
        let value = value.map(|v| v.as_bytes().to_vec());
        Record { offset, timestamp: offset, key: Some(key.as_bytes().to_vec()), value, headers: vec![] }
    }

    /// Given a source and a mirror that were cleaned at different times, then the logs agree as long as their
    /// tables agree.
    #[test]
    fn cleaners_may_differ_but_tables_may_not() {
        let all = [
            record(0, "a", Some("1")),
            record(1, "b", Some("1")),
            record(2, "a", Some("2")),
            record(3, "b", None),
            record(4, "c", Some("1")),
        ];
        let witnessed: Vec<Seen> = all.iter().map(Seen::of).collect();
        let source = [all[2].clone(), all[4].clone()];
        assert_eq!(compare(&source, &all, &witnessed).differences(), 0);
        assert_eq!(compare(&all, &source, &witnessed).differences(), 0);

        let without_tombstone = [all[1].clone(), all[2].clone(), all[4].clone()];
        assert_eq!(compare(&all, &without_tombstone, &witnessed).count(Difference::Lost), 1);
        let stale = [all[0].clone(), all[4].clone()];
        assert_eq!(compare(&source, &stale, &witnessed).count(Difference::Lost), 1);
        let mut foreign = all.to_vec();
        foreign[1].value = Some(b"x".to_vec());
        assert_eq!(compare(&source, &foreign, &witnessed).count(Difference::Content), 1);
        let mut invented = source.to_vec();
        invented.push(record(9, "c", Some("1")));
        assert!(compare(&source, &invented, &witnessed).count(Difference::Invented) == 1);
    }
}
