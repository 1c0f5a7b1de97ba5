//! Defines the response layouts, after Kafka's schemas (`common/message/*Response.json` of kafka-clients).
//! The RPC matrix of the test suites compares them with the schemas themselves.

pub(crate) mod own;

use crate::wire::protocol::response_schema::{Field, FieldType};
use crate::wire::protocol::versions;

/// Defines a field that exists from version `from` on.
const fn since(from: i16, kind: FieldType) -> Field {
    Field { from, to: i16::MAX, kind }
}

/// Defines a field that exists in versions `from` to `to`.
const fn within(from: i16, to: i16, kind: FieldType) -> Field {
    Field { from, to, kind }
}

const INT8: FieldType = FieldType::Fixed(1);
const INT16: FieldType = FieldType::Fixed(2);
const INT32: FieldType = FieldType::Fixed(4);
const INT64: FieldType = FieldType::Fixed(8);
const UUID: FieldType = FieldType::Fixed(16);
const TEXT: FieldType = FieldType::Text;

/// Returns the layout of an api's response; `None` if the codec does not decode it.
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
    since(0, FieldType::Array(&[since(0, INT32), since(0, TEXT), since(0, INT32), since(1, TEXT)])),
    since(2, TEXT),
    since(1, INT32),
    since(
        0,
        FieldType::Array(&[
            since(0, INT16),
            since(0, TEXT),
            since(10, UUID),
            since(1, INT8),
            since(
                0,
                FieldType::Array(&[
                    since(0, INT16),
                    since(0, INT32),
                    since(0, INT32),
                    since(7, INT32),
                    since(0, FieldType::Fixeds(4)),
                    since(0, FieldType::Fixeds(4)),
                    since(5, FieldType::Fixeds(4)),
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
        FieldType::Array(&[
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
    since(0, FieldType::Array(&[since(0, INT16), since(0, INT16), since(0, INT16)])),
    since(1, INT32),
    since(3, FieldType::TaggedArray(0, FEATURE)),
    since(3, FieldType::TaggedFixed(1, 8)),
    since(3, FieldType::TaggedArray(2, FEATURE)),
    since(3, FieldType::TaggedFixed(3, 1)),
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
        FieldType::Array(&[since(0, INT32), since(0, TEXT), since(0, INT32), since(0, TEXT), since(2, INT8)]),
    ),
    since(0, INT32),
];

const DESCRIBE_QUORUM: &[Field] = &[
    since(0, INT16),
    since(2, TEXT),
    since(
        0,
        FieldType::Array(&[
            since(0, TEXT),
            since(
                0,
                FieldType::Array(&[
                    since(0, INT32),
                    since(0, INT16),
                    since(2, TEXT),
                    since(0, INT32),
                    since(0, INT32),
                    since(0, INT64),
                    since(0, FieldType::Array(REPLICA_STATE)),
                    since(0, FieldType::Array(REPLICA_STATE)),
                ]),
            ),
        ]),
    ),
    since(
        2,
        FieldType::Array(&[
            since(2, INT32),
            since(2, FieldType::Array(&[since(2, TEXT), since(2, TEXT), since(2, INT16)])),
        ]),
    ),
];

const REPLICA_STATE: &[Field] =
    &[since(0, INT32), since(2, UUID), since(0, INT64), since(1, INT64), since(1, INT64)];

const PRODUCE: &[Field] = &[
    since(
        0,
        FieldType::Array(&[
            within(0, 12, TEXT),
            since(13, UUID),
            since(
                0,
                FieldType::Array(&[
                    since(0, INT32),
                    since(0, INT16),
                    since(0, INT64),
                    since(2, INT64),
                    since(5, INT64),
                    since(8, FieldType::Array(&[since(8, INT32), since(8, TEXT)])),
                    since(8, TEXT),
                    since(10, FieldType::TaggedStruct(0, &[since(10, INT32), since(10, INT32)])),
                ]),
            ),
        ]),
    ),
    since(1, INT32),
    since(
        10,
        FieldType::TaggedArray(0, &[since(10, INT32), since(10, TEXT), since(10, INT32), since(10, TEXT)]),
    ),
];

const DELETE_TOPICS: &[Field] = &[
    since(1, INT32),
    since(0, FieldType::Array(&[since(0, TEXT), since(6, UUID), since(0, INT16), since(5, TEXT)])),
];

const DELETE_RECORDS: &[Field] = &[
    since(0, INT32),
    since(
        0,
        FieldType::Array(&[
            since(0, TEXT),
            since(0, FieldType::Array(&[since(0, INT32), since(0, INT64), since(0, INT16)])),
        ]),
    ),
];

const DESCRIBE_CONFIGS: &[Field] = &[
    since(0, INT32),
    since(
        0,
        FieldType::Array(&[
            since(0, INT16),
            since(0, TEXT),
            since(0, INT8),
            since(0, TEXT),
            since(
                0,
                FieldType::Array(&[
                    since(0, TEXT),
                    since(0, TEXT),
                    since(0, INT8),
                    within(0, 0, INT8),
                    since(1, INT8),
                    since(0, INT8),
                    since(1, FieldType::Array(&[since(1, TEXT), since(1, TEXT), since(1, INT8)])),
                    since(3, INT8),
                    since(3, TEXT),
                ]),
            ),
        ]),
    ),
];

const CREATE_PARTITIONS: &[Field] =
    &[since(0, INT32), since(0, FieldType::Array(&[since(0, TEXT), since(0, INT16), since(0, TEXT)]))];

const ALTER_CONFIGS: &[Field] = &[
    since(0, INT32),
    since(0, FieldType::Array(&[since(0, INT16), since(0, TEXT), since(0, INT8), since(0, TEXT)])),
];
