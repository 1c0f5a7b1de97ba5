//! The layouts, by Kafka's schemas (`common/message/*Response.json` of kafka-clients). The RPC matrix of the suites
//! compares them with the schemas themselves.

mod own;

use super::{Field, Kind};
use crate::wire::versions;

/// A field of these versions and later.
const fn since(from: i16, kind: Kind) -> Field {
    Field { from, to: i16::MAX, kind }
}

/// A field of these versions.
const fn within(from: i16, to: i16, kind: Kind) -> Field {
    Field { from, to, kind }
}

const INT8: Kind = Kind::Fixed(1);
const INT16: Kind = Kind::Fixed(2);
const INT32: Kind = Kind::Fixed(4);
const INT64: Kind = Kind::Fixed(8);
const UUID: Kind = Kind::Fixed(16);
const TEXT: Kind = Kind::Text;

/// The layout of an api's response; `None` where the codec does not decode it.
pub(super) fn layout(api_key: i16) -> Option<&'static [Field]> {
    Some(match api_key {
        versions::METADATA => METADATA,
        versions::FIND_COORDINATOR => FIND_COORDINATOR,
        versions::API_VERSIONS => API_VERSIONS,
        versions::DESCRIBE_CLUSTER => DESCRIBE_CLUSTER,
        versions::DESCRIBE_QUORUM => DESCRIBE_QUORUM,
        versions::PRODUCE => PRODUCE,
        versions::DELETE_TOPICS => DELETE_TOPICS,
        versions::DELETE_RECORDS => DELETE_RECORDS,
        versions::DESCRIBE_CONFIGS => DESCRIBE_CONFIGS,
        versions::CREATE_PARTITIONS => CREATE_PARTITIONS,
        versions::ALTER_CONFIGS | versions::INCREMENTAL_ALTER_CONFIGS => ALTER_CONFIGS,
        _ => return own::layout(api_key),
    })
}

const METADATA: &[Field] = &[
    since(3, INT32),
    since(0, Kind::Array(&[since(0, INT32), since(0, TEXT), since(0, INT32), since(1, TEXT)])),
    since(2, TEXT),
    since(1, INT32),
    since(
        0,
        Kind::Array(&[
            since(0, INT16),
            since(0, TEXT),
            since(10, UUID),
            since(1, INT8),
            since(
                0,
                Kind::Array(&[
                    since(0, INT16),
                    since(0, INT32),
                    since(0, INT32),
                    since(7, INT32),
                    since(0, Kind::Fixeds(4)),
                    since(0, Kind::Fixeds(4)),
                    since(5, Kind::Fixeds(4)),
                ]),
            ),
            since(8, INT32),
        ]),
    ),
    within(8, 10, INT32),
    since(13, INT16),
];

const FIND_COORDINATOR: &[Field] = &[
    since(1, INT32),
    within(0, 3, INT16),
    within(1, 3, TEXT),
    within(0, 3, INT32),
    within(0, 3, TEXT),
    within(0, 3, INT32),
    since(
        4,
        Kind::Array(&[
            since(4, TEXT),
            since(4, INT32),
            since(4, TEXT),
            since(4, INT32),
            since(4, INT16),
            since(4, TEXT),
        ]),
    ),
];

const API_VERSIONS: &[Field] = &[
    since(0, INT16),
    since(0, Kind::Array(&[since(0, INT16), since(0, INT16), since(0, INT16)])),
    since(1, INT32),
    since(3, Kind::TaggedArray(0, FEATURE)),
    since(3, Kind::TaggedFixed(1, 8)),
    since(3, Kind::TaggedArray(2, FEATURE)),
    since(3, Kind::TaggedFixed(3, 1)),
];

const FEATURE: &[Field] = &[since(3, TEXT), since(3, INT16), since(3, INT16)];

const DESCRIBE_CLUSTER: &[Field] = &[
    since(0, INT32),
    since(0, INT16),
    since(0, TEXT),
    since(1, INT8),
    since(0, TEXT),
    since(0, INT32),
    since(
        0,
        Kind::Array(&[since(0, INT32), since(0, TEXT), since(0, INT32), since(0, TEXT), since(2, INT8)]),
    ),
    since(0, INT32),
];

const DESCRIBE_QUORUM: &[Field] = &[
    since(0, INT16),
    since(2, TEXT),
    since(
        0,
        Kind::Array(&[
            since(0, TEXT),
            since(
                0,
                Kind::Array(&[
                    since(0, INT32),
                    since(0, INT16),
                    since(2, TEXT),
                    since(0, INT32),
                    since(0, INT32),
                    since(0, INT64),
                    since(0, Kind::Array(REPLICA_STATE)),
                    since(0, Kind::Array(REPLICA_STATE)),
                ]),
            ),
        ]),
    ),
    since(
        2,
        Kind::Array(&[
            since(2, INT32),
            since(2, Kind::Array(&[since(2, TEXT), since(2, TEXT), since(2, INT16)])),
        ]),
    ),
];

const REPLICA_STATE: &[Field] =
    &[since(0, INT32), since(2, UUID), since(0, INT64), since(1, INT64), since(1, INT64)];

const PRODUCE: &[Field] = &[
    since(
        0,
        Kind::Array(&[
            within(0, 12, TEXT),
            since(13, UUID),
            since(
                0,
                Kind::Array(&[
                    since(0, INT32),
                    since(0, INT16),
                    since(0, INT64),
                    since(2, INT64),
                    since(5, INT64),
                    since(8, Kind::Array(&[since(8, INT32), since(8, TEXT)])),
                    since(8, TEXT),
                    since(10, Kind::TaggedStruct(0, &[since(10, INT32), since(10, INT32)])),
                ]),
            ),
        ]),
    ),
    since(1, INT32),
    since(10, Kind::TaggedArray(0, &[since(10, INT32), since(10, TEXT), since(10, INT32), since(10, TEXT)])),
];

const DELETE_TOPICS: &[Field] = &[
    since(1, INT32),
    since(0, Kind::Array(&[since(0, TEXT), since(6, UUID), since(0, INT16), since(5, TEXT)])),
];

const DELETE_RECORDS: &[Field] = &[
    since(0, INT32),
    since(
        0,
        Kind::Array(&[
            since(0, TEXT),
            since(0, Kind::Array(&[since(0, INT32), since(0, INT64), since(0, INT16)])),
        ]),
    ),
];

const DESCRIBE_CONFIGS: &[Field] = &[
    since(0, INT32),
    since(
        0,
        Kind::Array(&[
            since(0, INT16),
            since(0, TEXT),
            since(0, INT8),
            since(0, TEXT),
            since(
                0,
                Kind::Array(&[
                    since(0, TEXT),
                    since(0, TEXT),
                    since(0, INT8),
                    within(0, 0, INT8),
                    since(1, INT8),
                    since(0, INT8),
                    since(1, Kind::Array(&[since(1, TEXT), since(1, TEXT), since(1, INT8)])),
                    since(3, INT8),
                    since(3, TEXT),
                ]),
            ),
        ]),
    ),
];

const CREATE_PARTITIONS: &[Field] =
    &[since(0, INT32), since(0, Kind::Array(&[since(0, TEXT), since(0, INT16), since(0, TEXT)]))];

const ALTER_CONFIGS: &[Field] = &[
    since(0, INT32),
    since(0, Kind::Array(&[since(0, INT16), since(0, TEXT), since(0, INT8), since(0, TEXT)])),
];
