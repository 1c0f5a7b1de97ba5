//! Comparison of two logs that must be equal, record by record.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::Verdict;
use super::seen::Seen;
use super::verdict::Difference;
use crate::read::records::Record;
use crate::read::show;

/// Compares what a reader of the mirror got, in the order of arrival, with what the source holds.
#[must_use]
pub fn compare(source: &[Record], mirror: &[Record]) -> Verdict {
    let mut verdict = Verdict::of(source.len());
    order(&mut verdict, mirror.iter().map(|r| r.offset));
    if source == mirror {
        return verdict;
    }
    let by_offset = |records: &[Record]| -> HashMap<i64, usize> {
        records.iter().enumerate().map(|(n, r)| (r.offset, n)).collect()
    };
    let by_content = |records: &[Record]| -> HashMap<u64, i64> {
        records.iter().map(|r| (content(r), r.offset)).collect()
    };
    let (at_source, at_mirror) = (by_offset(source), by_offset(mirror));
    let (source_content, mirror_content) = (by_content(source), by_content(mirror));
    for record in source {
        match at_mirror.get(&record.offset).map(|n| &mirror[*n]) {
            Some(copy) if copy == record => {}
            Some(copy) => {
                let what = if content(copy) == content(record) {
                    Difference::Timestamp
                } else {
                    Difference::Content
                };
                verdict.found(what, record.offset, || both(Some(record), Some(copy)));
            }
            None => {
                let what = match mirror_content.get(&content(record)) {
                    // Unless the source has a record at that offset too.
                    Some(elsewhere) if !at_source.contains_key(elsewhere) => Difference::Offset,
                    _ => Difference::Lost,
                };
                verdict.found(what, record.offset, || both(Some(record), None));
            }
        }
    }
    for copy in mirror.iter().filter(|copy| !at_source.contains_key(&copy.offset)) {
        match source_content.get(&content(copy)) {
            Some(original) if at_mirror.contains_key(original) => {
                verdict.found(Difference::Duplicated, copy.offset, || both(None, Some(copy)));
            }
            // Counted above as a record at another offset.
            Some(_) => {}
            None => verdict.found(Difference::Invented, copy.offset, || both(None, Some(copy))),
        }
    }
    verdict
}

/// Compares what a client has read during the faults with what it should have read. In the end it must have
/// read all.
#[must_use]
pub fn seen(expected: &[Seen], seen: &[Seen]) -> Verdict {
    let mut verdict = Verdict::of(expected.len());
    order(&mut verdict, seen.iter().map(|s| s.offset));
    if expected == seen {
        return verdict;
    }
    let should: HashMap<i64, &Seen> = expected.iter().map(|s| (s.offset, s)).collect();
    let did: HashMap<i64, &Seen> = seen.iter().map(|s| (s.offset, s)).collect();
    for s in expected.iter().filter(|s| !did.contains_key(&s.offset)) {
        verdict.found(Difference::Lost, s.offset, || "a client never got the record".to_owned());
    }
    for s in seen {
        known(&mut verdict, should.get(&s.offset).copied(), s);
    }
    verdict
}

/// Compares one record that a client has read with the record of the source at that offset.
pub(super) fn known(verdict: &mut Verdict, should: Option<&Seen>, did: &Seen) {
    match should {
        Some(original) if original == did => {}
        Some(original) if original.digest == did.digest => {
            verdict.found(Difference::Timestamp, did.offset, || format!("{original:?} became {did:?}"));
        }
        Some(original) => {
            verdict.found(Difference::Content, did.offset, || format!("{original:?} became {did:?}"));
        }
        None => {
            verdict.found(Difference::Invented, did.offset, || "a client got what is not there".to_owned())
        }
    }
}

/// Counts offsets that do not ascend.
pub(super) fn order(verdict: &mut Verdict, offsets: impl Iterator<Item = i64>) {
    let mut last = -1;
    for offset in offsets {
        if offset == last {
            verdict.found(Difference::Duplicated, offset, || "twice in a row".to_owned());
        } else if offset < last {
            verdict.found(Difference::Reordered, offset, || format!("after offset {last}"));
        }
        last = offset;
    }
}

fn content(record: &Record) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&record.key, &record.value, &record.headers).hash(&mut hasher);
    hasher.finish()
}

pub(super) fn both(source: Option<&Record>, mirror: Option<&Record>) -> String {
    format!("source {}, mirror {}", show(source), show(mirror))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(offsets: std::ops::Range<i64>) -> Vec<Record> {
        let record = |offset: i64| Record {
            offset,
            timestamp: 1_000 + offset,
            key: Some(offset.to_string().into_bytes()),
            value: Some(b"value".to_vec()),
            headers: vec![],
        };
        offsets.map(record).collect()
    }

    /// Returns what a comparison of ten records finds after `damage` to the mirror.
    fn found(damage: impl FnOnce(&mut Vec<Record>)) -> Vec<(Difference, usize)> {
        let source = log(0..10);
        let mut mirror = source.clone();
        damage(&mut mirror);
        let verdict = compare(&source, &mirror);
        Difference::ALL.into_iter().map(|d| (d, verdict.count(d))).filter(|(_, n)| *n > 0).collect()
    }

    #[test]
    fn equal_logs_have_no_differences() {
        assert_eq!(found(|_| {}), []);
    }

    #[test]
    fn every_kind_of_damage_is_classified() {
        assert_eq!(found(|m| drop(m.remove(4))), [(Difference::Lost, 1)]);
        assert_eq!(found(|m| m[4].timestamp += 1), [(Difference::Timestamp, 1)]);
        assert_eq!(found(|m| m[4].value = None), [(Difference::Content, 1)]);
        assert_eq!(found(|m| m.swap(4, 5)), [(Difference::Reordered, 1)]);
        assert_eq!(found(|m| m.insert(4, m[4].clone())), [(Difference::Duplicated, 1)]);
        assert_eq!(found(|m| m.push(Record { offset: 10, ..m[4].clone() })), [(Difference::Duplicated, 1)]);
        assert_eq!(found(|m| m.extend(log(10..12))), [(Difference::Invented, 2)]);
        assert_eq!(found(|m| m[9].offset = 11), [(Difference::Offset, 1)]);
    }

    #[test]
    fn a_client_must_read_everything_once_and_in_order() {
        let expected: Vec<Seen> = log(0..5).iter().map(Seen::of).collect();
        assert_eq!(seen(&expected, &expected).differences(), 0);
        assert_eq!(seen(&expected, &expected[..4]).count(Difference::Lost), 1);
        let mut again = expected.clone();
        again.push(expected[2]);
        assert_eq!(seen(&expected, &again).count(Difference::Reordered), 1);
        let mut other = expected.clone();
        other[1].digest ^= 1;
        assert_eq!(seen(&expected, &other).count(Difference::Content), 1);
    }
}
