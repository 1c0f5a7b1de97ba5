//! Generates plans of source logs with proptest, which can shrink them.

use proptest::prelude::*;
use proxy::internals::Codec;
use proxy::internals::{FILLER_BASE_TIMESTAMP, MIXED_BASE_TIMESTAMP, SENTINEL_KEY};

/// Number of producers of a source.
pub(crate) const PRODUCERS: u8 = 5;
/// First producer with a reserved producer id; all later ones have one too.
pub(crate) const RESERVED_FROM: u8 = 3;
/// Base timestamps that mark filler and mixed batches of Linkgate. The second is that of older logs.
pub(crate) const MAGIC: [i64; 3] = [FILLER_BASE_TIMESTAMP, -0x4C47_4649_4C31, MIXED_BASE_TIMESTAMP];

/// History of a source topic.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    /// True if the topic is compacted on both sides.
    pub(crate) compacted: bool,
    pub(crate) steps: Vec<Step>,
}

/// Next event in the log.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Data(Data),
    /// The transaction of a producer ends, if one is open.
    End {
        producer: u8,
        commit: bool,
    },
    /// Offsets without any batch left, after compaction or retention.
    Gap(i64),
    /// A batch that the log cleaner emptied, over this number of offsets.
    Emptied(i32),
}

/// A batch of records.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    pub(crate) codec: Codec,
    /// Producer of the batch. Producers from 3 on have reserved producer ids.
    pub(crate) producer: u8,
    pub(crate) transactional: bool,
    /// True if the base sequence is the one that a mirror gives this offset.
    pub(crate) sequence_is_offset: bool,
    /// A base timestamp other than the first record's.
    pub(crate) base_timestamp: Option<i64>,
    pub(crate) log_append_time: bool,
    pub(crate) delete_horizon: bool,
    pub(crate) records: Vec<Rec>,
    /// Number of offsets in the batch after its last record.
    pub(crate) trailing: i64,
}

/// A record, and the number of empty offsets before it.
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
        // A producer may write any timestamp, also one that marks filler.
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
        // A sentinel, from a producer of the source.
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
