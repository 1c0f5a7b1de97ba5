//! What a source log is made of, as proptest makes it up and shrinks it.

use proptest::prelude::*;
use proxy::wire::batch::Codec;
use proxy::wire::filler::{FILLER_BASE_TIMESTAMP, MIXED_BASE_TIMESTAMP, SENTINEL_KEY};

/// Producers of a source.
pub(crate) const PRODUCERS: u8 = 5;
/// The first of those whose ids are reserved to mirroring.
pub(crate) const RESERVED_FROM: u8 = 3;
/// Base timestamps that mark what is ours, in a header of ours; the second is that of former logs.
pub(crate) const MAGIC: [i64; 3] = [FILLER_BASE_TIMESTAMP, -0x4C47_4649_4C31, MIXED_BASE_TIMESTAMP];

/// A source topic's life.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// Whether the topic is compacted on both sides.
    pub(crate) compacted: bool,
    pub(crate) steps: Vec<Step>,
}

/// What happens next in the log.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Data(Data),
    /// The transaction of a producer ends, if it has one.
    End {
        producer: u8,
        commit: bool,
    },
    /// Offsets that compaction or retention left nothing of.
    Gap(i64),
    /// A batch that the cleaner emptied, over so many offsets.
    Emptied(i32),
}

/// A batch of records.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    pub(crate) codec: Codec,
    /// Its producer and whether it is in a transaction. Those from 3 on write ids that are reserved to mirroring.
    pub(crate) producer: u8,
    pub(crate) transactional: bool,
    /// Whether the sequence is what a mirror would give the offset.
    pub(crate) sequence_is_offset: bool,
    /// A base timestamp that is not the first record's.
    pub(crate) base_timestamp: Option<i64>,
    pub(crate) log_append_time: bool,
    pub(crate) delete_horizon: bool,
    pub(crate) records: Vec<Rec>,
    /// Offsets of the batch behind its last record.
    pub(crate) trailing: i64,
}

/// A record, and how many offsets before it are empty.
#[derive(Debug, Clone)]
pub(crate) struct Rec {
    pub(crate) gap: i64,
    pub(crate) timestamp: i64,
    pub(crate) key: Option<Vec<u8>>,
    pub(crate) value: Option<Vec<u8>>,
    pub(crate) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

pub(crate) fn plan() -> impl Strategy<Value = Plan> {
    (any::<bool>(), prop::collection::vec(step(), 1..25))
        .prop_map(|(compacted, steps)| Plan { compacted, steps })
}

fn step() -> impl Strategy<Value = Step> {
    let gap = prop_oneof![6 => 1i64..20, 2 => 1i64..3000, 1 => 99_990i64..200_010];
    prop_oneof![
        10 => data().prop_map(Step::Data),
        3 => (0u8..PRODUCERS, any::<bool>()).prop_map(|(producer, commit)| Step::End { producer, commit }),
        1 => gap.prop_map(Step::Gap),
        1 => (1i32..50).prop_map(Step::Emptied),
    ]
}

fn codec() -> impl Strategy<Value = Codec> {
    prop::sample::select(&[Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd])
}

fn data() -> impl Strategy<Value = Data> {
    let dense = prop::collection::vec(record(Just(0).boxed()), 1..8);
    let hole = prop_oneof![4 => Just(0i64), 4 => 1i64..5, 1 => 900i64..1100].boxed();
    let sparse = prop::collection::vec(record(hole), 1..8);
    let shape = prop_oneof![
        3 => dense.prop_map(|records| (records, 0)),
        2 => (sparse, prop_oneof![0i64..6, 900i64..1100]),
    ];
    let flags = (any::<bool>(), prop::bool::weighted(0.2), prop::bool::weighted(0.2), any::<bool>());
    let producer = prop_oneof![3 => 0..RESERVED_FROM, 1 => RESERVED_FROM..PRODUCERS];
    let base = prop_oneof![8 => Just(None), 1 => prop::sample::select(&MAGIC).prop_map(Some)];
    (codec(), producer, base, flags, shape).prop_map(|(codec, producer, base, flags, (records, trailing))| {
        Data {
            codec,
            producer,
            base_timestamp: base,
            transactional: flags.0,
            sequence_is_offset: flags.3,
            log_append_time: flags.1,
            delete_horizon: flags.2,
            records,
            trailing,
        }
    })
}

fn record(gap: BoxedStrategy<i64>) -> impl Strategy<Value = Rec> {
    let timestamp = prop_oneof![
        6 => 1_700_000_000_000i64..1_700_000_100_000,
        1 => Just(-1i64),
        1 => Just(0i64),
        1 => Just(253_402_300_799_999i64),
        1 => Just(i64::MAX),
        // A producer may write any, also those that mark what is ours.
        1 => Just(FILLER_BASE_TIMESTAMP),
        1 => Just(MIXED_BASE_TIMESTAMP),
    ];
    let bytes = prop_oneof![
        2 => Just(None),
        1 => Just(Some(Vec::new())),
        4 => prop::collection::vec(any::<u8>(), 1..12).prop_map(Some),
        1 => (any::<u8>(), 1usize..6000).prop_map(|(byte, length)| Some(vec![byte; length])),
    ];
    let headers = prop::collection::vec(
        (
            prop::collection::vec(any::<u8>(), 0..4),
            prop::option::of(prop::collection::vec(any::<u8>(), 0..4)),
        ),
        0..3,
    );
    let content = prop_oneof![
        6 => (bytes.clone(), bytes, headers),
        // What filler is made of, from a producer of the source.
        1 => Just((Some(SENTINEL_KEY.to_vec()), None, Vec::new())),
    ];
    (gap, timestamp, content).prop_map(|(gap, timestamp, (key, value, headers))| Rec {
        gap,
        timestamp,
        key,
        value,
        headers,
    })
}
